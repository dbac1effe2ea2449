mod checked;
mod eml;
mod exported;
mod input;
mod ready;
mod shard;
mod tally;

use std::{
    fs::File,
    io::{self, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use email_queue::{
    EmailId, Shards,
    call::CallError,
    email::Mailbox,
    query,
    transition::{Enqueue, Idempotency, NewEmail, enqueue},
};
use futures_util::{StreamExt, stream::FuturesUnordered};

use self::{
    checked::{Checked, Sender},
    input::Format,
    ready::Ready,
    tally::{Answer, Tally},
};
use crate::{
    context::{Context, Unusable},
    exit::Exit,
    interrupt::ctrl_c,
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

    /// Send exported emails also if they are sent, canceled or being sent, or some of their recipients have got them.
    #[arg(long)]
    any_state: bool,

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

impl Send {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let earlier = shard::earlier(self.earlier_shards, &context.shards)?;
        if !self.dry_run {
            // While their number is lowered, emails are still in those of before.
            let more = earlier.as_ref().filter(|earlier| earlier.count() > context.shards.count());
            shards::require_all(context, more.unwrap_or(&context.shards)).await?;
            shards::require_served(context, &context.shards).await?;
        }
        let default = match self.dry_run {
            true => None,
            false => context.run(&query::default_sender(context.shards.first())).await?,
        };
        let sender = self.from.as_ref().map_or(Sender::Default(default.as_ref()), Sender::Named);
        let mut files = self.files.clone();
        if files.is_empty() {
            files.push("-".into());
        }
        let mut tally = Tally::new(&context.out);
        let sending = async {
            for file in &files {
                self.file(context, file, sender, earlier.as_ref(), &mut tally).await?;
            }
            Ok(Exit::Done)
        };
        let outcome: anyhow::Result<_> = tokio::select! {
            // What is answered already is counted.
            biased;
            outcome = sending => outcome,
            () = ctrl_c() => Ok(Exit::Interrupted),
        };
        tally.print(self.dry_run)?;
        let exit = outcome?;
        if exit == Exit::Interrupted {
            output::remark("Broken off: what was sent stays sent, and the same emails given again are not sent twice.");
        }
        Ok(if tally.refused > 0 { exit.max(Exit::Failed) } else { exit })
    }

    async fn file(
        &self,
        context: &Context,
        file: &Path,
        sender: Sender<'_>,
        earlier: Option<&Shards>,
        tally: &mut Tally<'_>,
    ) -> anyhow::Result<()> {
        let (reader, length): (Box<dyn Read + std::marker::Send>, _) = if file == Path::new("-") {
            if io::stdin().is_terminal() {
                output::remark("Emails are read from standard input, until Ctrl-D.");
            }
            (Box::new(io::stdin()), None)
        } else {
            let unusable = |error: io::Error| Unusable(format!("{}: {error}", file.display()));
            let opened = File::open(file).map_err(unusable)?;
            let length = opened.metadata().ok().map(|metadata| metadata.len());
            (Box::new(opened), length)
        };
        let bar = length.map_or_else(progress::uncounted, progress::of_bytes).with_message("sending");
        let reader: Box<dyn Read + std::marker::Send> =
            if length.is_some() { Box::new(bar.wrap_read(reader)) } else { reader };
        let mut items = input::read(BufReader::new(reader), file.display().to_string(), self.format)?;
        let (mut asked, mut bytes, mut is_over) = (FuturesUnordered::new(), 0, false);
        // The first one alone: where Redis does not know the script yet, those behind it would get out of order.
        let mut most = 1;
        // After a failure what is on its way is still waited for, so that what was sent is told.
        let mut failure: Option<anyhow::Error> = None;
        loop {
            let takes_more =
                !is_over && failure.is_none() && asked.len() < most && (bytes < MAX_BYTES || asked.is_empty());
            let answer: Answer = tokio::select! {
                biased;
                item = items.recv(), if takes_more => {
                    let Some(item) = item else {
                        is_over = true;
                        continue;
                    };
                    match item.map(|item| ready::read(item, sender, self.any_state)) {
                        Err(error) => failure = Some(error.into()),
                        Ok(Err(told)) => tally.refused(&bar, &told)?,
                        Ok(Ok(_)) if self.dry_run => tally.sent += 1,
                        Ok(Ok(ready)) => {
                            bytes += ready.json.len();
                            asked.push(self.put(context, ready, earlier));
                        }
                    }
                    if length.is_none() {
                        bar.inc(1);
                    }
                    continue;
                }
                Some(answer) = asked.next() => answer,
                else => break,
            };
            (most, bytes) = (CONCURRENCY, bytes - answer.1);
            if let Err(error) = tally.answered(&bar, answer) {
                failure.get_or_insert(error);
            }
        }
        bar.finish_and_clear();
        failure.map_or(Ok(()), Err)
    }

    /// Puts an email on the queue.
    async fn put(&self, context: &Context, ready: Ready, earlier: Option<&Shards>) -> Answer {
        let Ready { source, checked: Checked { name, digest, submission }, json } = ready;
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
        (source, length, accepted.await)
    }
}
