//! From what Redis knows to the reason, its sentence and the estimate. Pure: the same facts give the same answer.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    facts::Facts,
    obstacles::{held_sender, obstacles, with_others},
    rate::rate,
    reason::{Action, Reason, Why},
    words::{about, failure, rounded, text_of, time},
};
use crate::{Class, Lane, State, query::held::HeldOff};

/// Finds what an email waits for.
pub(super) fn decide(facts: &Facts) -> Why {
    match facts.header.state {
        State::Queued => queued(facts),
        State::Sending => in_flight(facts),
        State::Scheduled | State::Delayed if facts.header.when > facts.now => for_later(facts),
        // Maintenance, which live workers do, queues it within a second.
        State::Scheduled | State::Delayed => waits(facts, None),
        State::Sent | State::Failed | State::Canceled => ended(facts),
    }
}

fn queued(facts: &Facts) -> Why {
    let urgent: u64 = more_urgent(facts).iter().map(|lane| facts.waiting[*lane as usize]).sum();
    waits(facts, Some(facts.before + urgent + 1))
}

/// An email that could be sent now.
fn waits(facts: &Facts, place: Option<u64>) -> Why {
    let paused_since = facts.paused[facts.header.lane as usize];
    let why = match (paused_since, &facts.held_relay, held_sender(facts)) {
        (Some(since), ..) => paused(facts, since),
        _ if facts.workers == 0 => no_worker(facts),
        (_, Some(relay), _) => estimated(facts, held_off(facts, relay), relay.until, place),
        (.., Some(held)) => {
            let why = new(facts, Reason::SenderHeldOff, sender_sentence(&held.error, held.until));
            estimated(facts, Why { class: held.class, until: time(held.until), ..why }, held.until, place)
        }
        _ => waiting(facts, place),
    };
    and_others(facts, Why { place, ..why })
}

/// With all that stops it besides.
fn and_others(facts: &Facts, why: Why) -> Why {
    let also: Vec<_> = obstacles(facts).filter(|reason| *reason != why.reason).collect();
    let action = match why.action {
        // It would wait for those.
        Some(Action::Retry) if also.contains(&Reason::Paused) => Some(Action::Resume),
        Some(Action::Retry) if also.contains(&Reason::NoWorker) => None,
        action => action,
    };
    Why { sentence: with_others(facts, &why.sentence, &also), also, action, ..why }
}

fn paused(facts: &Facts, since: i64) -> Why {
    let sentence = format!(
        "Its lane, {}, has been paused since {}: no email of it is sent until it is resumed.",
        facts.header.lane,
        text_of(since)
    );
    Why { since: time(since), action: Some(Action::Resume), ..new(facts, Reason::Paused, sentence) }
}

/// The lanes that are served before that of the email.
fn more_urgent(facts: &Facts) -> Vec<Lane> {
    let is_before =
        |lane: &Lane| (*lane as usize) < facts.header.lane as usize && facts.paused[*lane as usize].is_none();
    Lane::ALL.into_iter().filter(is_before).collect()
}

fn waiting(facts: &Facts, place: Option<u64>) -> Why {
    let lane = facts.header.lane;
    let why = estimated(facts, new(facts, Reason::WaitingInLane, String::new()), facts.now, place);
    let before = match place {
        None => format!("Its time has come, and it goes behind what waits in the lane {lane}"),
        Some(0 | 1) => format!("It is the next to be sent of the lane {lane}"),
        Some(2) => format!("It waits in the lane {lane}, and one email is before it"),
        Some(place) => format!("It waits in the lane {lane}, and {} emails are before it", place - 1),
    };
    let when = match (why.estimated_in, rate(&facts.samples)) {
        (Some(time), Some(rate)) => {
            format!("; at {} emails a second that takes about {}.", rounded(rate.per_second()), about(time))
        }
        (None, Some(_)) => "; more urgent emails arrive as fast as emails are sent.".to_owned(),
        (_, None) => {
            "; how long that takes is not known, because nothing has been sent within the last hour.".to_owned()
        }
    };
    // Nobody knows which of them are emails, nor where they are.
    let others: u64 = more_urgent(facts).iter().chain([&lane]).map(|lane| facts.other_entries[*lane as usize]).sum();
    let others = match others {
        0 => String::new(),
        1 => " Another entry on the list is not counted, as other programs push them: it may be before it.".to_owned(),
        many => format!(
            " {many} other entries on the lists are not counted, as other programs push them: some may be before it."
        ),
    };
    let is_next = place.is_some_and(|place| place <= 1);
    let action = Some(Action::MoveToHigh).filter(|_| lane != Lane::High && !is_next);
    Why { sentence: format!("{before}{when}{others}"), action, ..why }
}

