use std::collections::HashMap;

use serde_json::Value;
use testkit::{Aiosmtpd, Received, RedisServer, SmtpServer};

use crate::{Api, Mail, Worker};

/// The mail server that emails are delivered to.
#[derive(Debug)]
pub enum MailServer {
    /// This project's: in this process, strict.
    Testkit(SmtpServer),
    /// An independent one.
    Aiosmtpd(Aiosmtpd),
}

impl MailServer {
    /// This project's, without a script.
    pub async fn testkit() -> Self {
        Self::Testkit(SmtpServer::start().await)
    }

    /// The independent one, without TLS and authentication.
    pub async fn aiosmtpd() -> Self {
        Self::Aiosmtpd(Aiosmtpd::start().await)
    }

    /// The worker's transport that leads here.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Testkit(server) => server.url(),
            Self::Aiosmtpd(server) => server.url(),
        }
    }

    /// Waits until at least `count` messages have come in all, and returns all in the order of their coming.
    ///
    /// # Panics
    /// After [`DEADLINE`](testkit::DEADLINE).
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        match self {
            Self::Testkit(server) => server.wait_for(count).await,
            Self::Aiosmtpd(server) => server.wait_for(count).await,
        }
    }
}

/// API, Redis, worker and mail server, all real, for one test.
#[derive(Debug)]
pub struct System {
    /// Emails are posted here.
    pub api: Api,
    /// What delivers them.
    pub worker: Worker,
    /// It stores them.
    pub redis: RedisServer,
    /// They arrive here.
    pub server: MailServer,
}

impl System {
    /// Starts everything, the worker with `flags` of the test's choice.
    pub async fn start(server: MailServer, flags: &[&str]) -> Self {
        let url = server.url();
        Self::start_with(server, &url, flags).await
    }

    /// The same with another URL for the worker's transport, such as one with a user.
    pub async fn start_with(server: MailServer, transport: &str, flags: &[&str]) -> Self {
        let redis = RedisServer::builder().without_persistence().start();
        let api = Api::start(&redis).await;
        let worker = Worker::ready(&redis.url(), transport, flags).await;
        Self { api, worker, redis, server }
    }

    /// The same with Spin variables for the API.
    pub async fn start_with_variables(server: MailServer, variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let redis = RedisServer::builder().without_persistence().start();
        let api = Api::start_with(&redis.url(), variables).await;
        let worker = Worker::ready(&redis.url(), &server.url(), flags).await;
        Self { api, worker, redis, server }
    }

    /// One system for each mail server, for what must not depend on which it is.
    pub async fn with_each_server() -> [Self; 2] {
        let [testkit, aiosmtpd] = [MailServer::testkit().await, MailServer::aiosmtpd().await];
        [Self::start(testkit, &[]).await, Self::start(aiosmtpd, &[]).await]
    }

    /// Posts emails, which must be accepted, waits until all have arrived, and returns them in the order of `emails`.
    ///
    /// # Panics
    /// When one is refused, does not arrive, or arrives twice.
    pub async fn deliver(&self, emails: &[Value]) -> Vec<Mail> {
        let before = self.server.wait_for(0).await.len();
        let mut ids = Vec::new();
        for email in emails {
            ids.push(self.api.accept(email).await);
        }
        let received = self.server.wait_for(before + ids.len()).await.split_off(before);
        assert_eq!(received.len(), ids.len(), "more messages than emails");
        let mails = received.into_iter().map(Mail::new).map(|mail| (mail.id().to_owned(), mail));
        let mut mails: HashMap<String, Mail> = mails.collect();
        ids.iter().map(|id| mails.remove(id).unwrap_or_else(|| panic!("{id} did not arrive"))).collect()
    }

    /// Posts one email and returns it as it arrived.
    ///
    /// # Panics
    /// As [`deliver`](Self::deliver).
    pub async fn deliver_one(&self, email: &Value) -> Mail {
        self.deliver(std::slice::from_ref(email)).await.remove(0)
    }
}
