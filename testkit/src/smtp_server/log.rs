//! What the server has seen.

use std::collections::HashMap;

use super::Stage;
use crate::received::Received;

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) received: Vec<Received>,
    pub(super) connections: usize,
    pub(super) open_connections: usize,
    pub(super) rcpt_attempts: HashMap<String, usize>,
    pub(super) data_attempts: HashMap<String, usize>,
    stages: HashMap<Stage, usize>,
}

/// The counts of a step, for the script.
pub(super) struct Counts {
    pub(super) nth: usize,
    pub(super) attempt: usize,
}

impl Log {
    pub(super) fn count(&self, stage: Stage) -> usize {
        self.stages.get(&stage).copied().unwrap_or_default()
    }

    /// Notes that a session has come to `stage`.
    pub(super) fn record(&mut self, stage: Stage, recipient: Option<&str>, recipients: &[String]) -> Counts {
        let nth = increment(self.stages.entry(stage).or_default());
        if stage == Stage::Data {
            for recipient in recipients {
                increment(self.data_attempts.entry(recipient.clone()).or_default());
            }
        }
        let attempt = match (stage, recipient, recipients.first()) {
            (Stage::Rcpt, Some(recipient), _) => increment(self.rcpt_attempts.entry(recipient.to_owned()).or_default()),
            (Stage::Data | Stage::Body | Stage::EndOfData, _, Some(first)) => {
                self.data_attempts.get(first).copied().unwrap_or_default()
            }
            _ => 0,
        };
        Counts { nth, attempt }
    }

    /// The message for a failed wait. Addresses are the test's own, so they may be shown.
    pub(super) fn summary(&self) -> String {
        format!(
            "{} messages, {} connections ({} open), stages {:?}, RCPT {:?}",
            self.received.len(),
            self.connections,
            self.open_connections,
            self.stages,
            self.rcpt_attempts
        )
    }
}

fn increment(count: &mut usize) -> usize {
    *count += 1;
    *count
}
