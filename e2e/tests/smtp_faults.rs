//! SMTP servers that refuse, hang, disconnect or are down: the right emails are retried or fail, and the record has the
//! reason. `smtp_recipients` tests what differs between recipients.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use e2e::{Api, Arrivals, Load, Records, Worker};
use serde_json::{Value, json};
use testkit::{
    Action, DEADLINE, RedisServer, SmtpServer, Stage, eventually,
    ports::free_port,
    smtp_server::{Rules, Step},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

/// API, worker and a faulty server.
struct Faulty {
    redis: RedisServer,
    server: SmtpServer,
    api: Api,
    worker: Worker,
}

impl Faulty {
    async fn start(script: impl Fn(&Step<'_>) -> Action + Send + Sync + 'static, flags: &[&str]) -> Self {
        let redis = RedisServer::builder().without_persistence().start();
        let server = SmtpServer::builder().script(script).start().await;
        let api = Api::start(&redis).await;
        let worker = Worker::ready(&redis.url(), &server.url(), flags).await;
        Self { redis, server, api, worker }
    }

    /// Posts one email for each of these stages: where it is to meet its fault stands in its sender's name.
    async fn post(&self, stages: &[Stage]) -> Vec<String> {
        let mut ids = Vec::new();
        for stage in stages {
            ids.push(self.api.accept(&email(&name(*stage))).await);
        }
        ids
    }

    async fn finish(&self) -> Records {
        let mut records = Records::of(&self.redis);
        records.wait_until_finished().await;
        records
    }

    /// The emails whose delivery the worker took for uncertain, as its log says.
    fn logged_as_unanswered(&self) -> BTreeSet<String> {
        let lines = self.worker.process.lines();
        let unanswered = lines.iter().filter(|line| line.contains("never answered"));
        unanswered.filter_map(|line| Some(line.split_once("id=")?.1.split(' ').next()?.to_owned())).collect()
    }
}

fn name(stage: Stage) -> String {
    format!("{stage:?}").to_lowercase()
}

fn email(name: &str) -> Value {
    json!({"from": format!("{name}@a.example"), "to": format!("{name}@b.example"), "subject": name, "text": "hi"})
}

/// Does this whenever an email comes to the stage that its sender names.
fn always(action: Action) -> impl Fn(&Step<'_>) -> Action + Send + Sync + 'static {
    move |step| if is_at_its_stage(step) { action.clone() } else { Action::Accept }
}

/// Does this only the first time for each sender.
fn once(action: Action) -> impl Fn(&Step<'_>) -> Action + Send + Sync + 'static {
    let met = Mutex::new(HashSet::new());
    move |step| {
        let fault = is_at_its_stage(step) && met.lock().unwrap().insert(step.stage);
        if fault { action.clone() } else { Action::Accept }
    }
}

fn is_at_its_stage(step: &Step<'_>) -> bool {
    step.sender == format!("{}@a.example", name(step.stage))
}

#[tokio::test]
async fn an_email_refused_for_now_at_any_stage_is_tried_again_and_arrives_once() {
    // What MAIL is answered is about the session or its sender, and so is a 421 at any stage: no attempt of the email.
    for (code, attempts) in [(451, [1, 2, 2, 2]), (421, [1, 1, 1, 1])] {
        let system = Faulty::start(once(Action::reply(code, "4.3.0 not now")), &[]).await;
        let ids = system.post(&[Stage::Mail, Stage::Rcpt, Stage::Data, Stage::EndOfData]).await;
        system.finish().await.assert_all_sent();
        Arrivals::new(system.server.received()).assert_once(&ids);
        for (id, attempts) in ids.iter().zip(attempts) {
            let read = system.api.get(id).await;
            let expected = ("sent", &json!(attempts));
            assert_eq!((read.text("last_event"), &read.json["attempts"]), expected, "{code}: {}", read.json);
        }
    }
}

#[tokio::test]
async fn an_email_refused_for_good_at_any_stage_fails_visibly_and_is_never_tried_again() {
    let system = Faulty::start(always(Action::reply(554, "5.7.1 not wanted here")), &[]).await;
    let ids = system.post(&[Stage::Rcpt, Stage::Data, Stage::EndOfData]).await;
    system.finish().await;
    for id in &ids {
        let read = system.api.get(id).await;
        assert_eq!((read.text("last_event"), &read.json["attempts"]), ("failed", &json!(1)), "{}", read.json);
        assert!(read.text("last_error").contains("not wanted here"), "{}", read.json);
    }
    // Nothing is planned for them (all are finished), and the worker is well.
    let next = system.api.accept(&email("welcome")).await;
    Arrivals::new(system.server.wait_for(1).await).assert_once(&[next]);
    assert_eq!(system.server.received().len(), 1);
    for (recipient, attempts) in system.server.rcpt_attempts() {
        assert_eq!(attempts, 1, "{recipient}");
    }
}

#[tokio::test]
async fn an_email_whose_sender_is_refused_waits_and_says_why_and_others_go_on() {
    let refusal = Action::reply(553, "5.7.1 Sender address rejected: not owned by user");
    let system = Faulty::start(always(refusal), &["--retry-base", "1h", "--retry-max", "1h"]).await;
    let ids = system.post(&[Stage::Mail]).await;
    eventually(DEADLINE, "the email to wait", async || system.api.last_event(&ids[0]).await == "delivery_delayed")
        .await;
    let read = system.api.get(&ids[0]).await;
    assert_eq!((&read.json["attempts"], read.text("error_class")), (&json!(0), "sender"), "{}", read.json);
    assert!(read.text("last_error").contains("not owned by user"), "{}", read.json);
    let next = system.api.accept(&email("welcome")).await;
    Arrivals::new(system.server.wait_for(1).await).assert_once(&[next]);
}

#[tokio::test]
async fn all_emails_that_wait_for_a_server_say_why_whether_tried_or_not() {
    let rules = Rules::new().at(Stage::Mail, Action::reply(530, "5.7.0 Authentication required"));
    let flags = ["--retry-base", "1h", "--retry-max", "1h", "--concurrency", "2"];
    let system = Faulty::start(|_| Action::Accept, &flags).await;
    system.server.rules(rules);
    let mut ids = Vec::new();
    for nth in 0..10 {
        ids.push(system.api.accept(&email(&format!("user{nth}"))).await);
    }
    for id in &ids {
        eventually(DEADLINE, "a reason", async || {
            let read = system.api.get(id).await;
            assert_eq!(read.json["attempts"], json!(0), "{}", read.json);
            let class = read.json["error_class"] == "authentication";
            class && read.text("last_error").contains("Authentication required")
        })
        .await;
    }
    // The operator adds the user, and restarts the worker.
    system.server.rules(Rules::new());
    let _mended = Worker::ready(&system.redis.url(), &system.server.url(), &flags).await;
    system.finish().await.assert_all_sent();
    for id in &ids {
        let read = system.api.get(id).await;
        assert_eq!((&read.json["attempts"], &read.json["last_error"]), (&json!(1), &Value::Null), "{}", read.json);
    }
}

#[tokio::test]
async fn a_server_that_drops_the_connection_at_any_stage_gets_the_email_again_and_once() {
    let system = Faulty::start(once(Action::Drop), &[]).await;
    let ids = system.post(&[Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body, Stage::EndOfData]).await;
    system.finish().await.assert_all_sent();
    Arrivals::new(system.server.received()).assert_once(&ids);
}

#[tokio::test]
async fn a_server_that_hangs_at_any_stage_is_given_up_after_the_timeout_and_gets_the_email_again() {
    let system = Faulty::start(once(Action::Hang), &["--smtp-timeout", "300ms"]).await;
    let ids = system.post(&[Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body, Stage::EndOfData]).await;
    system.finish().await.assert_all_sent();
    Arrivals::new(system.server.received()).assert_once(&ids);
    // After the last byte the outcome is unknown, before it known. A small message is sent in one piece.
    assert_eq!(system.logged_as_unanswered(), [ids[3].clone(), ids[4].clone()].into());
}

#[tokio::test]
async fn a_server_that_does_not_greet_or_says_421_instead_is_tried_again() {
    for action in [Action::Drop, Action::Hang, Action::reply(421, "4.3.2 too busy"), Action::reply(554, "5.3.2 no")] {
        for stage in [Stage::Connect, Stage::Hello] {
            let rules = Rules::new().nth(stage, 1, action.clone());
            let system = Faulty::start(|_| Action::Accept, &["--smtp-timeout", "300ms"]).await;
            system.server.rules(rules);
            let id = system.api.accept(&email("patient")).await;
            system.finish().await.assert_all_sent();
            Arrivals::new(system.server.received()).assert_once(&[id]);
        }
    }
}

#[tokio::test]
async fn a_large_message_cut_off_in_the_middle_arrives_whole_at_the_next_attempt() {
    let system = Faulty::start(once(Action::Drop), &[]).await;
    let text = "all work and no play makes a dull email\n".repeat(100_000);
    let mut large = email(&name(Stage::Body));
    large["text"] = text.clone().into();
    let id = system.api.accept(&large).await;
    system.finish().await.assert_all_sent();
    let arrivals = Arrivals::new(system.server.received());
    arrivals.assert_once(&[&id]);
    arrivals.of(&id)[0].assert_text("text/plain", &text);
}

#[tokio::test]
async fn a_message_that_was_taken_and_never_answered_is_logged_as_such_and_comes_again_with_the_same_message_id() {
    let system = Faulty::start(once(Action::StoreThenDrop), &[]).await;
    let ids = system.post(&[Stage::EndOfData]).await;
    system.finish().await.assert_all_sent();
    let arrivals = Arrivals::new(system.server.received());
    let [first, second] = arrivals.of(&ids[0]) else { panic!("{arrivals:?}") };
    assert_eq!(first.message_id(), second.message_id());
    assert_eq!(system.logged_as_unanswered(), ids.into_iter().collect());
}

#[tokio::test]
async fn an_email_whose_attempts_have_run_out_fails_with_the_last_reason() {
    let system = Faulty::start(always(Action::reply(451, "4.7.1 try again later")), &["--max-attempts", "3"]).await;
    let ids = system.post(&[Stage::Rcpt]).await;
    system.finish().await;
    let read = system.api.get(&ids[0]).await;
    assert_eq!((read.text("last_event"), &read.json["attempts"]), ("failed", &json!(3)), "{}", read.json);
    let error = read.text("last_error");
    assert!(error.contains("3 attempts") && error.contains("try again later"), "{error}");
    assert_eq!(system.server.rcpt_attempts()["rcpt@b.example"], 3);
    assert_eq!(system.server.received(), []);
}

#[tokio::test]
async fn an_email_that_waits_for_its_retry_says_so_and_holds_up_no_other() {
    let flags = ["--retry-base", "1h", "--retry-max", "1h", "--concurrency", "1"];
    let system = Faulty::start(always(Action::reply(451, "4.7.1 try again later")), &flags).await;
    let ids = system.post(&[Stage::Rcpt]).await;
    let next = system.api.accept(&email("next")).await;
    Arrivals::new(system.server.wait_for(1).await).assert_once(&[next]);
    let read = system.api.get(&ids[0]).await;
    assert_eq!(read.text("last_event"), "delivery_delayed");
    assert!(read.text("last_error").contains("try again later"), "{}", read.json);
    assert!(read.json["retry_at"].is_string(), "{}", read.json);
}

#[tokio::test]
async fn a_server_that_is_down_at_first_gets_all_emails_once_it_is_up() {
    let redis = RedisServer::builder().without_persistence().start();
    let (api, server) = (Api::start(&redis).await, SmtpServer::start().await);
    let port = free_port();
    let worker = Worker::ready(&redis.url(), &format!("smtp://127.0.0.1:{port}"), &[]).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(api.accept(&email(&format!("early{n}"))).await);
    }
    worker.process.wait_for_line(|line| line.contains("the SMTP server cannot be used")).await;
    let mut records = Records::of(&redis);
    assert_eq!(records.unfinished(), 20);

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let upstream = server.address();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(upstream).await.unwrap();
                // However it ends: both sides are closed.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    records.wait_until_finished().await;
    records.assert_all_sent();
    Arrivals::new(server.received()).assert_once(&ids);
    worker.process.wait_for_line(|line| line.contains("the SMTP server can be used again")).await;
    let complaints = worker.process.lines().iter().filter(|line| line.contains("the SMTP server cannot be")).count();
    assert_eq!(complaints, 1, "it is said once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_closes_all_connections_under_load_gets_only_unanswered_messages_twice() {
    let slow = Action::accept_after(Duration::from_millis(3));
    let taken_at_once = Arc::new(AtomicBool::new(false));
    let script = {
        let taken_at_once = Arc::clone(&taken_at_once);
        move |step: &Step<'_>| match step.stage {
            Stage::EndOfData if taken_at_once.load(Ordering::Relaxed) => Action::StoreThenDrop,
            Stage::EndOfData => slow.clone(),
            _ => Action::Accept,
        }
    };
    let system = Faulty::start(script, &["--max-attempts", "1000", "--lease", "5s"]).await;
    let load = Load::start(&system.api);
    for _ in 0..10 {
        load.wait_for_more(20).await;
        system.server.close_connections();
        taken_at_once.store(true, Ordering::Relaxed);
        load.wait_for_more(5).await;
        taken_at_once.store(false, Ordering::Relaxed);
    }
    let answers = load.stop().await;
    system.finish().await.assert_all_sent();
    let arrivals = Arrivals::new(system.server.received());
    arrivals.assert_all(&answers.accepted);
    let (repeated, unanswered) = (arrivals.repeated(), system.logged_as_unanswered());
    assert!(!repeated.is_empty(), "no answer was lost");
    let unexplained: Vec<_> = repeated.keys().filter(|id| !unanswered.contains(*id)).collect();
    assert!(unexplained.is_empty(), "sent twice, and not logged as unanswered: {unexplained:?}");
}