fn no_worker(facts: &Facts) -> Why {
    let sentence = match facts.unserved {
        Some(shard) => format!(
            "No worker serves its shard, {shard}, though workers run for others: start them with as many --shards as the API has. They send \
             what waits by themselves."
        ),
        None => "No worker runs, so nothing is sent: start one, or look into the log of the one that has ended. It sends what waits by \
                 itself."
            .to_owned(),
    };
    new(facts, Reason::NoWorker, sentence)
}

fn held_off(facts: &Facts, relay: &HeldOff) -> Why {
    let since = relay.since.map(|since| format!(" since {}", text_of(since))).unwrap_or_default();
    let next = if relay.until > facts.now { format!("at {}", text_of(relay.until)) } else { "now".to_owned() };
    let sentence = format!(
        "The relay {} fails{since} ({}): all emails wait for it and use up no attempt. It is tried again {next}, with one email. \
         Mend what it says, or start the worker with another relay.",
        relay.name,
        failure(relay.class, &relay.error)
    );
    Why {
        until: time(relay.until),
        since: relay.since.and_then(time),
        relay: Some(relay.name.clone()),
        class: relay.class,
        ..new(facts, Reason::RelayHeldOff, sentence)
    }
}

fn sender_sentence(error: &str, until: i64) -> String {
    format!(
        "The relay refuses emails of its sender ({error}); they are tried again at {}. Have the relay permit the sender, or send from another one.",
        text_of(until)
    )
}

/// An email that is not due yet.
fn for_later(facts: &Facts) -> Why {
    let due = facts.header.when;
    let error = facts.error.as_deref().unwrap_or_default();
    let failure = failure(facts.class, error);
    let why = match (facts.class, &facts.held_relay) {
        _ if facts.header.state == State::Scheduled => {
            let why = new(facts, Reason::Scheduled, format!("It is for {}.", text_of(due)));
            Why { until: time(due), action: Some(Action::Reschedule), ..why }
        }
        (Some(Class::Sender), _) => {
            Why { until: time(due), ..new(facts, Reason::SenderHeldOff, sender_sentence(error, due)) }
        }
        (Some(class), Some(relay)) if class.is_of_relay() => held_off(facts, relay),
        (Some(Class::Throttled), _) => {
            let sentence =
                format!("The relay takes no more for now ({failure}); it is tried again at {}.", text_of(due));
            Why { until: time(due), ..new(facts, Reason::RateLimited, sentence) }
        }
        _ => {
            let attempt = match facts.header.attempts {
                0 => "Its delivery".to_owned(),
                attempts => format!("Attempt {attempts}"),
            };
            let sentence = format!("{attempt} failed ({failure}); it is tried again at {}.", text_of(due));
            Why { until: time(due), action: Some(Action::Retry), ..new(facts, Reason::BackOff, sentence) }
        }
    };
    let class = why.class.or(facts.class.filter(|_| facts.header.state == State::Delayed));
    let why = and_others(facts, Why { due: time(due), class, ..why });
    // Nobody knows for how long.
    let is_stopped = why.also.iter().any(|reason| matches!(reason, Reason::Paused | Reason::NoWorker));
    if is_stopped { why } else { estimated(facts, why, due, None) }
}

