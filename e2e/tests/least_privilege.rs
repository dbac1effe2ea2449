//! The Redis of `deploy/redis/`: everything works as its users, and they can do nothing else.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

use e2e::{Api, Arrivals, Worker};
use redis::Connection;
use serde_json::json;
use tempfile::TempDir;
use testkit::{Action, DEADLINE, Process, Rules, SmtpServer, Stage, eventually, ports::free_port};

const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/redis");
const JSON: (&str, &str) = ("content-type", "application/json");
const KEY: (&str, &str) = ("authorization", "Bearer re_key");

/// A Redis as the recipe has it, and an operator's user beside its own.
struct Recipe {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl Recipe {
    async fn start() -> Self {
        Self::with(fs::read_to_string(Path::new(RECIPE).join("users.acl")).unwrap()).await
    }

    async fn with(users: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let acl = directory.path().join("users.acl");
        fs::write(&acl, format!("{}\nuser operator on >OPERATOR_PASSWORD ~* &* +@all\n", users.trim_end())).unwrap();
        let port = free_port();
        let mut command = Command::new(env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into()));
        command.arg(Path::new(RECIPE).join("redis.conf")).args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.arg("--dir").arg(directory.path()).arg("--aclfile").arg(&acl);
        let process = Process::start(command);
        process.wait_for_line(|line| line.contains("Ready to accept connections")).await;
        Self { process, port, _directory: directory }
    }

    fn url(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
    }

    fn connection(&self, user: &str, password: &str) -> Connection {
        redis::Client::open(self.url(user, password)).unwrap().get_connection().unwrap()
    }
}

