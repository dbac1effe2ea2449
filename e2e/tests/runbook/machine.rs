//! A machine with Redis, API and worker as services, and an operator who runs the commands of the page.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use e2e::{Answer, Api, program};
use serde_json::json;
use tempfile::TempDir;
use testkit::{DEADLINE, Process, RedisServer};

use crate::page;

pub(crate) const KEY: &str = "re_operator";

/// Passes what it is asked on to the test, and waits until that is done.
const SYSTEMCTL: &str = r#"#!/bin/sh
printf '%s\n' "$*" > "$MACHINE/asked.new" && mv "$MACHINE/asked.new" "$MACHINE/asked"
while [ -e "$MACHINE/asked" ]; do sleep 0.02; done
"#;

/// The settings of the worker: short times, except for how long a failing relay is left alone.
const WORKER: &str = "EMAIL_QUEUE_LEASE=1s\nEMAIL_QUEUE_POP_GRACE=1s\nEMAIL_QUEUE_RETRY_BASE=1h\n";

pub(crate) struct Machine {
    pub(crate) redis: RedisServer,
    pub(crate) worker: Option<Process>,
    api: Option<Api>,
    directory: TempDir,
    /// More variables of the page.
    variables: Vec<(&'static str, String)>,
}

impl Machine {
    /// All but the worker runs.
    pub(crate) async fn start(redis: RedisServer, transport: &str, api: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let systemctl = directory.path().join("systemctl");
        fs::write(&systemctl, SYSTEMCTL).unwrap();
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
        let emailq = program("EMAILQ", "target/debug/emailq");
        symlink(emailq.canonicalize().unwrap(), directory.path().join("emailq")).unwrap();
        // For commands that start one: the same as serves the test.
        if let Some(program) = env::var_os("REDIS_SERVER") {
            symlink(program, directory.path().join("redis-server")).unwrap();
        }
        let worker = format!("EMAIL_QUEUE_REDIS_URL={}\nEMAIL_QUEUE_TRANSPORT={transport}\n{WORKER}", redis.url());
        fs::write(directory.path().join("worker.env"), worker).unwrap();
        let api = format!("EMAIL_QUEUE_API_KEYS={KEY}\nEMAIL_QUEUE_DEFAULT_FROM=queue@example.com\n{api}");
        fs::write(directory.path().join("api.env"), api).unwrap();
        let mut machine = Self { redis, worker: None, api: None, directory, variables: Vec::new() };
        machine.systemctl("start email-queue-api").await;
        machine
    }

    /// A Redis without persistence, and default settings.
    pub(crate) async fn simple(transport: &str) -> Self {
        Self::start(RedisServer::builder().without_persistence().start(), transport, "").await
    }

    pub(crate) fn variable(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    /// Replaces a setting of the worker.
    pub(crate) fn set_worker(&self, name: &str, value: &str) {
        let mut settings = settings(&self.path("worker.env"));
        settings.retain(|(former, _)| former != name);
        settings.push((name.to_owned(), value.to_owned()));
        let lines: String = settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        fs::write(self.path("worker.env"), lines).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Runs the block of this name, which must succeed, and returns what it prints.
    pub(crate) async fn run(&mut self, block: &str) -> String {
        let mut shell = Command::new("sh");
        shell.arg("-euc").arg(page::commands(block)).env("MACHINE", self.directory.path());
        shell.env("REDIS_URL", self.redis.url()).env("QUEUE", "emails").env("SETTINGS", self.directory.path());
        shell.env("EMAIL_QUEUE_REDIS_URL", self.redis.url());
        shell.env("API", format!("http://{}", self.api().address())).env("KEY", KEY);
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let path = env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{}:{path}", self.directory.path().display()));
        let mut shell = Process::start(shell);
        let (began, asked) = (Instant::now(), self.path("asked"));
        while shell.is_running() {
            if let Ok(request) = fs::read_to_string(&asked) {
                self.systemctl(request.trim()).await;
                fs::remove_file(&asked).unwrap();
            }
            assert!(began.elapsed() < DEADLINE, "{block} does not end: {}", shell.text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(shell.wait(DEADLINE).await.success(), "{block}: {}", shell.text());
        shell.text()
    }

    /// As systemd does it with the units of `deploy/systemd/`.
    pub(crate) async fn systemctl(&mut self, request: &str) {
        let (action, units) = request.split_once(' ').unwrap();
        for unit in units.split(' ') {
            if action != "start" {
                self.stop(unit).await;
            }
            if action != "stop" {
                self.begin(unit).await;
            }
        }
    }

    async fn begin(&mut self, unit: &str) {
        match unit {
            "email-queue-api" => {
                let settings = settings(&self.path("api.env"));
                let name = |name: &str| name.trim_start_matches("EMAIL_QUEUE_").to_lowercase();
                let settings: Vec<_> = settings.into_iter().map(|(key, value)| (name(&key), value)).collect();
                let variables: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
                // With keys it is open to nobody else.
                let variables = [&[("open", "")], &*variables].concat();
                self.api = Some(Api::start_with(&self.redis.url(), &variables).await);
            }
            "email-queue-worker" => {
                let mut command = Command::new(program("NATIVE_WORKER", "target/release/native-worker"));
                command.env_clear().envs(settings(&self.path("worker.env")));
                let worker = Process::start(command);
                worker.wait_for_line(|line| line.contains("ready")).await;
                self.worker = Some(worker);
            }
            "redis-server" => self.redis.start_again(),
            unit => panic!("there is no unit {unit}"),
        }
    }

    async fn stop(&mut self, unit: &str) {
        match unit {
            "email-queue-api" => self.api = None,
            "email-queue-worker" => {
                if let Some(mut worker) = self.worker.take() {
                    worker.terminate();
                    assert!(worker.wait(DEADLINE).await.success(), "{}", worker.text());
                }
            }
            "redis-server" => self.redis.kill_now(),
            unit => panic!("there is no unit {unit}"),
        }
    }

    pub(crate) fn api(&self) -> &Api {
        self.api.as_ref().unwrap()
    }

    pub(crate) async fn request(&self, method: &str, path: &str, key: &str, body: String) -> Answer {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.api().request(method, path, &headers, body).await
    }

    /// Posts an email with this text.
    pub(crate) async fn post(&self, text: &str) -> Answer {
        let email = json!({"to": "a@b.example", "subject": "s", "text": text}).to_string();
        self.request("POST", "/emails", KEY, email).await
    }

    pub(crate) async fn accept(&self, text: &str) -> String {
        let answer = self.post(text).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.text("id").to_owned()
    }

    /// Posts an email, which must be refused with this status, and returns why.
    pub(crate) async fn refused(&self, status: u16) -> String {
        let answer = self.post("refused").await;
        assert_eq!(answer.status, status, "{}", answer.json);
        answer.text("message").to_owned()
    }
}

/// The variables of an `EnvironmentFile`.
fn settings(file: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let line = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter_map(line).collect()
}
