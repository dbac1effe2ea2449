use clap::Args;
use email_queue::query::WorkersView;
use jiff::Timestamp;

use crate::{
    context::Context,
    exit::Exit,
    output::{
        self,
        table::{cell, number, optional},
        time::from_now,
    },
    state,
};

/// Show the workers, what they were started with, and what they have in flight.
#[derive(Args)]
pub(crate) struct Workers {
    /// Show also which emails each has in flight: of each the twenty that it has had for longest.
    #[arg(long)]
    emails: bool,
}

impl Workers {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let workers = state::workers(context).await?;
        let exit = if workers.is_empty() { Exit::NothingFound } else { Exit::Done };
        if context.out.is_json() {
            context.out.json(&WorkersView::new(&workers))?;
            return Ok(exit);
        }
        let now = Timestamp::now();
        let names = ["host", "pid", "version", "started", "lease ends", "in flight", "of", "relays"];
        let mut rows = context.out.columns(&names);
        for worker in &workers {
            rows.row([
                cell(worker.host.as_deref().unwrap_or(&worker.id)),
                optional(worker.pid),
                optional(worker.version.as_deref()),
                optional(worker.started.map(|started| from_now(started, now))),
                cell(from_now(worker.lease_until, now)),
                number(worker.in_flight),
                optional(worker.concurrency),
                optional(worker.relays.as_ref().map(|relays| relays.join(", "))),
            ]);
        }
        context.out.table(rows)?;
        for worker in workers.iter().filter(|_| self.emails) {
            for (id, since) in &worker.emails {
                context.out.say(&format!("{id} at {}, claimed {}", worker.id, from_now(*since, now)))?;
            }
        }
        if workers.is_empty() {
            output::remark("There is no worker: nothing is sent. Start native-worker with the same Redis and queue.");
        }
        Ok(exit)
    }
}
