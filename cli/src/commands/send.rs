mod checked;
mod eml;
mod exported;
mod input;
mod shard;

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use email_queue::{
    EmailId, Shards,
    call::CallError,
    email::Mailbox,
    query,
    transition::{Enqueue, Enqueued, Idempotency, NewEmail, enqueue},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::json;

use self::{
    checked::Checked,
    input::{Format, Item},
};
use crate::{
    context::{Context, Unusable},
    exit::Exit,
    output, progress,
    redis_client::Unanswered,
    shards,
};

/// How many emails are on their way to Redis at once, and how many bytes.
const CONCURRENCY: usize = 32;
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The scope of the idempotency keys of this command.
const SCOPE: &str = "emailq send";

/// Put emails on the queue, from files or standard input.
///
/// They are checked by the rules of the API. What is sent once is not sent a second time within 24 hours, so the same file can be
/// given again after a failure.
#[derive(Args)]
pub(crate) struct Send {
    /// Files of emails: JSON (an email, or a list of them), JSON lines, those of `emailq export` included, or .eml. Without any,
    /// or for -, standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the files contain; by default what their names and their beginnings say.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    /// The sender of emails without one: an address, or Name <address>. By default that of the workers.
    #[arg(long, value_name = "MAILBOX")]
    from: Option<Mailbox>,

    /// Check the emails, and send none.
    #[arg(long)]
    dry_run: bool,

    /// Send emails also if the same were sent in the last 24 hours.
    #[arg(long)]
    again: bool,

    /// How many emails may wait in the queue before no more are accepted; 0 for no limit.
    #[arg(long, env = "EMAIL_QUEUE_BACKLOG_LIMIT", value_name = "EMAILS", default_value_t = 1_000_000)]
    backlog_limit: u64,

    /// How many bytes the records of all emails may have; 0 for no limit.
    #[arg(long, env = "EMAIL_QUEUE_BACKLOG_BYTES", value_name = "BYTES", default_value_t = 4_294_967_296)]
    backlog_bytes: u64,

    /// How many shards the queue had before --shards was changed. For a day, so that what was sent before is still recognised.
    #[arg(long, env = "EMAIL_QUEUE_EARLIER_SHARDS", value_name = "SHARDS")]
    earlier_shards: Option<u16>,
}

/// What became of the emails so far.
#[derive(Default)]
struct Tally {
    sent: u64,
    repeated: u64,
    refused: u64,
}

/// Where an email stands, its length, and what has become of it.
type Answer = (String, usize, Result<(Enqueued, EmailId), Unanswered>);

/// An email that is ready to be sent.
struct Ready {
    /// Where it stands.
    place: String,
    checked: Checked,
    json: Vec<u8>,
}

impl Send {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let earlier = shard::earlier(self.earlier_shards, &context.shards)?;
        if !self.dry_run {
            // While their number is lowered, emails are still in those of before.
            let more = earlier.as_ref().filter(|earlier| earlier.count() > context.shards.count());
            shards::require_all(context, more.unwrap_or(&context.shards)).await?;
        }
        let sender = match &self.from {
            Some(from) => Some(from.clone()),
            None if self.dry_run => None,
            None => context.run(&query::default_sender(context.shards.first())).await?,
        };
        let mut files = self.files.clone();
        if files.is_empty() {
            files.push("-".into());
        }
        let mut tally = Tally::default();
        let mut outcome = Ok(());
        for file in &files {
            outcome = self.file(context, file, sender.as_ref(), earlier.as_ref(), &mut tally).await;
            if outcome.is_err() {
                break;
            }
        }
        let Tally { sent, repeated, refused } = tally;
        if context.out.is_json() {
            let object = json!({"object": "sent", "sent": sent, "repeated": repeated, "refused": refused, "dry_run": self.dry_run});
            context.out.json_line(&object)?;
        } else {
            let done = if self.dry_run { "can be sent" } else { "sent" };
            output::remark(&format!("{sent} {done}, {repeated} sent before, {refused} refused."));
        }
        outcome?;
        Ok(if refused > 0 { Exit::Failed } else { Exit::Done })
    }

    async fn file(
        &self,
        context: &Context,
        file: &Path,
        sender: Option<&Mailbox>,
        earlier: Option<&Shards>,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let (reader, length): (Box<dyn Read>, _) = if file == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let unusable = |error: io::Error| Unusable(format!("{}: {error}", file.display()));
            let opened = File::open(file).map_err(unusable)?;
            let length = opened.metadata().ok().map(|metadata| metadata.len());
            (Box::new(opened), length)
        };
        let bar = length.map_or_else(progress::uncounted, progress::of_bytes).with_message("sending");
        let reader = BufReader::new(bar.wrap_read(reader));
        let mut items = input::items(reader, &file.display().to_string(), self.format)?;
        let (mut asked, mut bytes, mut is_over) = (FuturesUnordered::new(), 0, false);
        loop {
            while !is_over && asked.len() < CONCURRENCY && (bytes < MAX_BYTES || asked.is_empty()) {
                let Some(item) = items.next() else {
                    is_over = true;
                    break;
                };
                match read(item, sender) {
                    Err(told) => self.refused(context, &bar, tally, &told)?,
                    Ok(_) if self.dry_run => tally.sent += 1,
                    Ok(ready) => {
                        bytes += ready.json.len();
                        asked.push(self.put(context, ready, earlier));
                    }
                }
            }
            let Some(answer) = asked.next().await else { break };
            let (place, length, accepted): Answer = answer;
            bytes -= length;
            match accepted? {
                (Enqueued::Accepted, id) => {
                    tally.sent += 1;
                    told(context, &bar, &place, &id.to_string(), false)?;
                }
                (Enqueued::Repeated(ids), _) => {
                    tally.repeated += 1;
                    for id in ids {
                        told(context, &bar, &place, &id.to_string(), true)?;
                    }
                }
                (Enqueued::Conflict, _) => {
                    let told = format!(
                        "{place}: it may have been sent since the number of shards was changed: give --shards as the workers \
                         have it, and --earlier-shards"
                    );
                    self.refused(context, &bar, tally, &told)?;
                }
                (Enqueued::BacklogFull | Enqueued::NoBytesLeft { .. }, _) => anyhow::bail!(
                    "{place}: the queue is full. Give the same files again when it is shorter: what was sent is not sent again"
                ),
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Puts an email on the queue.
    async fn put(&self, context: &Context, ready: Ready, earlier: Option<&Shards>) -> Answer {
        let Ready { place, checked: Checked { name, digest, submission }, json } = ready;
        let length = json.len();
        let key = Idempotency::new(SCOPE, &name, [&digest]);
        let accepted = async {
            let (shards, home) = shard::home(context, &key, earlier.filter(|_| !self.again)).await?;
            let mut id = EmailId::new();
            if shards.count() > 1 {
                id = id.in_shard(home);
            }
            let emails = [NewEmail { id, lane: submission.lane, due: submission.scheduled_at, json }];
            let part = |limit: u64| Some(limit.div_ceil(context.shards.count().into())).filter(|limit| *limit > 0);
            let terms = Enqueue {
                emails: &emails,
                backlog_limit: part(self.backlog_limit),
                backlog_bytes: part(self.backlog_bytes),
                idempotency: Some(&key).filter(|_| !self.again),
                ..Enqueue::default()
            };
            let queue = shards.queue(home);
            let call = enqueue(&queue, terms);
            let enqueued = match context.run(&call).await {
                // The id is the same: it is accepted once.
                Err(Unanswered { error: CallError::Redis(error), .. }) if error.is_io_error() => {
                    context.run(&call).await
                }
                answer => answer,
            };
            Ok((enqueued?, id))
        };
        (place, length, accepted.await)
    }

    fn refused(&self, context: &Context, bar: &ProgressBar, tally: &mut Tally, told: &str) -> io::Result<()> {
        tally.refused += 1;
        bar.suspend(|| {
            if context.out.is_json() {
                let (place, reason) = told.split_once(": ").unwrap_or(("", told));
                return context.out.json_line(&json!({"object": "refused", "place": place, "reason": reason}));
            }
            output::remark(told);
            Ok(())
        })
    }
}

/// Prints the id of an email that is on the queue.
fn told(context: &Context, bar: &ProgressBar, place: &str, id: &str, is_repeated: bool) -> io::Result<()> {
    bar.suspend(|| {
        if context.out.is_json() {
            return context
                .out
                .json_line(&json!({"object": "email", "id": id, "place": place, "repeated": is_repeated}));
        }
        context.out.say(id)
    })
}

/// Checks an email, by the rules of the API. The error says where it stands and what is wrong.
fn read(item: Item, sender: Option<&Mailbox>) -> Result<Ready, String> {
    let Item { place, json } = item;
    let check = |json: Vec<u8>| {
        let now = Timestamp::now();
        if let Some(exported) = exported::read(&json, sender, now) {
            return exported;
        }
        Checked::from_request(&json, sender, now)
    };
    let checked = json.and_then(check).map_err(|error| format!("{place}: {error}"))?;
    let json = checked.submission.to_json();
    Ok(Ready { place, checked, json })
}
