//! Changes of emails that are named, or of all that match: in bounded steps, with a confirmation that names the number.

use clap::Args;
use email_queue::{
    Class, EmailId, Queue, Shard, State,
    call::Call,
    query::Cursor,
    transition::{Changed, Matching, What, change_matching},
};
use indicatif::ProgressBar;
use serde_json::json;
use tokio::signal::ctrl_c;

use crate::{
    context::{Context, Unusable},
    exit::Exit,
    filter::{self, Filter},
    output,
    pages::Pages,
    progress,
    redis_client::Unanswered,
    shards, terminal,
};

/// Which emails to change.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Chosen {
    /// Their ids.
    #[arg(value_name = "ID", conflicts_with = "status")]
    ids: Vec<EmailId>,

    /// All emails in this state.
    #[arg(long, value_name = "STATE", value_parser = filter::state)]
    status: Option<State>,
}

/// Flags of all changes.
#[derive(Args)]
pub(crate) struct Bulk {
    #[command(flatten)]
    chosen: Chosen,

    /// Of these only those whose last failure is of this class, such as recipient or timeout.
    #[arg(long, value_name = "CLASS", requires = "status", value_parser = filter::class)]
    class: Option<Class>,

    /// Change nothing, and say how many emails it would be.
    #[arg(long, requires = "status")]
    dry_run: bool,

    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// What to do with an email.
pub(crate) struct Action {
    /// As in "3 emails would be retried".
    pub(crate) done: &'static str,
    /// Why it is refused in another state.
    pub(crate) rule: &'static str,
    /// For all that match at once, if there is such a script.
    pub(crate) what: Option<What>,
    /// The states in which it can be done.
    pub(crate) states: &'static [State],
}

impl Bulk {
    /// Does it.
    pub(crate) async fn run(
        self,
        context: &Context,
        action: Action,
        call: impl Fn(&Queue, EmailId) -> Call<Changed>,
    ) -> anyhow::Result<Exit> {
        match self.chosen.status {
            None => each(context, &self.chosen.ids, &action, call).await,
            Some(state) => self.all(context, state, &action, call).await,
        }
    }

