//! Relays: whether each takes a connection, with TLS and a login, and until when its certificate is valid.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use smtp_client::{Config, ConnectError, Connector, Expiry, Options, Step, TlsMode};

use super::finding::Finding;

/// For each step.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// How long before its end a certificate should be renewed.
const SOON: Duration = Duration::from_secs(14 * 86400);

const CHECK: &str = "relay";
const CERTIFICATE: &str = "relay-certificate";

/// Checks the relays of these URLs, and those of the workers that none of them names.
pub(super) async fn check(urls: &[String], of_workers: &[String], options: &Options) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    for (url, is_whole) in urls.iter().map(|url| (url, true)).chain(of_workers.iter().map(|url| (url, false))) {
        if !url.starts_with("smtp") {
            if is_whole {
                findings.push(Finding::warning(CHECK, "the transport sends no emails", "name a relay: smtp://HOST"));
            }
            continue;
        }
        // A worker's URL is without the password, and a user alone is refused.
        let options =
            if is_whole { options.clone() } else { Options { username: None, password: None, ..options.clone() } };
        let config = match Config::parse(url, options) {
            Ok(config) => config,
            Err(error) if is_whole => {
                findings.push(Finding::fault(CHECK, error.to_string(), "write --transport as the worker has it"));
                continue;
            }
            Err(_) => continue,
        };
        if known.insert(config.to_string()) {
            findings.extend(one(&config).await);
        }
    }
    findings
}

async fn one(config: &Config) -> Vec<Finding> {
    let expiry = Expiry::default();
    let connector = match Connector::noting_expiry(config, &expiry) {
        Ok(connector) => connector,
        Err(error) => return vec![Finding::fault(CHECK, error.to_string(), "see --smtp-ca-file")],
    };
    let outcome = connector.connect().await;
    let mut findings = vec![match outcome {
        Ok(session) => {
            let login = if session.is_authenticated() { ", and the login is accepted" } else { "" };
            session.quit().await;
            Finding::good(CHECK, format!("{config} takes connections{login}"))
        }
        Err(error) => Finding::fault(name(&error), error.to_string(), way_out(&error)),
    }];
    match expiry.time().map(|time| time.duration_since(SystemTime::now()).unwrap_or_default()) {
        Some(left) if left < SOON => findings.push(Finding::fault(
            CERTIFICATE,
            format!("the certificate of {config} expires in {} days", left.as_secs() / 86400),
            "renew it: from then on no email goes out",
        )),
        Some(left) => {
            let what = format!("the certificate of {config} is valid for {} days", left.as_secs() / 86400);
            findings.push(Finding::good(CERTIFICATE, what));
        }
        None if config.tls == TlsMode::Opportunistic && findings.iter().all(|finding| finding.way_out.is_none()) => {
            let what = format!("{config} offers no TLS: emails go in the clear");
            findings.push(Finding::warning("relay-tls", what, "let the relay offer STARTTLS, and write ?tls=required"));
        }
        None => {}
    }
    findings
}

/// The name of the check that has failed.
fn name(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Unreachable { .. } => "relay-connection",
        ConnectError::Tls(_) => "relay-tls",
        ConnectError::Refused { step: Step::Authentication, .. } | ConnectError::NoMechanism { .. } => "relay-login",
        ConnectError::Refused { .. } | ConnectError::Lost { .. } => CHECK,
    }
}

fn way_out(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Unreachable { .. } => {
            "is host and port right, does it run, and does a firewall let this machine through? Clouds often close port 25: use 587 or 465"
        }
        ConnectError::Tls(_) => {
            "trust its authority by --smtp-ca-file, name the host that the certificate is for, or write smtps:// for TLS from the first byte"
        }
        ConnectError::Refused { step: Step::Authentication, .. } | ConnectError::NoMechanism { .. } => {
            "check EMAIL_QUEUE_SMTP_USERNAME and EMAIL_QUEUE_SMTP_PASSWORD; providers want a password for programs"
        }
        ConnectError::Refused { .. } => "its words say why; the address of this machine may be blocked there",
        ConnectError::Lost { .. } => "is it an SMTP server? It may limit connections, or wait for TLS: smtps://",
    }
}
