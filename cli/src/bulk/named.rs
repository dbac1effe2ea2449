//! Changes of emails by their ids, one after the other.

use email_queue::{EmailId, Queue, call::Call, query, transition::Changed};
use serde_json::{Value, json};

use super::{action::Action, twice};
use crate::{context::Context, exit::Exit, interrupt::ctrl_c, output, shards};

/// What has become of the ids so far.
#[derive(Default)]
struct Results {
    exits: Vec<Exit>,
    json: Vec<Value>,
}

/// Changes emails by their ids. Broken off, also by Redis, it says from where to go on.
pub(super) async fn change(
    context: &Context,
    ids: &[EmailId],
    action: &Action,
    call: impl Fn(&Queue, EmailId) -> Call<Changed>,
) -> anyhow::Result<Exit> {
    let mut results = Results::default();
    let ended = tokio::select! {
        ended = each(context, ids, action, call, &mut results) => Some(ended),
        () = ctrl_c() => None,
    };
    let printed = match context.out.is_json() {
        true => context.out.json(&json!({"object": "list", "data": results.json})),
        false => Ok(()),
    };
    if !matches!(ended, Some(Ok(())))
        && let Some(next) = ids.get(results.exits.len())
    {
        output::remark(&format!(
            "Broken off after {} of {} ids: what was done stays done. Give the command again from {next} on, which may be done too.",
            results.exits.len(),
            ids.len()
        ));
    }
    match ended {
        None => return Ok(Exit::Interrupted),
        Some(ended) => ended?,
    }
    printed?;
    if results.exits.contains(&Exit::NothingFound) {
        shards::remark(context).await;
    }
    Ok(Exit::of_parts(results.exits))
}

async fn each(
    context: &Context,
    ids: &[EmailId],
    action: &Action,
    call: impl Fn(&Queue, EmailId) -> Call<Changed>,
    results: &mut Results,
) -> anyhow::Result<()> {
    for id in ids {
        let is_doubtful = action.sends_again && may_arrive_twice(context, *id).await?;
        let changed = context.find(*id, |queue| call(queue, *id), |changed| *changed != Changed::Unknown).await?;
        let (exit, result, state) = match changed {
            Changed::Done => (Exit::Done, action.done, None),
            Changed::Unknown => (Exit::NothingFound, "unknown", None),
            Changed::Refused(state) => (Exit::Failed, "refused", Some(state.as_str())),
        };
        results.exits.push(exit);
        if context.out.is_json() {
            results.json.push(json!({"id": id.to_string(), "result": result, "state": state}));
        } else {
            match changed {
                // Whoever reads may have enough: the rest is done all the same.
                Changed::Done => context.out.say(&format!("{id}: {}", action.done)).unwrap_or_default(),
                Changed::Unknown => output::remark(&format!("{id}: there is no such email")),
                Changed::Refused(state) => output::remark(&format!("{id}: it is {state}; {}", action.rule)),
            }
        }
        if is_doubtful && changed == Changed::Done {
            output::remark(&format!("{id}: it may arrive twice: {}", twice::WHY));
        }
    }
    Ok(())
}

/// Looked at before the email is changed, which may take its last failure from its record.
async fn may_arrive_twice(context: &Context, id: EmailId) -> anyhow::Result<bool> {
    let record = context.find(id, |queue| query::read_beginning(queue, id), Option::is_some).await?;
    let Some(record) = record else { return Ok(false) };
    let timeline = context.find(id, |queue| query::timeline(queue, id), Option::is_some).await?;
    Ok(twice::may_be_of(&record, &timeline.unwrap_or_default()))
}
