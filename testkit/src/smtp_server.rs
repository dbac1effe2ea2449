//! An SMTP server in the test's own process, scripted to behave well or badly.
//!
//! It speaks RFC 5321 strictly, with STARTTLS (RFC 3207), AUTH PLAIN and LOGIN (RFC 4954), 8BITMIME (RFC 6152),
//! SMTPUTF8 (RFC 6531), SIZE and PIPELINING. In reading order: this file is what a test holds in its hands, `builder`
//! how it is made, `script` what a test can ask for; `listener` accepts connections, `session` serves one, `auth` its
//! authentication, `step` asks the script; `command` parses commands, `wire` carries lines and messages, `log` is what
//! was seen.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::certificates::Certificates;
use crate::received::Received;
use crate::wait::{DEADLINE, watched};

mod auth;
mod builder;
mod command;
mod listener;
mod log;
mod script;
mod session;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod wire;

pub use builder::{Security, SmtpServerBuilder};
pub use script::{Action, Reply, Rules, Stage, Step};

use listener::{Login, Shared};
use log::Log;
use script::Script;

/// A running SMTP server, on a free port of 127.0.0.1 unless told otherwise. Without a script it accepts everything.
///
/// Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct SmtpServer {
    address: SocketAddr,
    security: Security,
    certificates: Option<Certificates>,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl SmtpServer {
    /// Starts a server without TLS and authentication that accepts everything.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server with other options.
    pub fn builder() -> SmtpServerBuilder {
        SmtpServerBuilder::default()
    }

    /// `smtp://127.0.0.1:PORT`, or `smtps://` where TLS is implicit.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }

    /// The URL with the user and password that the server expects, which must need no escaping there.
    ///
    /// # Panics
    /// When the server expects none.
    pub fn url_with_login(&self) -> String {
        let Some(Login { user, password }) = &self.shared.login else {
            panic!("this SMTP server has no user");
        };
        format!("{}://{user}:{password}@{}", self.scheme(), self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that signed the server's, in PEM form.
    ///
    /// # Panics
    /// When the server does no TLS.
    pub fn ca_pem(&self) -> &str {
        self.certificates().ca_pem()
    }

    /// A file with [`ca_pem`](Self::ca_pem); it lives as long as the server.
    ///
    /// # Panics
    /// When the server does no TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.certificates().ca_file()
    }

    /// Gives the server another script; steps that are being performed are not affected.
    pub fn script(&self, script: impl Fn(&Step<'_>) -> Action + Send + Sync + 'static) {
        self.shared.script.send_replace(Script::new(script));
    }

    /// Gives the server rules instead of its script. `Rules::new()` makes it accept everything.
    pub fn rules(&self, rules: Rules) {
        self.script(move |step| rules.action(step));
    }

    /// Releases all steps that are at [`Action::Hold`]. Later ones are held again.
    pub fn release(&self) {
        self.shared.releases.send_modify(|count| *count += 1);
    }

    /// Closes all connections without a reply; new ones are accepted.
    pub fn close_connections(&self) {
        self.shared.cut.send_replace(());
    }

    /// The messages stored so far, in the order of their storing.
    pub fn received(&self) -> Vec<Received> {
        self.shared.log.borrow().received.clone()
    }

    /// Waits until at least `count` messages have been stored, and returns all.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait(DEADLINE, &format!("{count} messages"), |log| log.received.len() >= count).await
    }

    /// Waits until the messages stored so far satisfy `condition`, and returns them. The condition is asked each time
    /// that something has happened. It must not ask this server anything: it runs under the lock of what it is given.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_until(&self, condition: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        self.wait_until_within(DEADLINE, condition).await
    }

    /// The same as [`wait_until`](Self::wait_until) with another deadline.
    ///
    /// # Panics
    /// When `deadline` has passed.
    pub async fn wait_until_within(
        &self,
        deadline: Duration,
        condition: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        self.wait(deadline, "messages that satisfy the condition", |log| condition(&log.received)).await
    }

    /// Waits until sessions have come to `stage` at least `count` times in all. A step counts when the command has
    /// arrived, before the script has its say: so this also waits for what then hangs or is held.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_for_stage(&self, stage: Stage, count: usize) {
        self.wait(DEADLINE, &format!("{count} times {stage:?}"), |log| log.count(stage) >= count).await;
    }

    /// How often sessions have come to `stage` so far.
    pub fn count(&self, stage: Stage) -> usize {
        self.shared.log.borrow().count(stage)
    }

    /// How many connections have been accepted so far, including those that have ended.
    pub fn connections(&self) -> usize {
        self.shared.log.borrow().connections
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.log.borrow().open_connections
    }

    /// Waits until `count` connections are open, no more and no fewer.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_for_open_connections(&self, count: usize) {
        self.wait(DEADLINE, &format!("{count} open connections"), |log| log.open_connections == count).await;
    }

    /// How often each recipient has been named in a `RCPT`, refused or not.
    pub fn rcpt_attempts(&self) -> HashMap<String, usize> {
        self.shared.log.borrow().rcpt_attempts.clone()
    }

    /// How often a `DATA` command came for each recipient accepted before it, whatever became of the message.
    pub fn data_attempts(&self) -> HashMap<String, usize> {
        self.shared.log.borrow().data_attempts.clone()
    }

    async fn wait(&self, deadline: Duration, what: &str, condition: impl Fn(&Log) -> bool) -> Vec<Received> {
        let complaint = |log: &Log| format!("{what}; the SMTP server saw {}", log.summary());
        watched(&self.shared.log, deadline, condition, |log| log.received.clone(), complaint).await
    }

    fn scheme(&self) -> &'static str {
        if self.security == Security::Implicit { "smtps" } else { "smtp" }
    }

    fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().unwrap_or_else(|| panic!("this SMTP server does no TLS"))
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
