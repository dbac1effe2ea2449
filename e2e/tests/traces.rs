//! Traces: from the post of an email to the end of SMTP, as a collector gets them.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod collector;

use std::collections::BTreeSet;

use collector::{Collector, attribute};
use e2e::{Api, Worker};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::json;
use testkit::{Action, DEADLINE, RedisServer, Rules, SmtpServer, Stage, eventually, record, smtp_server::Security};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Posts an email with these header fields; its id.
async fn post(api: &Api, traceparents: &[&str]) -> String {
    let email = json!({"from": "ada@x.example", "to": "bob@y.example", "subject": "s", "text": "hi"});
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(traceparents.iter().map(|value| ("traceparent", *value)));
    let answer = api.request("POST", "/emails", &headers, email.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.text("id").to_owned()
}

#[tokio::test]
async fn a_trace_leads_from_the_post_over_each_attempt_to_the_end_of_smtp() {
    let collector = Collector::start().await;
    let smtp = SmtpServer::builder().security(Security::StartTls).login("ada", "s3cret-w0rd").start().await;
    smtp.rules(Rules::new().first(Stage::Rcpt, 1, Action::reply(450, "4.2.1 <bob@y.example> later")));
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let id = post(&api, &[&format!("00-{TRACE}-{PARENT}-01")]).await;
    let ca = smtp.ca_file();
    let flags = ["--smtp-ca-file", ca.to_str().unwrap()];
    let variables = collector.variables();
    let worker = Worker::start_with(&redis.url(), &smtp.url_with_login(), &flags, &variables);
    let ours = |span: &Span| hex(&span.trace_id) == TRACE;
    let spans = eventually(DEADLINE, "the spans of both attempts", async || {
        let spans: Vec<_> = collector.spans().into_iter().filter(ours).collect();
        (spans.iter().filter(|span| span.name == "process emails").count() == 2).then_some(spans)
    })
    .await;

    let named = |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let attempts = named("process emails");
    for (nth, attempt) in attempts.iter().enumerate() {
        let received = spans.iter().find(|span| span.span_id == attempt.parent_span_id).unwrap();
        assert_eq!((received.name.as_str(), hex(&received.parent_span_id).as_str()), ("receive emails", PARENT));
        assert_eq!((received.kind(), attempt.kind()), (SpanKind::Client, SpanKind::Consumer));
        assert!(received.start_time_unix_nano <= received.end_time_unix_nano);
        for span in [received, attempt] {
            assert_eq!(attribute(span, "messaging.system").as_deref(), Some("email-queue"));
            assert_eq!(attribute(span, "messaging.destination.name").as_deref(), Some("emails"));
            assert_eq!(attribute(span, "messaging.message.id"), Some(id.clone()));
        }
        assert_eq!(attribute(received, "messaging.operation.type").as_deref(), Some("receive"));
        assert_eq!(attribute(attempt, "messaging.operation.type").as_deref(), Some("process"));
        assert_eq!(attribute(attempt, "email_queue.attempt"), Some((nth + 1).to_string()));
    }
    let outcome = |span: &Span| (attribute(span, "email_queue.outcome"), attribute(span, "error.type"));
    assert_eq!(outcome(attempts[0]), (Some("delayed".to_owned()), Some("deferred".to_owned())));
    assert_eq!(attempts[0].status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(outcome(attempts[1]), (Some("sent".to_owned()), None));
    let within = |attempt: &Span| -> BTreeSet<&str> {
        let phases = spans.iter().filter(|span| span.parent_span_id == attempt.span_id);
        phases
            .map(|phase| {
                assert!(phase.start_time_unix_nano >= attempt.start_time_unix_nano, "{}", phase.name);
                assert!(phase.end_time_unix_nano <= attempt.end_time_unix_nano, "{}", phase.name);
                assert_eq!(phase.kind(), SpanKind::Client);
                phase.name.as_str()
            })
            .collect()
    };
    let opening = ["smtp AUTH", "smtp EHLO", "smtp connect", "smtp greeting", "smtp tls"];
    assert_eq!(within(attempts[0]), BTreeSet::from_iter(opening.into_iter().chain(["smtp MAIL", "smtp RCPT"])));
    assert!(within(attempts[1]).is_superset(&BTreeSet::from(["smtp MAIL", "smtp RCPT", "smtp DATA"])));
    let (_, port) = smtp.url().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    assert_eq!(attribute(named("smtp connect")[0], "server.port"), Some(port));

    // It is for nobody else, and no address is in it.
    let all = format!("{:?}", collector.requests());
    assert!(all.contains("email-queue-worker") && !all.contains("y.example") && !all.contains("s3cret"), "{all}");
    smtp.wait_for(1).await;
    let message = String::from_utf8_lossy(&smtp.received()[0].data).into_owned();
    assert!(!message.contains(TRACE), "{message}");
    let shown = api.get(&id).await;
    assert!(!shown.json.to_string().contains("trace"), "{}", shown.json);
    drop(worker);
}

#[tokio::test]
async fn an_email_without_a_trace_costs_no_byte_and_one_that_cannot_be_read_is_none() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let good = format!("00-{TRACE}-{PARENT}-01");
    let json = async |traceparents: &[&str]| {
        let id = post(&api, traceparents).await;
        String::from_utf8(record::email(&mut redis.connection(), &id).unwrap()).unwrap()
    };
    let without = json(&[]).await;
    assert!(!without.contains("trace"), "{without}");
    for wrong in ["", "00", &good.to_uppercase(), &good.replace(PARENT, "0000000000000000"), &format!("{good}-x")] {
        assert_eq!(json(&[wrong]).await, without, "{wrong}");
    }
    let with = json(&[&good]).await;
    assert_eq!(with, without.replace("\"}", &format!("\",\"traceparent\":\"{good}\"}}")));
}

#[tokio::test]
async fn a_collector_that_is_gone_or_silent_holds_up_neither_emails_nor_the_end() {
    for collector in [Collector::gone(), Collector::silent().await] {
        let (redis, smtp) = (RedisServer::builder().without_persistence().start(), SmtpServer::start().await);
        let api = Api::start(&redis).await;
        let mut worker = Worker::start_with(&redis.url(), &smtp.url(), &[], &collector.variables());
        let emails: Vec<_> = (0..100)
            .map(|nth| json!({"from": "ada@x.example", "to": format!("{nth}@y.example"), "subject": "s", "text": "hi"}))
            .collect();
        let path = "/emails/batch";
        for _ in 0..10 {
            let headers = [("content-type", "application/json")];
            let answer = api.request("POST", path, &headers, json!(emails).to_string()).await;
            assert_eq!(answer.status, 200, "{}", answer.json);
        }
        smtp.wait_for(1000).await;
        if collector.is_gone() {
            worker.process.wait_for_line(|line| line.contains("the collector of traces cannot be used")).await;
        }
        worker.process.terminate();
        assert!(worker.process.wait(DEADLINE).await.success());
        let complaints = worker.process.lines().iter().filter(|line| line.contains("collector")).count();
        assert!(complaints <= 1, "{}", worker.process.text());
    }
}
