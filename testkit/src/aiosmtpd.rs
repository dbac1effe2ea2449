//! aiosmtpd: an independent SMTP server.
//!
//! This project's [`SmtpServer`](crate::SmtpServer) and client might misread the standard in the same way. This runs
//! the Python package aiosmtpd in a separate process and stores what it accepts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::certificates::{Certificates, LOOPBACK_NAMES};
use crate::process::Process;
use crate::received::Received;

/// The variable that names the Python interpreter which can import aiosmtpd.
pub const PYTHON_VARIABLE: &str = "AIOSMTPD_PYTHON";

/// Where Debian's interpreter is, the one that sees Debian's packages; another Python may come first on the `PATH`.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

const SCRIPT: &str = include_str!("aiosmtpd.py");

/// A running aiosmtpd on a free port of 127.0.0.1. Dropping it kills it and removes what it received.
#[derive(Debug)]
pub struct Aiosmtpd {
    process: Process,
    address: SocketAddr,
    certificates: Option<Certificates>,
    login: Option<(String, String)>,
    directory: TempDir,
}

/// How to start [`Aiosmtpd`].
#[derive(Debug, Default)]
pub struct AiosmtpdBuilder {
    starttls: bool,
    login: Option<(String, String)>,
    without_smtputf8: bool,
}

impl Aiosmtpd {
    /// Starts a server without TLS and authentication, and waits until it listens.
    ///
    /// # Panics
    /// When Python or aiosmtpd is missing, or the server does not listen.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server with other options.
    pub fn builder() -> AiosmtpdBuilder {
        AiosmtpdBuilder::default()
    }

    /// `smtp://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The URL with the user and password that the server expects, which must need no escaping there.
    ///
    /// # Panics
    /// When the server expects none.
    pub fn url_with_login(&self) -> String {
        let Some((user, password)) = &self.login else { panic!("this aiosmtpd has no user") };
        format!("smtp://{user}:{password}@{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file with the certificate of the authority that signed the server's.
    ///
    /// # Panics
    /// When the server does no TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.certificates().ca_file()
    }

    /// The certificate of the authority that signed the server's, in PEM form.
    ///
    /// # Panics
    /// When the server does no TLS.
    pub fn ca_pem(&self) -> &str {
        self.certificates().ca_pem()
    }

    /// The messages accepted so far, in order.
    ///
    /// # Panics
    /// When what the server stored cannot be read.
    pub fn messages(&self) -> Vec<Received> {
        let stored = self.process.lines().iter().filter(|line| line.starts_with("stored ")).count();
        (1..=stored)
            .map(|number| {
                read(self.directory.path(), number)
                    .unwrap_or_else(|error| panic!("cannot read message {number} of aiosmtpd: {error}"))
            })
            .collect()
    }

    /// Waits until at least `count` messages have been accepted, and returns all.
    ///
    /// # Panics
    /// After [`DEADLINE`](crate::DEADLINE), or when the server has ended.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        if count > 0 {
            let last = format!("stored {count}");
            self.process.wait_for_line(|line| line == last).await;
        }
        self.messages()
    }

    fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().unwrap_or_else(|| panic!("this aiosmtpd does no TLS"))
    }
}

impl AiosmtpdBuilder {
    /// Offers STARTTLS and refuses everything before it.
    pub fn starttls(mut self) -> Self {
        self.starttls = true;
        self
    }

    /// Asks for authentication as this user.
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// Does not offer SMTPUTF8.
    pub fn without_smtputf8(mut self) -> Self {
        self.without_smtputf8 = true;
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// When Python or aiosmtpd is missing, or the server does not listen.
    pub async fn start(self) -> Aiosmtpd {
        let directory = TempDir::with_prefix("testkit-aiosmtpd-")
            .unwrap_or_else(|error| panic!("cannot make a directory for aiosmtpd: {error}"));
        let certificates = self.starttls.then(|| Certificates::generate(&LOOPBACK_NAMES, None));

        let mut command = Command::new(python());
        command.arg("-c").arg(SCRIPT).arg("--directory").arg(directory.path());
        if let Some(certificates) = &certificates {
            command.arg("--certificate").arg(certificates.server_file());
            command.arg("--key").arg(certificates.key_file());
        }
        if let Some((user, password)) = &self.login {
            command.args(["--user", user, "--password", password]);
        }
        if !self.without_smtputf8 {
            command.arg("--smtputf8");
        }
        let process = Process::start(command);

        let missing = |line: &str| line.contains("No module named 'aiosmtpd'");
        let line = process.wait_for_line(|line| line.starts_with("listening ") || missing(line)).await;
        assert!(!missing(&line), "no aiosmtpd to test with; run cargo xtask test, which installs it");
        let port = line.trim_start_matches("listening ").parse::<u16>();
        let port = port.unwrap_or_else(|error| panic!("aiosmtpd printed {line:?}: {error}"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Aiosmtpd { process, address, certificates, login: self.login, directory }
    }
}

/// The interpreter to run.
pub(crate) fn python() -> PathBuf {
    match std::env::var_os(PYTHON_VARIABLE) {
        Some(interpreter) => interpreter.into(),
        None if Path::new(SYSTEM_PYTHON).exists() => SYSTEM_PYTHON.into(),
        None => "python3".into(),
    }
}

fn read(directory: &Path, number: usize) -> Result<Received, Box<dyn std::error::Error>> {
    let envelope: Value = serde_json::from_slice(&std::fs::read(directory.join(format!("{number}.json")))?)?;
    let text = |name: &str| envelope[name].as_str().map(str::to_owned);
    let texts = |name: &str| -> Option<Vec<String>> {
        envelope[name].as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
    };
    Ok(Received {
        envelope_from: text("envelope_from").ok_or("no envelope_from")?,
        recipients: texts("recipients").ok_or("no recipients")?,
        mail_parameters: texts("mail_parameters").ok_or("no mail_parameters")?,
        data: std::fs::read(directory.join(format!("{number}.eml")))?,
        connection: envelope["connection"].as_u64().ok_or("no connection")?.try_into()?,
        tls: envelope["tls"].as_bool().ok_or("no tls")?,
        authenticated: text("authenticated"),
    })
}

#[cfg(test)]
mod tests;
