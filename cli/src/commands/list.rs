use clap::Args;
use email_queue::{EmailId, query::Cursor};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    context::Context,
    exit::Exit,
    filter::Filter,
    output::{
        self,
        table::{cell, number, optional, state},
        time::from_now,
    },
    pages::Pages,
    view::Summary,
};

/// List emails, the newest first.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    filter: Filter,

    /// How many at the most.
    #[arg(long, short = 'n', value_name = "EMAILS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    /// Go on after this email, with older ones.
    #[arg(long, value_name = "ID")]
    after: Option<EmailId>,
}

/// As the API lists them.
#[derive(Serialize)]
struct Listed {
    object: &'static str,
    data: Vec<Summary>,
    has_more: bool,
    /// What to go on after.
    next: Option<String>,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut pages = Pages::new(&self.filter, self.after.map_or(Cursor::Newest, Cursor::After));
        let mut rows =
            context.out.columns(&["id", "state", "lane", "accepted", "next", "tries", "class", "to", "subject"]);
        let mut listed = Listed { object: "list", data: Vec::new(), has_more: false, next: None };
        let (now, mut found, mut last) = (Timestamp::now(), 0, None);
        while let Some((_, id, record)) = pages.next(context).await? {
            if found == self.limit {
                listed.has_more = true;
                listed.next = last.map(|id: EmailId| id.to_string());
                break;
            }
            found += 1;
            last = Some(id);
            let summary = Summary::new(id, &record);
            if context.out.is_json() {
                listed.data.push(summary);
                continue;
            }
            rows.row([
                cell(id),
                state(record.state),
                cell(record.lane.as_str()),
                cell(from_now(record.created, now)),
                optional(record.due.map(|due| from_now(due, now))),
                number(record.attempts),
                optional(summary.error_class),
                cell(summary.recipients()),
                optional(summary.subject),
            ]);
        }
        if context.out.is_json() {
            context.out.json(&listed)?;
        } else {
            context.out.table(rows)?;
            if let Some(next) = &listed.next {
                output::remark(&format!("There are more: --limit, or --after {next}"));
            }
        }
        if found == 0 && !context.out.is_json() {
            output::remark("No email matches.");
        }
        Ok(if found == 0 { Exit::NothingFound } else { Exit::Done })
    }
}