    async fn all(
        &self,
        context: &Context,
        state: State,
        action: &Action,
        call: impl Fn(&Queue, EmailId) -> Call<Changed>,
    ) -> anyhow::Result<Exit> {
        if !action.states.contains(&state) {
            return Err(Unusable(format!("--status {state}: {}", action.rule)).into());
        }
        shards::require_all(context, &context.shards).await?;
        let meant = Filter { status: Some(state), class: self.class, ..Filter::default() };
        let matching = action.what.map(|what| Matching::new(what, state, self.class).map(|matching| (what, matching)));
        let matching = matching.transpose().map_err(|error| Unusable(error.to_string()))?;
        let bar = progress::uncounted().with_message("counting");
        let count = match matching {
            Some((what, matching)) => in_steps(context, what, matching.dry(), &bar).await?,
            None => one_by_one(context, &meant, &bar, async |_, _| Ok(true)).await?,
        };
        bar.finish_and_clear();
        if self.dry_run || count == 0 {
            return report(context, action, 0, count, true);
        }
        if !self.yes
            && let Some(exit) = refused(&format!("{count} {} will be {}.", emails(count), action.done)).await?
        {
            return Ok(exit);
        }
        let bar = progress::of(count).with_message(action.done);
        let changing = async {
            match matching {
                Some((what, matching)) => in_steps(context, what, matching, &bar).await,
                None => {
                    let change = async |shard, id| {
                        Ok(context.run(&call(&context.shards.queue(shard), id)).await? == Changed::Done)
                    };
                    one_by_one(context, &meant, &bar, change).await
                }
            }
        };
        let changed = tokio::select! {
            changed = changing => Some(changed?),
            _ = ctrl_c() => None,
        };
        let until_now = bar.position();
        bar.finish_and_clear();
        match changed {
            Some(changed) => report(context, action, changed, count, false),
            None => {
                report(context, action, until_now, count, false)?;
                output::remark("Broken off: what was done stays done, and the same command goes on.");
                Ok(Exit::Interrupted)
            }
        }
    }
}

/// Changes all that match by scripts, each of which looks at a bounded number of emails. Returns how many were changed.
async fn in_steps(context: &Context, what: What, matching: Matching, bar: &ProgressBar) -> Result<u64, Unanswered> {
    let mut changed = 0;
    for shard in context.shards.all() {
        let queue = context.shards.queue(shard);
        let mut position = None;
        loop {
            let step = context.run(&change_matching(&queue, what, matching, position.as_ref())).await?;
            changed += step.changed;
            bar.set_position(changed);
            position = step.cursor;
            if position.is_none() {
                break;
            }
        }
    }
    Ok(changed)
}

/// Changes all that are meant, each by itself. Returns how many were changed.
async fn one_by_one(
    context: &Context,
    meant: &Filter,
    bar: &ProgressBar,
    change: impl AsyncFn(Shard, EmailId) -> Result<bool, Unanswered>,
) -> Result<u64, Unanswered> {
    let (mut pages, mut changed) = (Pages::new(meant, Cursor::Newest), 0);
    while let Some((shard, id, _)) = pages.next(context).await? {
        changed += u64::from(change(shard, id).await?);
        bar.set_position(changed);
    }
    Ok(changed)
}

/// Changes emails by their ids.
async fn each(
    context: &Context,
    ids: &[EmailId],
    action: &Action,
    call: impl Fn(&Queue, EmailId) -> Call<Changed>,
) -> anyhow::Result<Exit> {
    let (mut exit, mut done) = (Exit::Done, 0);
    let mut results = Vec::new();
    for id in ids {
        let changed = context.find(*id, |queue| call(queue, *id), |changed| *changed != Changed::Unknown).await?;
        let (result, state) = match changed {
            Changed::Done => (action.done, None),
            Changed::Unknown => ("unknown", None),
            Changed::Refused(state) => ("refused", Some(state.as_str())),
        };
        exit = exit.max(match changed {
            Changed::Done => Exit::Done,
            Changed::Unknown => Exit::NothingFound,
            Changed::Refused(_) => Exit::Failed,
        });
        done += u32::from(changed == Changed::Done);
        if context.out.is_json() {
            results.push(json!({"id": id.to_string(), "result": result, "state": state}));
            continue;
        }
        match changed {
            Changed::Done => context.out.say(&format!("{id}: {}", action.done))?,
            Changed::Unknown => output::remark(&format!("{id}: there is no such email")),
            Changed::Refused(state) => output::remark(&format!("{id}: it is {state}; {}", action.rule)),
        }
    }
    if context.out.is_json() {
        context.out.json(&json!({"object": "list", "data": results}))?;
    }
    if exit == Exit::NothingFound {
        shards::remark(context).await;
        if done > 0 {
            // A part has failed.
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

fn report(context: &Context, action: &Action, changed: u64, count: u64, is_dry: bool) -> anyhow::Result<Exit> {
    if context.out.is_json() {
        context.out.json(&json!({"object": "bulk", "matched": count, "changed": changed, "dry_run": is_dry}))?;
    } else if count == 0 {
        output::remark("No email matches.");
    } else if is_dry {
        context.out.say(&format!("{count} {} would be {}.", emails(count), action.done))?;
    } else {
        context.out.say(&format!("{changed} {} {}.", emails(changed), action.done))?;
    }
    Ok(if count == 0 { Exit::NothingFound } else { Exit::Done })
}

fn emails(count: u64) -> &'static str {
    if count == 1 { "email" } else { "emails" }
}

/// Asks on the terminal. `None` for yes, or else how the command ends: nothing was changed.
///
/// # Errors
/// [`Unusable`], if nobody can be asked.
async fn refused(what: &str) -> anyhow::Result<Option<Exit>> {
    if !terminal::is_there() {
        return Err(Unusable(format!("{what} Nobody can be asked here: add --yes")).into());
    }
    let question = format!("{what} Go on? [y/N]");
    let exit = tokio::select! {
        answer = terminal::ask(&question) => match answer?.trim() {
            "y" | "Y" | "yes" => return Ok(None),
            _ => Exit::Failed,
        },
        _ = ctrl_c() => {
            // Behind the question.
            eprintln!();
            Exit::Interrupted
        }
    };
    output::remark("Nothing was changed.");
    Ok(Some(exit))
}