#[tokio::test]
async fn everything_works_as_the_users_of_the_recipe() {
    let recipe = Recipe::start().await;
    let server = SmtpServer::start().await;
    server.rules(Rules::new().nth(Stage::EndOfData, 1, Action::reply(451, "4.3.0 not now")));
    let variables = [("api_keys", "re_key"), ("rate_limit", "1000"), ("backlog_bytes", "1000000")];
    let api = Api::start_with(&recipe.url("email-queue-api", "API_PASSWORD"), &variables).await;
    let worker_url = recipe.url("email-queue-worker", "WORKER_PASSWORD");
    let mut worker = Worker::ready(&worker_url, &server.url(), &[]).await;

    let post = async |path: &str, body: serde_json::Value| {
        let answer = api.request("POST", path, &[JSON, KEY, ("idempotency-key", path)], body.to_string()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json);
        answer.json
    };
    let get = async |path: &str| {
        let answer = api.request("GET", path, &[KEY], "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json);
        answer.json
    };
    let email = json!({"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t",
        "attachments": [{"filename": "a.txt", "content": "aGk="}]});
    let id = post("/emails", email.clone()).await["id"].as_str().unwrap().to_owned();
    post("/emails/batch", json!([{"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t"}])).await;
    let mut later = email.clone();
    later["scheduled_at"] = json!("in 1 hour");
    let later = api.request("POST", "/emails", &[JSON, KEY], later.to_string()).await.text("id").to_owned();
    let change = json!({"scheduled_at": "in 2 hours"}).to_string();
    assert_eq!(api.request("PATCH", &format!("/emails/{later}"), &[JSON, KEY], change).await.status, 200);
    assert_eq!(api.request("POST", &format!("/emails/{later}/cancel"), &[KEY], "").await.status, 200);
    get("/readyz").await;
    get("/emails").await;
    get(&format!("/emails/{id}/attachments")).await;
    for about in ["why", "timeline"] {
        get(&format!("/emails/{id}/{about}")).await;
    }
    get("/queue").await;
    let wrong = api.request("GET", "/emails", &[("authorization", "Bearer wrong")], "").await;
    assert_eq!(wrong.status, 403, "{}", wrong.json);

    // What `require_replicas` needs.
    let mut of_api = recipe.connection("email-queue-api", "API_PASSWORD");
    assert_eq!(redis::cmd("WAIT").arg(0).arg(1).query::<usize>(&mut of_api), Ok(0));

    let mut producer = recipe.connection("email-queue-producer", "PRODUCER_PASSWORD");
    let pushed = r#"{"to": "e@f.example", "message": "pushed"}"#;
    redis::cmd("LPUSH").arg("emails:high").arg(pushed).exec(&mut producer).unwrap();
    server.wait_for(3).await;
    let last_event = async |id: &str| get(&format!("/emails/{id}")).await["last_event"].as_str().unwrap().to_owned();
    eventually(DEADLINE, "a delivered email", async || last_event(&id).await == "sent").await;

    // A worker that dies is rescued by the next one.
    server.rules(Rules::new().nth(Stage::EndOfData, 1, Action::Hold));
    let orphan = api.request("POST", "/emails", &[JSON, KEY], email.to_string()).await.text("id").to_owned();
    server.wait_for_stage(Stage::EndOfData, 1).await;
    worker.process.kill_now();
    server.release();
    let next = Worker::ready(&worker_url, &server.url(), &[]).await;
    eventually(DEADLINE, "the rescued email", async || last_event(&orphan).await == "sent").await;
    // Bodies give way where there is no room for more bytes.
    let mut large = email;
    large["text"] = json!("x".repeat(600_000));
    for _ in 0..3 {
        let answer = api.request("POST", "/emails", &[JSON, KEY], large.to_string()).await;
        let large = answer.text("id").to_owned();
        eventually(DEADLINE, "the large email", async || last_event(&large).await == "sent").await;
    }
    for process in [&worker.process, &next.process, &api.process, &recipe.process] {
        let told: Vec<_> =
            process.lines().into_iter().filter(|line| line.contains("NOPERM") || line.contains("permission")).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn the_users_of_a_queue_of_several_shards_have_the_keys_of_all() {
    let page = fs::read_to_string(Path::new(RECIPE).join("../cluster/README.md")).unwrap();
    let command = page.lines().find_map(|line| line.trim().strip_suffix(" > users.acl")).unwrap();
    let root = Path::new(RECIPE).join("../..");
    let users = Command::new("sh").args(["-c", command]).current_dir(root).output().unwrap();
    let recipe = Recipe::with(String::from_utf8(users.stdout).unwrap()).await;
    let server = SmtpServer::start().await;
    let variables = [("api_keys", "re_key"), ("rate_limit", "1000"), ("queue", "{emails}"), ("shards", "3")];
    let variables = [&variables[..], &[("earlier_shards", "2")]].concat();
    let api = Api::start_with(&recipe.url("email-queue-api", "API_PASSWORD"), &variables).await;
    let flags = ["--queue", "{emails}", "--shards", "3", "--admin-listen", "127.0.0.1:0"];
    let worker = Worker::ready(&recipe.url("email-queue-worker", "WORKER_PASSWORD"), &server.url(), &flags).await;
    let email = json!({"to": "c@d.example", "message": "hi"}).to_string();
    let mut accepted = Vec::new();
    for number in 0..20 {
        let key = number.to_string();
        let answer = api.request("POST", "/emails", &[JSON, KEY, ("idempotency-key", &key)], email.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        accepted.push(answer.text("id").to_owned());
    }
    Arrivals::new(server.wait_for(accepted.len()).await).assert_once(&accepted);
    let metrics = reqwest::get(format!("http://{}/metrics", worker.admin_address().await)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("\nemail_queue_redis_up 1\n"), "{metrics}");
    for process in [&worker.process, &api.process, &recipe.process] {
        let told: Vec<_> = process.lines().into_iter().filter(|line| line.contains("NOPERM")).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn nothing_else_is_permitted_to_the_users_of_the_recipe() {
    let recipe = Recipe::start().await;
    let mut operator = recipe.connection("operator", "OPERATOR_PASSWORD");
    let commands: Vec<Vec<redis::Value>> = redis::cmd("COMMAND").query(&mut operator).unwrap();
    let commands: Vec<(String, i64)> = commands
        .iter()
        .map(|command| {
            (redis::from_redis_value_ref(&command[0]).unwrap(), redis::from_redis_value_ref(&command[1]).unwrap())
        })
        .collect();
    let users = fs::read_to_string(Path::new(RECIPE).join("users.acl")).unwrap();
    for user in ["email-queue-api", "email-queue-worker", "email-queue-producer", "email-queue-operator"] {
        let line = users.lines().find(|line| line.starts_with(&format!("user {user} "))).unwrap();
        let permitted: BTreeSet<&str> =
            line.split(' ').filter_map(|rule| rule.strip_prefix('+')?.split('|').next()).collect();
        // Needed to connect, and permitted to all.
        let always = ["auth", "hello", "quit", "reset"];
        for (command, arity) in &commands {
            let mut dry_run = redis::cmd("ACL");
            dry_run.arg("DRYRUN").arg(user).arg(command);
            // As many arguments as the command has at the least.
            for _ in 1..arity.abs() {
                dry_run.arg("emails");
            }
            let said = dry_run.query::<String>(&mut operator).unwrap_or_else(|error| error.to_string());
            let is_permitted = permitted.contains(command.as_str()) || always.contains(&command.as_str());
            // Of `CONFIG` and its like only a subcommand can be run.
            if said.ends_with("not found") {
                continue;
            }
            assert!(is_permitted || said.contains("no permissions to run"), "{user} may run {command}: {said}");
        }
        for command in
            [["CONFIG", "SET"], ["XGROUP", "CREATE"], ["SCRIPT", "FLUSH"], ["ACL", "SETUSER"], ["CLIENT", "KILL"]]
        {
            let said =
                redis::cmd("ACL").arg("DRYRUN").arg(user).arg(&command).arg(&["x"; 3]).query::<String>(&mut operator);
            let said = said.unwrap_or_else(|error| error.to_string());
            assert!(said.contains("no permissions to run"), "{user} may run {command:?}: {said}");
        }
        for key in ["other", "emails2", "email"] {
            let said: String =
                redis::cmd("ACL").arg("DRYRUN").arg(user).arg("LPUSH").arg(key).arg("x").query(&mut operator).unwrap();
            assert!(said.contains("no permissions to access"), "{user}, {key}: {said}");
        }
    }
    // Without a password nobody gets in.
    let stranger = redis::Client::open(format!("redis://127.0.0.1:{}", recipe.port)).unwrap().get_connection();
    let refused = stranger.and_then(|mut stranger| redis::cmd("PING").query::<String>(&mut stranger));
    assert!(refused.unwrap_err().to_string().contains("Authentication"), "a stranger is let in");
}
