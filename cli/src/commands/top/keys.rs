//! What keys do.

use email_queue::{
    EmailId, Queue,
    call::Call,
    transition::{self, Changed},
};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::view::{Question, View};
use crate::{advice, context::Context};

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    GoOn,
    Quit,
}

/// Does what is typed.
pub(super) async fn obey(view: &mut View, context: &Context, event: &Event) -> Done {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else { return Done::GoOn };
    if *code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL) {
        return Done::Quit;
    }
    if let Some(question) = view.asked.take() {
        match code {
            KeyCode::Char('y') => answer(view, context, question).await,
            _ => "Nothing was changed.".clone_into(&mut view.told),
        }
        return Done::GoOn;
    }
    let opened = view.opened.as_ref().map(|opened| opened.id);
    let chosen = opened.or_else(|| view.failures.get(view.chosen).map(|(id, _)| *id));
    match code {
        KeyCode::Esc | KeyCode::Char('q') if opened.is_some() => view.opened = None,
        KeyCode::Esc | KeyCode::Char('q') => return Done::Quit,
        KeyCode::Up | KeyCode::Char('k') => view.chosen = view.chosen.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => {
            view.chosen = (view.chosen + 1).min(view.failures.len().saturating_sub(1));
        }
        KeyCode::Enter => view.open(context).await,
        KeyCode::Char('r') => view.asked = chosen.map(Question::Retry),
        KeyCode::Char('d') => view.asked = chosen.map(Question::Discard),
        KeyCode::Char('p') if view.pauses().is_empty() => view.asked = Some(Question::Pause),
        KeyCode::Char('p') => {
            let told = each_shard(context, |queue| transition::resume(queue, &[])).await;
            view.told = told.unwrap_or_else(|| "The queue is resumed.".to_owned());
            view.refresh(context).await;
        }
        _ => {}
    }
    Done::GoOn
}

async fn answer(view: &mut View, context: &Context, question: Question) {
    view.told = match question {
        Question::Pause => {
            let told = each_shard(context, |queue| transition::pause(queue, &[])).await;
            told.unwrap_or_else(|| "The queue is paused.".to_owned())
        }
        Question::Retry(id) => change(context, id, transition::retry, "retried").await,
        Question::Discard(id) => change(context, id, transition::discard, "discarded").await,
    };
    view.opened = None;
    view.refresh(context).await;
}

/// The error, if there is one.
async fn each_shard<T>(context: &Context, call: impl Fn(&Queue) -> Call<T>) -> Option<String> {
    for shard in context.shards.all() {
        if let Err(error) = context.run(&call(&context.shards.queue(shard))).await {
            return Some(advice::explained(&error.into()));
        }
    }
    None
}

async fn change(context: &Context, id: EmailId, call: fn(&Queue, EmailId) -> Call<Changed>, done: &str) -> String {
    match context.find(id, |queue| call(queue, id), |changed| *changed != Changed::Unknown).await {
        Ok(Changed::Done) => format!("{id} is {done}."),
        Ok(Changed::Unknown) => format!("{id} is gone."),
        Ok(Changed::Refused(state)) => format!("{id} is {state} by now; nothing was changed."),
        Err(error) => advice::explained(&error.into()),
    }
}
