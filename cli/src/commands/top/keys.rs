//! What keys do.

use email_queue::{
    EmailId, Lane, Queue,
    call::Call,
    query,
    transition::{self, Changed},
};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    question::{Asked, Question},
    told::Told,
    view::View,
};
use crate::{
    context::Context,
    redis_client::Unanswered,
    state::{in_all_shards, named},
};

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
            _ => view.told = Some(Told::of("Nothing was changed.")),
        }
        return Done::GoOn;
    }
    match code {
        KeyCode::Esc | KeyCode::Char('q') if view.opened.is_some() => view.opened = None,
        KeyCode::Esc | KeyCode::Char('q') => return Done::Quit,
        KeyCode::Up | KeyCode::Char('k') => view.choose(view.row().saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => view.choose(view.row() + 1),
        KeyCode::Enter => view.open(context).await,
        KeyCode::Char('r') => view.asked = asked(view, context).await.map(Question::Retry),
        KeyCode::Char('d') => view.asked = asked(view, context).await.map(Question::Discard),
        KeyCode::Char('p') => match view.not_paused() {
            lanes if lanes.is_empty() => {
                view.told = Some(Told::while_paused("The whole queue is paused already; u resumes it.", &Lane::ALL));
            }
            lanes => view.asked = Some(Question::Pause(lanes)),
        },
        KeyCode::Char('u') => match view.paused() {
            lanes if lanes.is_empty() => view.told = Some(Told::while_paused("Nothing is paused.", &[])),
            lanes => view.asked = Some(Question::Resume(lanes)),
        },
        _ => {}
    }
    Done::GoOn
}

/// The email that is opened, or else the one that is chosen.
async fn asked(view: &View, context: &Context) -> Option<Asked> {
    let (id, record) = match (&view.opened, view.failures.get(view.row())) {
        (Some(opened), _) => (opened.id, &opened.record),
        (None, Some(chosen)) => (chosen.id, &chosen.record),
        (None, None) => return None,
    };
    // Without it the last failure has to tell.
    let timeline = context.find(id, |queue| query::timeline(queue, id), Option::is_some).await.ok().flatten();
    Some(Asked::new(id, record, &timeline.unwrap_or_default()))
}

async fn answer(view: &mut View, context: &Context, question: Question) {
    view.told = Some(match question {
        Question::Pause(lanes) => pause(context, &lanes).await.unwrap_or_else(|error| failed("The pause", error)),
        Question::Resume(lanes) => {
            resume(context, &lanes).await.unwrap_or_else(|error| failed("The end of the pause", error))
        }
        Question::Retry(email) => change(context, email.id, transition::retry, "retried").await,
        Question::Discard(email) => change(context, email.id, transition::discard, "discarded").await,
    });
    view.opened = None;
    view.refresh(context).await;
}

async fn pause(context: &Context, lanes: &[Lane]) -> Result<Told, Unanswered> {
    let paused = in_all_shards(context, |queue| transition::pause(queue, lanes)).await?.paused;
    Ok(Told::while_paused(format!("Paused: {}.", named(&paused)), &paused))
}

async fn resume(context: &Context, lanes: &[Lane]) -> Result<Told, Unanswered> {
    let before = in_all_shards(context, query::paused).await?.paused;
    let paused = in_all_shards(context, |queue| transition::resume(queue, lanes)).await?.paused;
    let resumed: Vec<_> = lanes.iter().copied().filter(|lane| before.contains(lane)).collect();
    let done = match &*resumed {
        [] => format!("Resumed already: {}.", named(lanes)),
        resumed => format!("Resumed: {}.", named(resumed)),
    };
    let still = if paused.is_empty() { String::new() } else { format!(" Paused: {}.", named(&paused)) };
    Ok(Told::while_paused(done + &still, &paused))
}

async fn change(context: &Context, id: EmailId, call: fn(&Queue, EmailId) -> Call<Changed>, done: &str) -> Told {
    match context.find(id, |queue| call(queue, id), |changed| *changed != Changed::Unknown).await {
        Ok(Changed::Done) => Told::of(format!("{id} was {done}.")),
        Ok(Changed::Unknown) => Told::of(format!("{id} is gone.")),
        Ok(Changed::Refused(state)) => Told::of(format!("{id} was {state} by then; nothing was changed.")),
        Err(error) => failed(&format!("{id} was to be {done}"), error),
    }
}

fn failed(what: &str, error: Unanswered) -> Told {
    let is_open = error.is_unreachable();
    let mut told = Told::failed(what, error);
    if is_open {
        told.text += " It may be done or not: look, and repeat it.";
    }
    told
}
