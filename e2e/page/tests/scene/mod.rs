//! What is there before a script opens the page, and running the script.

mod history;

use std::{path::Path, process::Command, time::Duration};

use e2e::{Api, Worker, program};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{Action, DEADLINE, Process, RedisServer, Rules, SmtpServer, eventually};

/// A key for everything, one that sends and one that reads, as operators write them.
pub(crate) const KEYS: (&str, &str) = ("api_keys", "operator-key,sender-key:sending,reader-key:read");
/// The one for everything, in the header of a request.
const AUTHORIZATION: (&str, &str) = ("authorization", "Bearer operator-key");
const JSON: (&str, &str) = ("content-type", "application/json");

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(150);

/// API, Redis, worker and mail server. Leases and back-offs are short, and a dead letter stays one.
pub(crate) struct Scene {
    pub(crate) api: Api,
    pub(crate) server: SmtpServer,
    redis: RedisServer,
    worker: Worker,
}

impl Scene {
    pub(crate) async fn start(rules: Rules) -> Self {
        Self::start_with(rules, &[]).await
    }

    /// The same with flags for the worker.
    pub(crate) async fn start_with(rules: Rules, flags: &[&str]) -> Self {
        let redis = RedisServer::builder().without_persistence().start();
        let server = SmtpServer::builder().rules(rules).start().await;
        let api = Api::start_with(&redis.url(), &[KEYS]).await;
        let worker = Worker::ready(&redis.url(), &server.url(), flags).await;
        Self { api, server, redis, worker }
    }

    /// Kills the worker once it has an email in flight. Returns the minute, ten minutes ago, in which emails were sent for the last time.
    pub(crate) async fn die_after_a_pause(&mut self) -> String {
        eventually(DEADLINE, "an email in flight", async || {
            self.api.request("GET", "/queue", &[AUTHORIZATION], "").await.json["states"]["sending"] == 1
        })
        .await;
        self.worker.process.kill_now();
        history::write_delivered(&self.redis, 10)
    }

    /// Of the process of Redis, for a script that freezes it.
    pub(crate) fn redis_pid(&self) -> String {
        redis_pid(&self.redis)
    }

    /// Runs a script on the page; `variables` are its own.
    pub(crate) async fn run(&self, name: &str, variables: &[(&str, &str)]) {
        run(name, &self.api, variables).await;
    }
}

/// Runs `scripts/<name>.mjs` on the page of an API. It fails the test where it fails; its output is shown then.
pub(crate) async fn run(name: &str, api: &Api, variables: &[(&str, &str)]) {
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name).with_extension("mjs"))
        .env("PAGE_TOOLS", program("PAGE_TOOLS", "target/test-tools/page/node_modules"))
        .env("CHROMIUM", program("CHROMIUM", "/usr/bin/chromium"))
        .env("API", format!("http://{}", api.address()))
        .envs(variables.iter().copied());
    let mut process = Process::start(command);
    let status = process.wait(LIMIT).await;
    assert!(status.success(), "{name}: {status}\n{}", process.text());
}

/// As text.
pub(crate) fn redis_pid(redis: &RedisServer) -> String {
    let info: String = redis::cmd("INFO").arg("server").query(&mut redis.connection()).unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    pid.to_owned()
}

