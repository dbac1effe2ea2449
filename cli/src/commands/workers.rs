use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    context::Context,
    exit::Exit,
    output::{
        self,
        table::{cell, number, optional},
        time::from_now,
    },
    state,
    view::iso,
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
            let shards: Vec<_> = context.shards.all().map(email_queue::Shard::number).collect();
            let data: Vec<Value> = workers
                .iter()
                .map(|worker| {
                    let emails =
                        worker.emails.iter().map(|(id, since)| json!({"id": id.to_string(), "since": iso(*since)}));
                    json!({
                        "id": worker.id, "host": worker.host, "pid": worker.pid, "version": worker.version,
                        "started_at": worker.started.map(iso), "lease_until": iso(worker.lease_until),
                        "concurrency": worker.concurrency, "relays": worker.relays, "shards": shards,
                        "in_flight": worker.in_flight, "emails": emails.collect::<Vec<_>>(),
                    })
                })
                .collect();
            context.out.json(&json!({"object": "list", "data": data}))?;
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
