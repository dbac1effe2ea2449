use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use reqwest::{Client, Method};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{DEADLINE, Process, RedisServer};

use crate::{Answer, host};

/// How long the host may take to start: it compiles a component that is new to it.
const START: Duration = Duration::from_secs(120);

/// The real API in a host of its own, on a port of its own.
#[derive(Debug)]
pub struct Api {
    /// The host process.
    pub process: Process,
    address: String,
    client: Client,
    /// The folder of a manifest that was written for this API.
    _manifest: Option<TempDir>,
}

impl Api {
    /// Starts the API on `redis`, open to this machine, with `queue@example.com` as the default sender.
    pub async fn start(redis: &RedisServer) -> Self {
        Self::start_with(&redis.url(), &[]).await
    }

    /// Starts the API on the Redis of a URL, which may lead through a proxy, with Spin variables of the test's choice.
    ///
    /// # Panics
    /// When it does not start to listen.
    pub async fn start_with(redis_url: &str, variables: &[(&str, &str)]) -> Self {
        Self::serve(host::command(), redis_url, variables).await
    }

    /// The same, where an instance of the component has no more memory than so many bytes.
    ///
    /// # Panics
    /// When it does not start to listen.
    pub async fn start_within(memory: usize, redis_url: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = host::command();
        command.env("SPIN_MAX_INSTANCE_MEMORY", memory.to_string());
        Self::serve(command, redis_url, variables).await
    }

    /// Whether the API is the native server, which opens its connections to Redis itself.
    #[must_use]
    pub fn is_native() -> bool {
        host::is_native()
    }

    /// Starts the API on a Redis whose certificate one of these authorities has signed.
    ///
    /// # Panics
    /// When it does not start to listen.
    pub async fn start_trusting(authorities: &Path, redis_url: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = host::command();
        // Of a component the host opens the connections.
        command.env(if host::is_native() { "EMAIL_QUEUE_REDIS_CA" } else { "SSL_CERT_FILE" }, authorities);
        Self::serve(command, redis_url, variables).await
    }

    /// Starts the API on a node of a cluster, as one that may connect to these nodes.
    ///
    /// # Panics
    /// When it does not start to listen.
    pub async fn start_on(
        node: &RedisServer,
        allowed: impl IntoIterator<Item = SocketAddr>,
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let allowed: Vec<_> = allowed.into_iter().collect();
        let command = host::command_allowing(&allowed, folder.path());
        let api = Self::serve(command, &node.url(), variables).await;
        Self { _manifest: Some(folder), ..api }
    }

    /// The error for settings with which the API does not start (exit code 64, EX_USAGE). `None` if the host starts the
    /// API with any settings, and requests get the error.
    ///
    /// # Panics
    /// When it starts all the same.
    pub async fn refusal_to_start(redis_url: &str, variables: &[(&str, &str)]) -> Option<String> {
        if !host::is_native() {
            return None;
        }
        let mut process = Self::spawn(host::command(), redis_url, variables);
        let status = process.wait(DEADLINE).await;
        assert_eq!(status.code(), Some(64), "{}", process.text());
        Some(process.text())
    }

    async fn serve(command: Command, redis_url: &str, variables: &[(&str, &str)]) -> Self {
        let process = Self::spawn(command, redis_url, variables);
        let line = process.wait_for_line_within(START, |line| line.starts_with("Serving http://")).await;
        let address = line.trim_start_matches("Serving http://").trim_end_matches('/').to_owned();
        Self { process, address, client: Client::new(), _manifest: None }
    }

    fn spawn(mut command: Command, redis_url: &str, variables: &[(&str, &str)]) -> Process {
        let host = redis_url.rsplit(['/', '@']).find(|part| part.contains(':')).unwrap_or_default();
        let defaults = [
            ("redis_url", redis_url),
            ("redis_host", host),
            ("default_from", "queue@example.com"),
            ("open", "loopback"),
        ];
        for (name, value) in defaults.iter().chain(variables) {
            command.env(host::variable(name), value);
        }
        Process::start(command)
    }

    /// Whether the API is a component, in a host that gives it a Redis to reach and ends its instances.
    #[must_use]
    pub fn is_component() -> bool {
        !host::is_native()
    }

    /// Whether this API keeps its connections to Redis from one request to the next.
    #[must_use]
    pub fn keeps_connections() -> bool {
        host::is_native() || host::manifest().ends_with("spin-wasip3.toml")
    }

    /// Whether a request of this API waits for a Redis that is silent as long as it is: its host does.
    #[must_use]
    pub fn waits_for_redis() -> bool {
        !Self::keeps_connections()
    }

    /// The output of host and component without the "Serving" line: empty if nothing went wrong.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.process.lines().into_iter().filter(|line| !host::is_about_serving(line)).collect()
    }

    /// Host and port, for tests that speak HTTP by hand.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request with any headers and any body.
    ///
    /// # Panics
    /// When there is no answer, or one that no answer of the API may be.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_else(|_| panic!("{method} is no method"));
        let mut request = self.client.request(method, format!("http://{}{path}", self.address)).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("no answer from the API: {error}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_else(|error| panic!("the answer broke off: {error}"));
        Answer::new(status, headers, &body)
    }

    /// Posts an email, whatever becomes of it.
    pub async fn post(&self, email: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.request("POST", "/emails", &json, email.to_string()).await
    }

    /// Posts an email that must be accepted, and returns its id.
    ///
    /// # Panics
    /// When it is not.
    pub async fn accept(&self, email: &Value) -> String {
        let answer = self.post(email).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.text("id").to_owned()
    }

    /// Posts an email with an idempotency key, whatever becomes of it.
    pub async fn post_with_key(&self, key: &str, email: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.request("POST", "/emails", &headers, email.to_string()).await
    }

    /// Reads an email.
    pub async fn get(&self, id: &str) -> Answer {
        self.request("GET", &format!("/emails/{id}"), &[], "").await
    }

    /// How far an email has come.
    pub async fn last_event(&self, id: &str) -> String {
        self.get(id).await.text("last_event").to_owned()
    }
}
