//! Clients that post emails of all kinds, and record the answers.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::relay::{REFUSED, THROTTLED_SENDER};

const CLIENTS: u64 = 4;

/// How long a client pauses after each email.
const PAUSE: Duration = Duration::from_millis(60);

/// How long a client waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An accepted email, which must arrive.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) id: String,
    pub(crate) recipients: Vec<String>,
}

/// The answers that clients got.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answers {
    pub(crate) accepted: Vec<Accepted>,
    /// How many emails were refused with a 503, which may be stored all the same.
    pub(crate) refused: usize,
    /// How many emails got no answer.
    pub(crate) unanswered: usize,
    /// Answers that no client may get.
    pub(crate) wrong: Vec<String>,
}

pub(crate) struct Clients {
    running: JoinSet<()>,
    answers: Arc<watch::Sender<Answers>>,
    stop: watch::Sender<bool>,
}

impl Clients {
    /// Begins to post to the API at that address, which may change.
    pub(crate) fn start(seed: u64, api: watch::Receiver<String>) -> Self {
        let (answers, stop) = (Arc::new(watch::Sender::default()), watch::Sender::new(false));
        let mut running = JoinSet::new();
        for client in 0..CLIENTS {
            let random = fastrand::Rng::with_seed(seed.wrapping_add(client));
            running.spawn(post_on(client, random, api.clone(), Arc::clone(&answers), stop.subscribe()));
        }
        Self { running, answers, stop }
    }

    pub(crate) fn answers(&self) -> Answers {
        self.answers.borrow().clone()
    }

    /// Waits for each client's last answer, and returns all answers.
    pub(crate) async fn stop(mut self) -> Answers {
        self.stop.send_replace(true);
        while self.running.join_next().await.is_some() {}
        self.answers()
    }
}

async fn post_on(
    client: u64,
    mut random: fastrand::Rng,
    api: watch::Receiver<String>,
    answers: Arc<watch::Sender<Answers>>,
    stop: watch::Receiver<bool>,
) {
    let http = Client::new();
    for number in 0_u64.. {
        if *stop.borrow() {
            return;
        }
        let email = email(client, number, &mut random);
        let url = format!("http://{}/emails", api.borrow().as_str());
        let answer = post(&http, &url, &email).await;
        answers.send_modify(|answers| match answer {
            None => answers.unanswered += 1,
            Some((StatusCode::OK, answer)) if answer["id"].is_string() => {
                let recipients = email["to"].as_array().into_iter().flatten();
                let recipients = recipients.filter_map(Value::as_str).map(str::to_owned).collect();
                answers
                    .accepted
                    .push(Accepted { id: answer["id"].as_str().unwrap_or_default().to_owned(), recipients });
            }
            Some((StatusCode::SERVICE_UNAVAILABLE, _)) => answers.refused += 1,
            Some((status, answer)) => answers.wrong.push(format!("{status} {answer}")),
        });
        sleep(PAUSE).await;
    }
}

/// Mostly small emails to one recipient. Some go to several, of which the relay refuses some; some are large, some
/// scheduled.
fn email(client: u64, number: u64, random: &mut fastrand::Rng) -> Value {
    let name = format!("{number}-{client}");
    let mut to = vec![format!("{name}@good.example")];
    let mut email =
        json!({"from": format!("client{client}@soak.example"), "subject": name, "text": format!("email {name}")});
    match random.u8(..100) {
        0..5 => {
            to.extend((0..29).map(|nth| format!("{name}-{nth}@good.example")));
            to.extend((0..6).map(|nth| format!("{name}-{nth}@{REFUSED}")));
        }
        5..8 => to.push(format!("{name}@{REFUSED}")),
        8 => email["attachments"] = json!([{"filename": "large.bin", "content": "QUJD".repeat(300_000)}]),
        9..12 => email["scheduled_at"] = json!("in 2 seconds"),
        12..15 => email["from"] = json!(THROTTLED_SENDER),
        15..20 => email["priority"] = json!("high"),
        20..25 => email["priority"] = json!("low"),
        _ => {}
    }
    email["to"] = json!(to);
    email
}

/// The answer, if one came in full.
async fn post(http: &Client, url: &str, email: &Value) -> Option<(StatusCode, Value)> {
    let response = http.post(url).timeout(TIMEOUT).json(email).send().await.ok()?;
    let status = response.status();
    Some((status, response.json().await.ok()?))
}