fn in_flight(facts: &Facts) -> Why {
    let since = facts.header.when;
    let of_worker = match &facts.holder {
        Some((worker, lease_ends)) if *lease_ends < facts.now => format!(
            "The worker {worker} took it at {}, and has not said since {} that it lives: the email is taken back from it, by another worker.",
            text_of(since),
            text_of(*lease_ends)
        ),
        Some((worker, _)) => format!("The worker {worker} has been sending it since {}.", text_of(since)),
        None => format!("A worker has been sending it since {}.", text_of(since)),
    };
    let sentence = match &facts.error {
        Some(error) => format!("{of_worker} What is known: {error}."),
        None => of_worker,
    };
    let worker = facts.holder.as_ref().map(|(worker, _)| worker.clone());
    let why = Why { since: time(since), worker, ..new(facts, Reason::InFlight, sentence) };
    // What would stop it besides matters once it is taken back: then nobody is there to do that.
    if facts.workers > 0 {
        return why;
    }
    let also = vec![Reason::NoWorker];
    Why { sentence: with_others(facts, &why.sentence, &also), also, ..why }
}

fn ended(facts: &Facts) -> Why {
    let since = text_of(facts.header.when);
    let (reason, sentence) = match facts.header.state {
        State::Sent => (Reason::Sent, format!("It was handed to the relay at {since}.")),
        State::Failed => {
            let failure = failure(facts.class, facts.error.as_deref().unwrap_or_default());
            let way_out = match facts.class {
                Some(Class::Unreadable) => {
                    " No worker can read it, now or later: hand in a corrected one, and discard it."
                }
                _ => "",
            };
            (Reason::Failed, format!("It failed at {since} ({failure}).{way_out}"))
        }
        _ if facts.was_discarded => (
            Reason::Discarded,
            format!("It was discarded at {since}: nothing more of it is sent, and the next maintenance deletes it."),
        ),
        _ => (Reason::Canceled, format!("It was canceled at {since}: nothing more of it is sent.")),
    };
    let class = facts.class.filter(|_| reason == Reason::Failed);
    let action = Some(Action::RetryOrDiscard).filter(|_| reason == Reason::Failed && class != Some(Class::Unreadable));
    Why { since: time(facts.header.when), class, action, ..new(facts, reason, sentence) }
}

fn new(facts: &Facts, reason: Reason, sentence: String) -> Why {
    Why {
        state: facts.header.state,
        lane: facts.header.lane,
        reason,
        sentence,
        action: None,
        also: Vec::new(),
        place: None,
        due: None,
        until: None,
        relay: None,
        class: None,
        worker: None,
        since: None,
        estimated: None,
        estimated_in: None,
    }
}

/// Adds when an email is sent that nothing but its place keeps from it as of then. Without a place it is behind all that wait.
fn estimated(facts: &Facts, why: Why, from: i64, place: Option<u64>) -> Why {
    let urgent = more_urgent(facts);
    let lanes = urgent.iter().chain([&facts.header.lane]);
    let place = place.unwrap_or_else(|| lanes.map(|lane| facts.waiting[*lane as usize]).sum::<u64>() + 1);
    let Some(time) = rate(&facts.samples).and_then(|rate| rate.time_for(place, &urgent, facts.in_flight)) else {
        return why;
    };
    let pause = Duration::from_millis(u64::try_from(from - facts.now).unwrap_or(0));
    // What is to be sent later finds the others gone.
    let estimated_in =
        if why.place.is_none() && from > facts.now && why.due.is_some() { pause.max(time) } else { pause + time };
    let now = Timestamp::from_millisecond(facts.now).ok();
    let estimated = now.and_then(|now| now.checked_add(SignedDuration::try_from(estimated_in).ok()?).ok());
    Why { estimated, estimated_in: estimated.map(|_| estimated_in), ..why }
}