/// Posts an email that must be accepted, and returns its id.
pub(crate) async fn accept(api: &Api, email: &Value) -> String {
    let answer = api.request("POST", "/emails", &[AUTHORIZATION, JSON], email.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.text("id").to_owned()
}

/// Posts emails, all in one request.
pub(crate) async fn accept_batch(api: &Api, emails: &[Value]) {
    let answer = api.request("POST", "/emails/batch", &[AUTHORIZATION, JSON], json!(emails).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
}

/// Posts so many emails to people of another domain.
pub(crate) async fn fill(api: &Api, count: usize) {
    for begin in (0..count).step_by(100) {
        let emails = (begin..(begin + 100).min(count)).map(|number| {
            json!({"from": "a@acme.example", "to": format!("person{number}@hay.example"), "subject": format!("Hay {number}"), "text": "x"})
        });
        accept_batch(api, &emails.collect::<Vec<_>>()).await;
    }
}

/// A server with whom all goes as it may go in an hour: some recipients are unknown, some mailboxes are full, and some take long.
pub(crate) fn trouble() -> Rules {
    let replies = [
        ("unknown", Action::reply(550, "5.1.1 Recipient address rejected: User unknown")),
        ("spam", Action::reply(554, "5.7.1 Message refused by policy")),
        ("full", Action::reply(452, "4.2.2 The mailbox is full, try again later")),
        ("slow", Action::Hold),
    ];
    replies.into_iter().fold(Rules::new(), |rules, (name, action)| {
        rules.when(move |step| step.recipient.is_some_and(|recipient| recipient.starts_with(name)), action)
    })
}

/// A queue in the middle of a busy hour: a history, dead letters, delayed and scheduled emails, some in flight, a paused lane. Returns the
/// id of a dead letter.
pub(crate) async fn busy_hour(redis: &RedisServer, api: &Api, server: &SmtpServer) -> String {
    history::write(redis);
    let post = |path: &'static str, body: Value| api.request("POST", path, &[AUTHORIZATION, JSON], body.to_string());
    assert_eq!(post("/queue/pause", json!({"lanes": ["low"]})).await.status, 200);
    let invoice = accept(
        api,
        &json!({
            "from": "Acme <hello@acme.example>", "to": ["Ada Lovelace <unknown@example.com>"], "cc": "bob@example.com",
            "reply_to": "support@acme.example", "subject": "Your invoice for November",
            "text": "Hello Ada,\n\nyour invoice for November is attached.\n\nAcme",
            "html": "<h1 style='font: 600 22px sans-serif'>Your invoice</h1><p style='font: 15px sans-serif'>Hello Ada, your invoice for November is attached.</p>",
            "headers": {"List-Unsubscribe": "<mailto:leave@acme.example>"},
            "tags": [{"name": "campaign", "value": "november"}],
            "attachments": [{"filename": "invoice.pdf", "content": "JVBERi0xLjQK", "content_type": "application/pdf"}],
        }),
    )
    .await;
    let subjects = ["Your invoice for November", "Reset your password", "Welcome to Acme", "Your order has shipped"];
    let email = |number: usize, to: &str, priority: &str| {
        let subject = subjects[number % subjects.len()];
        json!({"from": "Acme <hello@acme.example>", "to": format!("{to}{number}@example.com"), "subject": subject, "text": "x", "priority": priority})
    };
    let mut emails = Vec::new();
    for (to, count, priority) in [
        ("person", 40, "normal"),
        ("unknown", 9, "normal"),
        ("spam", 3, "high"),
        ("full", 12, "normal"),
        ("slow", 6, "normal"),
        ("reader", 23, "low"),
    ] {
        emails.extend((0..count).map(|number| email(number, to, priority)));
    }
    accept_batch(api, &emails[..90]).await;
    let tomorrow = (Timestamp::now() + Duration::from_secs(86_400)).to_string();
    let later = (0..7).map(|number| {
        let mut email = email(number, "later", "normal");
        email["scheduled_at"] = tomorrow.as_str().into();
        email
    });
    accept_batch(api, &emails[90..].iter().cloned().chain(later).collect::<Vec<_>>()).await;
    let settled = |state: &Value| {
        let count = |name: &str| state[name].as_u64().unwrap_or_default();
        count("failed") == 13 && count("delayed") == 12 && count("sending") == 6 && count("queued") == 23
    };
    eventually(DEADLINE, "every email to be where it stays", async || {
        settled(&api.request("GET", "/queue", &[AUTHORIZATION], "").await.json["states"])
    })
    .await;
    // All that is not held.
    server.wait_for(41).await;
    invoice
}
