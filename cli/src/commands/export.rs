use std::io::{self, BufWriter, Write};

use clap::Args;
use email_queue::{
    State,
    query::{self, Cursor},
};

use crate::{
    context::Context,
    exit::Exit,
    filter::Filter,
    output::{self, json},
    pages::Pages,
    state,
    view::Whole,
};

/// Print whole emails as JSON, one a line, the newest first.
///
/// `emailq send` takes the lines and sends each email as a new one, but refuses those that are sent, canceled or being sent; in the same
/// queue `emailq retry` sends again what has failed, to the recipients that have not got it. What other programs have pushed is exported
/// once a worker has claimed it.
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
        if self.filter.status.is_none_or(|state| state == State::Queued) {
            remark_if_left_out(context).await?;
        }
        Ok(if exported == 0 { Exit::NothingFound } else { Exit::Done })
    }
}

/// Says how much in the lists has no record.
async fn remark_if_left_out(context: &Context) -> anyhow::Result<()> {
    let entries = state::stats(context).await?.other_entries();
    if entries > 0 {
        output::remark(&format!(
            "Entries of the lists that are not exported: {entries}. They are emails that other programs have pushed and no worker has \
             claimed yet, or what canceled, discarded and moved emails have left; `emailq stats` shows their lanes."
        ));
    }
    Ok(())
}
