//! A client of the API that notes when.

use std::time::{Duration, Instant};

use anyhow::ensure;
use harness::http::{Agent, agent};

use crate::api_host::KEY;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A client that keeps its connection.
pub(crate) struct HttpClient {
    agent: Agent,
    address: String,
}

/// When a request was sent, and when the last byte of its answer had been read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

impl HttpClient {
    pub(crate) fn new(address: &str) -> HttpClient {
        HttpClient { agent: agent(ANSWER_LIMIT), address: address.to_owned() }
    }

    /// How long until the whole answer to a GET has been read.
    ///
    /// # Errors
    /// The answer is not a 2xx, or does not come.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Duration> {
        let request = self.agent.get(format!("http://{}{path}", self.address));
        let sent = Instant::now();
        let mut answer = request.header("Authorization", format!("Bearer {KEY}")).call()?;
        let body = answer.body_mut().read_to_string()?;
        ensure!(answer.status().is_success(), "the API answers {}: {body}", answer.status());
        Ok(sent.elapsed())
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// The answer is not a 2xx, or does not come.
    pub(crate) fn post(&self, path: &str, json: &str) -> anyhow::Result<Times> {
        let request = self.agent.post(format!("http://{}{path}", self.address));
        let request =
            request.header("Authorization", format!("Bearer {KEY}")).header("Content-Type", "application/json");
        let sent = Instant::now();
        let mut answer = request.send(json)?;
        let body = answer.body_mut().read_to_string()?;
        let answered = Instant::now();
        ensure!(answer.status().is_success(), "the API answers {}: {body}", answer.status());
        Ok(Times { sent, answered })
    }
}
