//! The files of `deploy/monitoring/` against `promtool`, and against what a worker really serves.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::{collections::BTreeSet, fs, path::PathBuf};

use common::{
    Queue,
    http::{ADMIN, address, get},
    short,
};
use serde_json::Value;
use testkit::{Action, DEADLINE, SmtpServer, eventually, prometheus::promtool, smtp_server::Step};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

/// The queries of the dashboard, with a time for Grafana's variable.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m")).collect()
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("email_queue_")).collect()
}

#[test]
fn promtool_finds_no_fault_with_the_configuration_and_each_alert_has_a_test_that_it_passes() {
    for (command, name) in [
        (["check", "config"], "prometheus.yml"),
        (["check", "rules"], "alerts.yml"),
        (["test", "rules"], "alerts_test.yml"),
    ] {
        promtool(&[command[0], command[1], file(name).to_str().unwrap()], "");
    }
    let (alerts, tests) = (text("alerts.yml"), text("alerts_test.yml"));
    let alerts: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("- alertname: {alert}\n")), "no test brings about {alert}");
    }
}

#[test]
fn prometheus_understands_each_query_of_the_dashboard() {
    let rule = |query: String| serde_json::json!({"record": "checked", "expr": query});
    let rules: Vec<_> = queries().into_iter().map(rule).collect();
    assert!(rules.len() > 20, "{rules:?}");
    // JSON is YAML. Rules that are alike are not allowed, so each is a group.
    let group = |(nth, rule): (usize, Value)| serde_json::json!({"name": nth.to_string(), "rules": [rule]});
    let groups: Vec<_> = rules.into_iter().enumerate().map(group).collect();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("queries.yml");
    fs::write(&file, serde_json::json!({"groups": groups}).to_string()).unwrap();
    promtool(&["check", "rules", "--lint=none", file.to_str().unwrap()], "");
}

#[tokio::test]
async fn a_worker_serves_each_metric_that_an_alert_or_a_panel_names_and_the_page_tells_of_each() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    // It takes one connection at a time, so that the worker learns a limit.
    smtp.script(|step: &Step<'_>| match step.stage {
        testkit::Stage::Connect if step.connection > 1 => Action::reply(421, "4.7.0 too many connections"),
        testkit::Stage::EndOfData => Action::accept_after(std::time::Duration::from_millis(50)),
        _ => Action::Accept,
    });
    for nth in 0..20 {
        queue.push(&short(&format!("user{nth}@b.example"), "hi"));
    }
    let worker = queue.worker(&smtp.url(), &ADMIN);
    let at = address(&worker).await;
    let metrics = eventually(DEADLINE, "a limit of connections", async || {
        let (_, metrics) = get(&at, "/metrics").await;
        metrics.contains("\nemail_queue_relay_connection_limit{").then_some(metrics)
    })
    .await;
    let served: BTreeSet<_> =
        metrics.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(['{', ' ']).next()).collect();
    let (alerts, queries, tests) = (text("alerts.yml"), queries().join("\n"), text("alerts_test.yml"));
    for text in [&alerts, &queries, &tests] {
        let named = named(text);
        assert!(!named.is_empty());
        let missing: Vec<_> = named.difference(&served).collect();
        assert!(missing.is_empty(), "{missing:?} are named and not served");
    }
    let page = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md")).unwrap();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE email_queue_")) {
        let name = line.split(' ').next().unwrap();
        assert!(page.contains(&format!("`{name}`")), "docs/operations.md does not tell of {name}");
    }
}
