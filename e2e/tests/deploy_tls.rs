//! The files of `deploy/tls/`: nginx before the native server, and Redis with client certificates.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use e2e::{Api, Worker, program};
use serde_json::json;
use tempfile::TempDir;
use testkit::{Authority, CertificateFiles, DEADLINE, Process, SmtpServer, eventually, ports::free_port, tls_redis};

const HOST: &str = "queue.example.com";

/// A file of the recipe, in a directory of the test's own, with paths and ports of the test's own.
struct Recipe {
    directory: TempDir,
    redis_port: u16,
    https_port: u16,
}

impl Recipe {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), redis_port: free_port(), https_port: free_port() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, file: &str, changes: &[(&str, &str)]) -> String {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/tls").join(file);
        let mut text = fs::read_to_string(recipe).unwrap();
        let directory = self.directory.path().to_str().unwrap();
        for (from, to) in [("/etc/email-queue/tls", directory)].iter().chain(changes) {
            assert!(text.contains(from), "{file} has no {from}");
            text = text.replace(from, to);
        }
        text
    }

    /// New certificates of all programs, where the recipe has them.
    fn renew(&self, authority: &Authority) {
        for (certificate, key, name) in [
            ("redis.pem", "redis-key.pem", "localhost"),
            ("client.pem", "client-key.pem", "client"),
            ("fullchain.pem", "privkey.pem", HOST),
        ] {
            let files = CertificateFiles::new(authority, &[name]);
            fs::copy(files.certificate(), self.path(certificate)).unwrap();
            fs::copy(files.key(), self.path(key)).unwrap();
        }
        fs::write(self.path("ca.pem"), authority.pem()).unwrap();
    }

    async fn redis(&self) -> Process {
        let port = self.redis_port.to_string();
        fs::write(self.path("redis.conf"), self.text("redis.conf", &[("6379", &port)])).unwrap();
        let mut command = Command::new(tls_redis::program());
        command.arg(self.path("redis.conf")).arg("--dir").arg(self.directory.path());
        let process = Process::start(command);
        process.wait_for_line(|line| line.contains("Ready to accept connections")).await;
        process
    }

    fn redis_url(&self) -> String {
        format!("rediss://localhost:{}", self.redis_port)
    }

    /// The native server, as the page says, and its address.
    async fn api(&self) -> (Process, String) {
        let mut command = Command::new(program("NATIVE_API", "target/release/native-api"));
        command.env_clear().args(["--listen", "127.0.0.1:0"]);
        command.env("EMAIL_QUEUE_API_KEYS", "key").env("EMAIL_QUEUE_TRUSTED_PROXIES", "127.0.0.1");
        command.env("EMAIL_QUEUE_REDIS_URL", self.redis_url()).env("EMAIL_QUEUE_REDIS_CA", self.path("ca.pem"));
        command.env("EMAIL_QUEUE_REDIS_CERT", self.path("client.pem"));
        command.env("EMAIL_QUEUE_REDIS_KEY", self.path("client-key.pem"));
        let process = Process::start(command);
        let line = process.wait_for_line(|line| line.starts_with("Serving http://")).await;
        (process, line.trim_start_matches("Serving http://").to_owned())
    }

    fn nginx_command(&self) -> Command {
        let root = env::var_os("NGINX_ROOT").unwrap_or_else(|| "/".into());
        let mut command = Command::new(Path::new(&root).join("usr/sbin/nginx"));
        command.arg("-p").arg(self.directory.path()).arg("-c").arg(self.path("nginx.conf")).args(["-e", "stderr"]);
        command
    }

    async fn nginx(&self, api: &str) -> Process {
        let port = self.https_port.to_string();
        let changes = [("127.0.0.1:3000", api), ("listen 443", &*format!("listen 127.0.0.1:{port}"))];
        fs::write(self.path("email-queue.conf"), self.text("nginx.conf", &changes)).unwrap();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths: String = paths.iter().map(|path| format!("{path}_temp_path {path};")).collect();
        let conf = format!(
            "user root; daemon off; pid nginx.pid; events {{}} http {{ access_log off; {paths} include email-queue.conf; }}"
        );
        fs::write(self.path("nginx.conf"), conf).unwrap();
        let process = Process::start(self.nginx_command());
        eventually(DEADLINE, "nginx", async || self.curl(&["https://HOST/healthz"]).0 == 200).await;
        process
    }

    /// The status, or 0 without an answer; and the body.
    fn curl(&self, arguments: &[&str]) -> (u16, String) {
        let host = format!("{HOST}:{}", self.https_port);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "20", "-w", "\n%{http_code}", "--resolve", &format!("{host}:127.0.0.1")]);
        curl.arg("--cacert").arg(self.path("ca.pem"));
        let output = curl.args(arguments.iter().map(|argument| argument.replace("HOST", &host))).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), format!("{body}{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn post(&self, more: &[&str]) -> (u16, String) {
        let email = json!({"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t"}).to_string();
        let json = ["--json", &email, "https://HOST/emails", "-H", "Authorization: Bearer key"];
        self.curl(&[&json, more].concat())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_serves_who_has_a_key_and_renews_all_certificates_without_losing_a_request() {
    // A component is not behind nginx but behind Spin.
    if Api::is_component() {
        return;
    }
    let (recipe, first, second) = (Arc::new(Recipe::new()), Authority::new(), Authority::new());
    recipe.renew(&first);
    let (_redis, smtp) = (recipe.redis().await, SmtpServer::start().await);
    let (ca, cert, key) = (recipe.path("ca.pem"), recipe.path("client.pem"), recipe.path("client-key.pem"));
    let [ca, cert, key] = [&ca, &cert, &key].map(|path| path.to_str().unwrap());
    let flags = ["--redis-ca", ca, "--redis-cert", cert, "--redis-key", key];
    let _worker = Worker::ready(&recipe.redis_url(), &smtp.url(), &flags).await;
    let (_api, address) = recipe.api().await;
    let _nginx = recipe.nginx(&address).await;

    // Who is served.
    let (status, body) = recipe.post(&[]);
    assert_eq!(status, 200, "{body}");
    smtp.wait_for(1).await;
    let (status, body) = recipe.curl(&["--json", "{}", "https://HOST/emails"]);
    assert_eq!(status, 401, "{body}");
    let (status, body) = recipe.curl(&["--json", "{}", "http://HOST/emails"]);
    assert_eq!((status, body.contains("nginx")), (400, true), "{body}");

    // Wrong keys count by client, whatever a client says of its address.
    for nth in 0..=10 {
        let forged = format!("X-Forwarded-For: 192.0.2.{nth}");
        let (status, body) = recipe.curl(&["https://HOST/emails", "-H", "Authorization: Bearer no", "-H", &forged]);
        assert_eq!(status, if nth < 10 { 403 } else { 429 }, "{nth}: {body}");
    }
    let other = ["https://HOST/emails", "-H", "Authorization: Bearer no", "--interface", "127.0.0.2"];
    assert_eq!(recipe.curl(&other).0, 403);

    // nginx' certificate, while clients post.
    let both = format!("{}{}", first.pem(), second.pem());
    fs::write(recipe.path("both.pem"), &both).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (recipe, stop) = (Arc::clone(&recipe), Arc::clone(&stop));
            thread::spawn(move || {
                let both = recipe.path("both.pem");
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let post = || recipe.post(&["--cacert", both.to_str().unwrap()]);
                    // A worker of nginx that ends may close a connection before it reads the request; a client then repeats it
                    // (RFC 9113 section 6.8).
                    answers.push(Some(post()).filter(|(status, _)| *status != 0).unwrap_or_else(post));
                }
                answers
            })
        })
        .collect();
    eventually(DEADLINE, "the clients to post", async || smtp.received().len() > 10).await;
    recipe.renew(&second);
    assert!(recipe.nginx_command().args(["-s", "reload"]).status().unwrap().success());
    eventually(DEADLINE, "the new certificate", async || recipe.curl(&["https://HOST/healthz"]).0 == 200).await;
    let before = smtp.received().len();
    eventually(DEADLINE, "the clients to post on", async || smtp.received().len() > before + 10).await;
    stop.store(true, Ordering::Relaxed);
    let answers: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status != 200).collect();
    assert!(refused.is_empty(), "{refused:?}");
    smtp.wait_for(1 + answers.len()).await;

    // Redis' certificate and authority, by the page's command, as a client of the first authority.
    let files = CertificateFiles::new(&first, &["client"]);
    let (ca, cert, key) = (files.authority(), files.certificate(), files.key());
    let at = format!("localhost -p {}", recipe.redis_port);
    let [ca, cert, key] = [&ca, &cert, &key].map(|path| format!(" {} ", path.display()));
    let changes: &[(&str, &str)] =
        &[("redis.example.com", &at), (" ca.pem ", &ca), (" client.pem ", &cert), (" client-key.pem ", &key)];
    let page = recipe.text("README.md", changes);
    let renew = page.split("```sh\n").find(|block| block.starts_with("cd ")).unwrap().split("```").next().unwrap();
    // What is connected stays so; a new connection is what shows.
    let kill = renew.split_once("config set").unwrap().0.replace(&*files.authority().display().to_string(), "ca.pem");
    let kill = kill.replace(&*files.certificate().display().to_string(), "client.pem");
    let kill = kill.replace(&*files.key().display().to_string(), "client-key.pem") + "client kill type normal";
    for script in [renew, &kill] {
        let output = Command::new("sh").args(["-ec", script]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("ERR") && !said.contains("rror"), "{script}: {said}");
    }
    eventually(DEADLINE, "a post by new connections", async || recipe.post(&[]).0 == 200).await;
    smtp.wait_for(2 + answers.len()).await;
}
