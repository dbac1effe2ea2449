use std::io::{self, BufWriter, Write};

use clap::Args;
use email_queue::query::{self, Cursor};

use crate::{context::Context, exit::Exit, filter::Filter, output::json, pages::Pages, view::Whole};

/// Print whole emails as JSON, one a line, the newest first.
///
/// `emailq send` takes the lines and sends each email as a new one, also what was sent before; in the same queue `emailq retry` sends
/// again what has failed, to the recipients that have not got it.
#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    filter: Filter,
}

impl Export {
    /// Holds one email at a time, and a page of beginnings.
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut pages = Pages::new(&self.filter, Cursor::Newest);
        let mut out = BufWriter::new(io::stdout());
        let mut exported = 0_u64;
        while let Some((shard, id, _)) = pages.next(context).await? {
            let record = context.run(&query::read(&context.shards.queue(shard), id)).await?;
            // It may have been deleted since, or be in another state.
            let Some(record) = record.filter(|record| self.filter.status.is_none_or(|state| record.state == state))
            else {
                continue;
            };
            json::write_line(&mut out, &Whole::new(id, &record))?;
            exported += 1;
        }
        out.flush()?;
        Ok(if exported == 0 { Exit::NothingFound } else { Exit::Done })
    }
}
