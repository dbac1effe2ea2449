//! Checks of answers, and of accepted emails.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use testkit::DEADLINE;
use tokio::time::{Instant, sleep};

use super::{
    findings::{Finding, Round},
    request::{KEYS, Request},
    wire::{Client, Reply},
};
use crate::{System, mail::wire_fault};

/// An email that was accepted.
pub(super) struct Accepted {
    /// What was posted.
    pub(super) request: Request,
}

/// What is wrong with an answer.
pub(super) fn fault_of(request: &Request, reply: &Reply) -> Option<String> {
    let Reply { status, body } = reply;
    let shown = String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
    // 501 says what of Resend's API is not served.
    if *status >= 500 && *status != 501 {
        return Some(format!("{status}: {shown}"));
    }
    if *status < 400 || request.method == "HEAD" {
        return None;
    }
    let Ok(error) = serde_json::from_slice::<Value>(body) else {
        return Some(format!("{status}, and no JSON: {shown}"));
    };
    let text = |field: &str| error[field].as_str().unwrap_or_default();
    let fields = error.as_object().map_or(0, serde_json::Map::len);
    if fields != 3 || error["statusCode"] != *status || text("name").is_empty() || text("message").is_empty() {
        return Some(format!("{status}, and not an error of the API: {shown}"));
    }
    // An error that repeats the input could be of any length.
    (text("message").len() > 1000).then(|| format!("an error of {} bytes: {shown}", text("message").len()))
}

/// The ids of emails that an answer gives.
pub(super) fn accepted_by(request: &Request, reply: &Reply) -> Vec<String> {
    if reply.status != 200 || request.method != "POST" || !["/emails", "/emails/batch"].contains(&&*request.path) {
        return Vec::new();
    }
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let emails = answer["data"].as_array().cloned().unwrap_or_else(|| vec![answer]);
    emails.iter().map(|email| email["id"].as_str().unwrap_or("no id").to_owned()).collect()
}

/// Waits until the accepted emails have ended, and adds findings.
pub(super) async fn fates(system: &System, mut accepted: BTreeMap<String, Accepted>, round: &mut Round) {
    let mut client = Client::new(system.api.address());
    let until = Instant::now() + DEADLINE;
    // Those that are said to be sent, by their Message-ID.
    let mut sent: HashMap<String, Vec<Accepted>> = HashMap::new();
    while !accepted.is_empty() {
        let is_over = Instant::now() >= until;
        for (id, email) in std::mem::take(&mut accepted) {
            let shown = show(&mut client, &id).await;
            let finding = |what: String| Finding::new(format!("{id}: {what}"), &email.request);
            let event = shown["last_event"].as_str().unwrap_or_default();
            match event {
                "sent" => {
                    sent.entry(shown["message_id"].as_str().unwrap_or_default().to_owned()).or_default().push(email)
                }
                "canceled" => {}
                "scheduled" if is_for_later(&shown) => {}
                "failed" => round
                    .findings
                    .push(finding(format!("a dead letter: {}: {}", shown["error_class"], shown["last_error"]))),
                _ if is_over => round.findings.push(finding(format!("has not come to an end: {shown}"))),
                _ => drop(accepted.insert(id, email)),
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    let known: HashSet<String> = sent.keys().cloned().collect();
    for received in system.server.wait_for(0).await {
        round.arrived += 1;
        let head = String::from_utf8_lossy(&received.data);
        let head = head.split("\r\n\r\n").next().unwrap_or_default();
        let id = field(head, "message-id");
        let email = sent.get_mut(&id).and_then(Vec::pop);
        let fault = wire_fault(&received)
            .or_else(|| head.contains("\r\nX-Injected").then(|| "a header field was injected".to_owned()))
            .or_else(|| {
                head.split("\r\n").any(|line| line.trim().is_empty()).then(|| "a line of white space".to_owned())
            })
            .or_else(|| {
                let what = if known.contains(&id) { "arrived twice" } else { "arrived, and no answer gave its id" };
                email.is_none().then(|| what.to_owned())
            });
        match (fault, email) {
            (Some(fault), Some(email)) => {
                round.findings.push(Finding::new(format!("{fault}: {head:?}"), &email.request))
            }
            (Some(fault), None) => {
                round.findings.push(Finding { what: format!("{fault}: {id}"), request: format!("{head:?}") })
            }
            (None, _) => {}
        }
    }
    for (id, emails) in sent {
        round
            .findings
            .extend(emails.iter().map(|email| Finding::new(format!("sent and did not arrive: {id}"), &email.request)));
    }
}

/// Whether an email is scheduled for a time that does not come while its round lasts.
fn is_for_later(shown: &Value) -> bool {
    let due = shown["scheduled_at"].as_str().and_then(|due| due.parse::<Timestamp>().ok());
    due.is_some_and(|due| due > Timestamp::now() + DEADLINE)
}

async fn show(client: &mut Client, id: &str) -> Value {
    let headers = vec![("Authorization", format!("Bearer {}", KEYS[0]))];
    let request = Request { method: "GET", path: format!("/emails/{id}"), headers, body: Vec::new(), chunked: false };
    match client.send(&request).await {
        Ok(reply) => serde_json::from_slice(&reply.body).unwrap_or_default(),
        Err(_) => Value::Null,
    }
}

/// The value of a header field, unfolded.
fn field(head: &str, name: &str) -> String {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let mut fields = unfolded.split("\r\n").filter_map(|line| line.split_once(':'));
    fields
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}
