use std::{sync::Arc, time::Duration};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use testkit::DEADLINE;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::Api;

/// How many clients post at the same time.
const CLIENTS: usize = 4;

/// How long a client pauses after each email, so that a fast machine is not a flood.
const PAUSE: Duration = Duration::from_millis(5);

/// Clients that post emails to the API continuously, and record the answers. Each email has its own subject and
/// recipient. Dropping it stops them.
#[derive(Debug)]
pub struct Load {
    clients: JoinSet<()>,
    answers: Arc<watch::Sender<Answers>>,
    stop: watch::Sender<bool>,
}

/// The answers that clients got.
#[derive(Debug, Default, Clone)]
pub struct Answers {
    /// The ids of accepted emails, which must arrive.
    pub accepted: Vec<String>,
    /// How many emails were refused with a 503, which may be stored all the same.
    pub refused: usize,
    /// How many emails got no answer.
    pub unanswered: usize,
}

impl Load {
    /// Begins to post.
    #[must_use]
    pub fn start(api: &Api) -> Self {
        let (answers, stop) = (Arc::new(watch::Sender::default()), watch::Sender::new(false));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let url = format!("http://{}/emails", api.address());
            clients.spawn(post_on(client, url, Arc::clone(&answers), stop.subscribe()));
        }
        Self { clients, answers, stop }
    }

    /// Waits until this many more emails than now have been accepted.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_for_more(&self, emails: usize) {
        let goal = self.answers.borrow().accepted.len() + emails;
        self.wait_until("more accepted emails", |answers| answers.accepted.len() >= goal).await;
    }

    /// Waits until the answers satisfy a condition.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_until(&self, what: &str, condition: impl Fn(&Answers) -> bool) {
        let mut answers = self.answers.subscribe();
        let waited = timeout(DEADLINE, answers.wait_for(|answers| condition(answers))).await.is_ok();
        let now = self.answers.borrow();
        let accepted = now.accepted.len();
        assert!(waited, "no {what}: {accepted} accepted, {} refused, {} unanswered", now.refused, now.unanswered);
    }

    /// The answers so far.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.answers.borrow().clone()
    }

    /// Waits for each client's last answer, and returns all answers.
    ///
    /// # Panics
    /// If a client got an invalid answer.
    pub async fn stop(mut self) -> Answers {
        self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            assert!(ended.is_ok(), "a client of the API panicked");
        }
        self.answers()
    }
}

async fn post_on(client: usize, url: String, answers: Arc<watch::Sender<Answers>>, stop: watch::Receiver<bool>) {
    let http = Client::new();
    for number in 0.. {
        if *stop.borrow() {
            return;
        }
        let subject = format!("email {number} of client {client}");
        let email = json!({"to": format!("{number}@c{client}.example"), "subject": subject, "text": subject});
        let Some((status, answer)) = post(&http, &url, &email).await else {
            answers.send_modify(|answers| answers.unanswered += 1);
            sleep(PAUSE).await;
            continue;
        };
        match (status, answer["id"].as_str()) {
            (StatusCode::OK, Some(id)) => answers.send_modify(|answers| answers.accepted.push(id.to_owned())),
            (StatusCode::SERVICE_UNAVAILABLE, _) => answers.send_modify(|answers| answers.refused += 1),
            _ => panic!("the API answered {status} {answer}"),
        }
        sleep(PAUSE).await;
    }
}

/// The answer, if one came in full.
async fn post(http: &Client, url: &str, email: &Value) -> Option<(StatusCode, Value)> {
    let response = http.post(url).json(email).send().await.ok()?;
    let status = response.status();
    Some((status, response.json().await.ok()?))
}
