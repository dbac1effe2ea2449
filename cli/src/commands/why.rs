use clap::Args;
use email_queue::{
    Class, EmailId, Lane,
    query::{self, Action, Reason},
};
use serde_json::json;

use crate::{
    context::Context,
    exit::Exit,
    output::{
        self,
        table::cell,
        time::{length, local},
    },
    shards,
    view::iso,
};

/// Say why emails have not been sent, and when they will be.
#[derive(Args)]
pub(crate) struct Why {
    /// Their ids.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<EmailId>,
}

impl Why {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut exits = Vec::new();
        for id in self.ids {
            let why = query::why(&context.redis, &context.shards, id).await;
            let Some(why) = why.map_err(|error| context.redis.unanswered("why", error))? else {
                output::remark(&shards::no_such_email(context, id).await);
                exits.push(Exit::NothingFound);
                continue;
            };
            exits.push(Exit::Done);
            if context.out.is_json() {
                context.out.json_line(&as_json(id, &why))?;
                continue;
            }
            let way_out = why.action.and_then(|action| way_out(action, id, why.lane));
            let sentences: Vec<_> = [Some(why.sentence), way_out].into_iter().flatten().collect();
            context.out.say(&sentences.join(" "))?;
            let mut rows = context.out.columns(&[]);
            let facts = [
                ("email", Some(id.to_string())),
                ("state", Some(why.state.to_string())),
                ("lane", Some(why.lane.as_str().to_owned())),
                ("place", why.place.map(|place| place.to_string())),
                ("due", why.due.map(local)),
                ("until", why.until.map(local)),
                ("relay", why.relay),
                ("class", why.class.map(|class| class.to_string())),
                ("worker", why.worker),
                ("since", why.since.map(local)),
            ];
            for (name, fact) in facts {
                if let Some(fact) = fact {
                    rows.tall_row([cell(name), cell(fact)]);
                }
            }
            if let (Some(at), Some(left)) = (why.estimated, why.estimated_in) {
                rows.tall_row([cell("estimated"), cell(format!("{} (in {})", local(at), length(left)))]);
            }
            context.out.table(rows)?;
        }
        Ok(Exit::of_parts(exits))
    }
}

/// As the API has it, but for the way out.
fn as_json(id: EmailId, why: &query::Why) -> serde_json::Value {
    json!({
        "object": "why",
        "id": id.to_string(),
        "state": why.state.as_str(),
        "reason": why.reason.as_str(),
        "sentence": why.sentence,
        "action": why.action.map(Action::as_str),
        "way_out": why.action.and_then(|action| way_out(action, id, why.lane)),
        "also": why.also.iter().map(|reason| Reason::as_str(*reason)).collect::<Vec<_>>(),
        "lane": why.lane.as_str(),
        "place": why.place,
        "due_at": why.due.map(iso),
        "until": why.until.map(iso),
        "relay": why.relay,
        "class": why.class.map(Class::as_str),
        "worker": why.worker,
        "since": why.since.map(iso),
        "estimated_at": why.estimated.map(iso),
        "estimated_ms": why.estimated_in.map(|left| left.as_millis()),
    })
}

/// Which command does it, if one does.
fn way_out(action: Action, id: EmailId, lane: Lane) -> Option<String> {
    Some(match action {
        Action::Resume => format!("`emailq resume --lane {lane}` resumes it."),
        Action::Reschedule => return None,
        Action::Retry => format!("`emailq retry {id}` does so at once."),
        Action::RetryOrDiscard => {
            format!("Once the cause is gone, `emailq retry {id}` sends it again; `emailq discard {id}` gives it up.")
        }
        Action::MoveToHigh => format!("`emailq move {id} --to high` has it sent sooner."),
    })
}
