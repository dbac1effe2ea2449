//! Changes of all emails that match: in bounded steps, with a confirmation that names the number.

use email_queue::{
    Class, EmailId, Queue, Shard, State,
    call::Call,
    query::Cursor,
    transition::{Changed, Matching, What, change_matching},
};
use indicatif::ProgressBar;
use serde_json::json;

use super::{action::Action, twice};
use crate::{
    context::{Context, Unusable},
    exit::Exit,
    filter::Filter,
    interrupt::ctrl_c,
    output,
    pages::Pages,
    progress,
    redis_client::Unanswered,
    shards, terminal,
};

/// Which emails, and whether to ask.
pub(super) struct All {
    pub(super) state: State,
    pub(super) class: Option<Class>,
    pub(super) is_dry: bool,
    pub(super) is_sure: bool,
}

/// How far it has come.
struct Progress {
    matched: u64,
    changed: u64,
    is_complete: bool,
}

impl All {
    pub(super) async fn change(
        &self,
        context: &Context,
        action: &Action,
        call: impl Fn(&Queue, EmailId) -> Call<Changed>,
    ) -> anyhow::Result<Exit> {
        let Self { state, class, .. } = *self;
        if !action.states.contains(&state) {
            return Err(Unusable(format!("--status {state}: {}", action.rule)).into());
        }
        shards::require_all(context, &context.shards).await?;
        let meant = Filter { status: Some(state), class, ..Filter::default() };
        let matching = action.what.map(|what| Matching::new(what, state, class).map(|matching| (what, matching)));
        let matching = matching.transpose().map_err(|error| Unusable(error.to_string()))?;
        let bar = progress::uncounted().with_message("counting");
        let matched = match matching {
            Some((what, matching)) => in_steps(context, what, matching.dry(), &bar).await?,
            None => one_by_one(context, &meant, &bar, async |_, _| Ok(true)).await?,
        };
        bar.finish_and_clear();
        let warning = if action.sends_again && matched > 0 { twice::of_all(class) } else { None };
        if self.is_dry || matched == 0 {
            self.report(context, action, &Progress { matched, changed: 0, is_complete: true })?;
            warning.iter().for_each(|warning| output::remark(warning));
            return Ok(if matched == 0 { Exit::NothingFound } else { Exit::Done });
        }
        let warning = warning.map(|warning| format!(" {warning}")).unwrap_or_default();
        if !self.is_sure
            && let Some(exit) =
                refused(&format!("{matched} {} will be {}.{warning}", emails(matched), action.done)).await?
        {
            return Ok(exit);
        }
        let bar = progress::of(matched).with_message(action.done);
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
        let ended = tokio::select! {
            ended = changing => Some(ended),
            () = ctrl_c() => None,
        };
        let changed = bar.position();
        bar.finish_and_clear();
        let is_complete = matches!(ended, Some(Ok(_)));
        let reported = self.report(context, action, &Progress { matched, changed, is_complete });
        if !is_complete {
            output::remark(&format!(
                "Broken off after {changed} of {matched} emails: what was done stays done, and the same command goes on. The step that was \
                 under way may be done too."
            ));
        }
        match ended {
            Some(Ok(_)) => Ok(reported.map(|()| Exit::Done)?),
            // Rather than that nobody has read how far it has come.
            Some(Err(error)) => Err(error.into()),
            None => Ok(Exit::Interrupted),
        }
    }

    fn report(&self, context: &Context, action: &Action, progress: &Progress) -> std::io::Result<()> {
        let Progress { matched, changed, is_complete } = *progress;
        if context.out.is_json() {
            return context.out.json(&json!({
                "object": "bulk",
                "matched": matched,
                "changed": changed,
                "dry_run": self.is_dry,
                "complete": is_complete,
            }));
        }
        if matched == 0 {
            output::remark("No email matches.");
            return Ok(());
        }
        context.out.say(&match self.is_dry {
            true => format!("{matched} {} would be {}.", emails(matched), action.done),
            false => format!("{changed} {} {}.", emails(changed), action.done),
        })
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
        () = ctrl_c() => {
            // Behind the question.
            eprintln!();
            Exit::Interrupted
        }
    };
    output::remark("Nothing was changed.");
    Ok(Some(exit))
}
