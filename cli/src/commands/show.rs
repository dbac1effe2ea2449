use std::io;

use clap::Args;
use email_queue::{
    EmailId, Record,
    email::Mailbox,
    query::{self, Entry},
};
use jiff::Timestamp;

use crate::{
    context::Context,
    exit::Exit,
    output::{
        self,
        table::{cell, optional, state},
        time::{from_now, length, local},
    },
    shards,
    view::{Summary, Whole},
};

/// Show all that is known of emails.
#[derive(Args)]
pub(crate) struct Show {
    /// Their ids.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<EmailId>,

    /// Print the HTML body too.
    #[arg(long)]
    html: bool,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut exits = Vec::new();
        for (place, id) in self.ids.iter().enumerate() {
            let record = context.find(*id, |queue| query::read(queue, *id), Option::is_some).await?;
            let Some(record) = record else {
                output::remark(&shards::no_such_email(context, *id).await);
                exits.push(Exit::NothingFound);
                continue;
            };
            exits.push(Exit::Done);
            let timeline =
                context.find(*id, |queue| query::timeline(queue, *id), Option::is_some).await?.unwrap_or_default();
            if context.out.is_json() {
                context.out.json(&Whole::with_timeline(*id, &record, &timeline))?;
                continue;
            }
            if place > 0 {
                context.out.say("")?;
            }
            self.show(context, *id, &record, &timeline)?;
        }
        Ok(Exit::of_parts(exits))
    }

    fn show(&self, context: &Context, id: EmailId, record: &Record, timeline: &[Entry]) -> anyhow::Result<()> {
        let (summary, now) = (Summary::new(id, record), Timestamp::now());
        let mut fields = context.out.columns(&[]);
        let time = |time| format!("{} ({})", local(time), from_now(time, now));
        fields.tall_row([cell("id"), cell(id)]);
        fields.tall_row([cell("state"), state(record.state)]);
        let submission = record.submission(&Mailbox::built_in_sender());
        let email = submission.as_ref().map(|submission| &submission.email);
        let headers = email.map(|email| email.headers.as_slice()).unwrap_or_default();
        let rows = [
            ("lane", vec![summary.priority.to_owned()]),
            ("accepted", vec![time(record.created)]),
            ("due", record.due.map(time).into_iter().collect()),
            ("ended", record.finished.map(time).into_iter().collect()),
            ("attempts", vec![summary.attempts.to_string()]),
            ("class", summary.error_class.map(str::to_owned).into_iter().collect()),
            ("error", summary.last_error.into_iter().collect()),
            ("from", summary.from.into_iter().collect()),
            ("to", summary.to),
            ("cc", summary.cc),
            ("bcc", summary.bcc),
            ("sent to", record.served.clone()),
            ("reply to", summary.reply_to),
            ("subject", summary.subject.into_iter().collect()),
            ("header", headers.iter().map(|header| format!("{}: {}", header.name, header.value)).collect()),
            ("removed", record.removed.map(|bytes| format!("{bytes} bytes, to make room")).into_iter().collect()),
        ];
        for (name, values) in rows {
            for value in values {
                fields.tall_row([cell(name), cell(value)]);
            }
        }
        for attachment in email.map(|email| email.attachments.as_slice()).unwrap_or_default() {
            let name = attachment.filename.as_deref().unwrap_or("(no name)");
            fields.tall_row([cell("attachment"), cell(format!("{name}, {} bytes", attachment.content.len()))]);
        }
        context.out.table(fields)?;
        tell(context, timeline)?;
        let Some(email) = email else {
            context.out.say("\nThis is no email that could be read:")?;
            context.out.say(&String::from_utf8_lossy(&record.json))?;
            return Ok(());
        };
        if let Some(text) = email.text.as_deref().filter(|text| !text.is_empty()) {
            context.out.say(&format!("\n{text}"))?;
        }
        match email.html.as_deref() {
            Some(html) if self.html => context.out.say(&format!("\n{html}"))?,
            Some(html) => context.out.say(&format!("\n({} bytes of HTML: --html prints them)", html.len()))?,
            None => {}
        }
        Ok(())
    }
}

/// Prints what has happened to an email.
fn tell(context: &Context, timeline: &[Entry]) -> io::Result<()> {
    let mut rows = context.out.columns(&["at", "event", "attempt", "class", "took", "relay", "answer"]);
    for entry in timeline {
        rows.tall_row([
            cell(local(entry.at)),
            cell(entry.event),
            optional(entry.attempt),
            optional(entry.class),
            optional(entry.took.map(length)),
            optional(entry.relay.as_deref()),
            optional(entry.answer.as_deref().or(entry.worker.as_deref())),
        ]);
    }
    context.out.say("")?;
    context.out.table(rows)
}
