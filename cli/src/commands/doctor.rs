mod api;
mod dns;
mod finding;
mod queue;
mod redis;
mod relay;
mod wrong_types;

use std::net::SocketAddr;

use clap::Args;
use email_queue::query;
use serde_json::json;
use smtp_client::SmtpFlags;

use self::finding::{Finding, Level};
use crate::{
    context::Context,
    exit::Exit,
    output::table::{Columns, cell, level},
};

/// Check the whole set-up, and say of each fault what to do.
///
/// It looks at Redis, the workers, relays, DNS of the sender's domain, and the API.
#[derive(Args)]
pub(crate) struct Doctor {
    /// A relay to log in to, as the worker's --transport has it. Of relays that only the workers name, the login is not checked.
    #[arg(long, env = "EMAIL_QUEUE_TRANSPORT", value_name = "URL", hide_env_values = true)]
    transport: Vec<String>,

    #[command(flatten)]
    smtp: SmtpFlags,

    /// The address of the API, such as http://127.0.0.1:3000, or https://HOST. Trusted are the system's authorities, or those that
    /// SSL_CERT_FILE names.
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,

    /// The domains that emails are sent from. By default that of the sender that the workers have.
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,

    /// A DNS server to ask instead of the system's, such as 9.9.9.9:53.
    #[arg(long, value_name = "ADDRESS")]
    dns_server: Option<SocketAddr>,

    /// Print also what is well.
    #[arg(long, short)]
    verbose: bool,
}

impl Doctor {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut findings = redis::check(context).await;
        let mut relays = Vec::new();
        let mut domains = self.domain.clone();
        // Without Redis there is nothing to ask.
        if !findings.iter().any(|finding| finding.check == redis::REACHED && finding.level == Level::Fault) {
            findings.extend(wrong_types::check(context).await);
            findings.extend(queue::check(context, &mut relays).await);
            if domains.is_empty()
                && let Ok(Some(sender)) = context.run(&query::default_sender(context.shards.first())).await
            {
                match sender.address().domain() {
                    local if dns::is_local(local) => findings.push(dns::unknown()),
                    domain => domains.push(domain.to_owned()),
                }
            }
        }
        findings.extend(relay::check(&self.transport, &relays, &self.smtp.options(relay::TIMEOUT)).await);
        for domain in &domains {
            findings.extend(dns::check(domain, self.dns_server).await);
        }
        if let Some(url) = &self.api_url {
            findings.push(api::check(url).await);
        }
        self.report(context, &findings)
    }

    fn report(&self, context: &Context, findings: &[Finding]) -> anyhow::Result<Exit> {
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        let (faults, warnings) = (count(Level::Fault), count(Level::Warning));
        if context.out.is_json() {
            context.out.json(&json!({"object": "doctor", "faults": faults, "warnings": warnings, "data": findings}))?;
        } else {
            let mut rows: Columns = context.out.columns(&[]);
            for Finding { check, level: found, what, way_out } in findings {
                if *found == Level::Good && !self.verbose {
                    continue;
                }
                rows.tall_row([level(*found as usize, found.as_str()), cell(check), cell(what)]);
                if let Some(way_out) = way_out {
                    rows.tall_row([cell(""), cell(""), cell(format!("→ {way_out}"))]);
                }
            }
            context.out.table(rows)?;
            context.out.say(&format!("{} checks: {faults} faults, {warnings} warnings.", findings.len()))?;
        }
        Ok(if faults > 0 { Exit::Failed } else { Exit::Done })
    }
}
