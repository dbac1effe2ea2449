//! What has become of the emails.

use std::io;

use email_queue::{EmailId, transition::Enqueued};
use indicatif::ProgressBar;
use serde_json::json;

use super::ready::Source;
use crate::{
    output::{self, Output},
    redis_client::Unanswered,
};

/// Where an email comes from, its length, and what has become of it.
pub(super) type Answer = (Source, usize, Result<(Enqueued, EmailId), Unanswered>);

/// How many have been sent so far.
pub(super) struct Tally<'o> {
    out: &'o Output,
    pub(super) sent: u64,
    repeated: u64,
    pub(super) refused: u64,
}

impl<'o> Tally<'o> {
    pub(super) fn new(out: &'o Output) -> Self {
        Self { out, sent: 0, repeated: 0, refused: 0 }
    }

    /// Counts an email, and tells what has become of it.
    ///
    /// # Errors
    /// Others cannot be sent either: Redis did not answer, or the queue is full; or it cannot be told.
    pub(super) fn answered(&mut self, bar: &ProgressBar, (source, _, accepted): Answer) -> anyhow::Result<()> {
        let place = &source.place;
        match accepted? {
            (Enqueued::Accepted, id) => {
                self.sent += 1;
                self.tell(bar, &source, id, false)?;
            }
            (Enqueued::Repeated(ids), _) => {
                self.repeated += 1;
                for id in ids {
                    self.tell(bar, &source, id, true)?;
                }
            }
            (Enqueued::Conflict, _) => {
                let told = format!(
                    "{place}: it may have been sent since the number of shards was changed: give --shards as the workers have it, and \
                     --earlier-shards"
                );
                self.refused(bar, &told)?;
            }
            (Enqueued::BacklogFull | Enqueued::NoBytesLeft { .. }, _) => anyhow::bail!(
                "{place}: the queue is full. Give the same files again when it is shorter: what was sent is not sent again"
            ),
        }
        Ok(())
    }

    /// Counts an email that cannot be sent, and tells why.
    pub(super) fn refused(&mut self, bar: &ProgressBar, told: &str) -> io::Result<()> {
        self.refused += 1;
        bar.suspend(|| {
            if self.out.is_json() {
                let (place, reason) = told.split_once(": ").unwrap_or(("", told));
                return self.out.json_line(&json!({"object": "refused", "place": place, "reason": reason}));
            }
            output::remark(told);
            Ok(())
        })
    }

    /// Prints the numbers.
    pub(super) fn print(&self, dry_run: bool) -> io::Result<()> {
        let Self { out, sent, repeated, refused } = self;
        if out.is_json() {
            return out.json_line(
                &json!({"object": "sent", "sent": sent, "repeated": repeated, "refused": refused, "dry_run": dry_run}),
            );
        }
        let done = if dry_run { "can be sent" } else { "sent" };
        output::remark(&format!("{sent} {done}, {repeated} sent before, {refused} refused."));
        Ok(())
    }

    /// Prints the id of an email that is on the queue.
    fn tell(&self, bar: &ProgressBar, source: &Source, id: EmailId, is_repeated: bool) -> io::Result<()> {
        let id = id.to_string();
        bar.suspend(|| {
            if self.out.is_json() {
                let mut object = json!({"object": "email", "id": id, "place": source.place, "repeated": is_repeated});
                if let Some(exported) = source.exported {
                    object["exported_id"] = exported.to_string().into();
                }
                return self.out.json_line(&object);
            }
            self.out.say(&id)
        })
    }
}
