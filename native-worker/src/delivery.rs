//! One email: from its JSON to what Redis is told.

use std::time::Instant;

use email_queue::{
    EmailId, Submission,
    email::Mailbox,
    transition::{ClaimRef, Claimed, Outcome},
};
use jiff::Timestamp;

use crate::{
    Config,
    transport::{Commitment, Delivery, Outgoing, Verdict},
    worker::Shared,
};

/// No more of an error is kept: a server can say what it likes, at any length.
const MAX_ERROR: usize = 500;

/// What became of an email.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Concluded {
    pub(crate) outcome: Outcome,
    /// Everybody who has it by now; empty when nothing is to be recorded.
    pub(crate) accepted: Vec<String>,
}

/// Delivers an email to whoever has it not yet.
///
/// When the future is dropped, `commitment` tells whether anything may have been sent.
pub(crate) async fn deliver(shared: &Shared, claimed: Claimed, commitment: &Commitment) -> Concluded {
    let began = Instant::now();
    let (id, attempt) = (claimed.claim.id, claimed.attempts.saturating_add(1));
    let concluded = attempt_delivery(shared, claimed, attempt, commitment).await;
    tell(id, attempt, began, &concluded);
    concluded
}

/// What is made of a delivery that panicked: a fault of ours, which may well happen again, but the email is not lost.
pub(crate) fn panicked(config: &Config, claim: ClaimRef, attempts: u32) -> Concluded {
    let attempt = attempts.saturating_add(1);
    tracing::error!(id = %claim.id, attempt, "a delivery panicked");
    Concluded { outcome: postponed(config, attempt, "internal error".to_owned()), accepted: Vec::new() }
}

async fn attempt_delivery(shared: &Shared, claimed: Claimed, attempt: u32, commitment: &Commitment) -> Concluded {
    let Claimed { claim: ClaimRef { id, number }, attempts, created, accepted, json } = claimed;
    let nothing_new = |outcome| Concluded { outcome, accepted: Vec::new() };
    // At its first claim it may be what another program has pushed, at which nobody has looked.
    let read = if number == 1 { Submission::from_program } else { Submission::from_list };
    let submission = match read(&json, Some(&shared.config.default_from), created) {
        Ok(submission) => submission,
        Err(invalid) => return nothing_new(Outcome::Failed { error: printable(&invalid.to_string()) }),
    };
    drop(json);
    // From another program: what the API accepts is listed only when its time has come.
    if let Some(due) = submission.scheduled_at
        && attempts == 0
        && due > Timestamp::now()
    {
        return nothing_new(Outcome::Scheduled { due });
    }
    let email = &submission.email;
    let mut recipients = email.recipients();
    recipients.retain(|recipient| !accepted.iter().any(|served| served == address(recipient)));
    tracing::debug!(%id, attempt, recipients = ?recipients.iter().copied().map(address).collect::<Vec<_>>(), "delivering");
    let delivery = match recipients.as_slice() {
        [] => Delivery { verdicts: Vec::new(), fault: None },
        recipients => shared.transport.deliver(&Outgoing { id, email, recipients, commitment }).await,
    };
    conclude(&shared.config, attempt, accepted, &recipients, &delivery)
}

/// Makes one outcome of what happened to each recipient.
///
/// - All have it: sent.
/// - Some may have it later: tried again, for everybody who has it not; whoever was refused for good is refused again,
///   which does no harm. Unless that was the last attempt.
/// - The others were refused for good: a dead letter, even when most have it. A person must see that somebody was never
///   served. Who has it is recorded, so that a retry by hand goes only to the others.
fn conclude(
    config: &Config,
    attempt: u32,
    mut accepted: Vec<String>,
    recipients: &[&Mailbox],
    delivery: &Delivery<'_>,
) -> Concluded {
    // Those who had it before as well: a reason without names is one for all of them.
    let everybody = accepted.len() + recipients.len();
    let mut delayed = Vec::new();
    let mut refused = Vec::new();
    for recipient in recipients {
        let verdict = delivery.verdicts.iter().find(|(decided, _)| decided == recipient).map(|(_, verdict)| verdict);
        let address = address(recipient).to_owned();
        match (verdict, &delivery.fault) {
            (Some(Verdict::Accepted), _) => accepted.push(address),
            (Some(Verdict::Deferred(failure)), _) => delayed.push((address, failure.reason.clone())),
            (Some(Verdict::Failed(failure)), _) => refused.push((address, failure.reason.clone())),
            (None, Some(fault)) => delayed.push((address, fault.failure.reason.clone())),
            (None, None) => delayed.push((address, "not decided upon".to_owned())),
        }
    }
    let outcome = match (delayed.as_slice(), refused.as_slice()) {
        ([], []) => return Concluded { outcome: Outcome::Sent, accepted: Vec::new() },
        ([], refused) => Outcome::Failed { error: explain("refused", refused, everybody) },
        (delayed, _) => postponed(config, attempt, explain("not accepted for now", delayed, everybody)),
    };
    Concluded { outcome, accepted }
}

fn postponed(config: &Config, attempt: u32, error: String) -> Outcome {
    if attempt < config.max_attempts {
        Outcome::Delayed { retry_in: config.retry.delay(attempt), error }
    } else {
        Outcome::Failed { error: printable(&format!("given up after {attempt} attempts; the last one: {error}")) }
    }
}

/// What happened to whom. Addresses only where recipients fared differently: else the reason says it all.
fn explain(what: &str, failed: &[(String, String)], recipients: usize) -> String {
    let Some((address, reason)) = failed.first() else { return what.to_owned() };
    printable(&match failed.len() {
        count if count == recipients => reason.clone(),
        1 => format!("{what} for 1 of {recipients} recipients: {address}: {reason}"),
        count => format!("{what} for {count} of {recipients} recipients, the first: {address}: {reason}"),
    })
}

/// One line for the log: what became of the email, and how long it took.
fn tell(id: EmailId, attempt: u32, began: Instant, concluded: &Concluded) {
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &concluded.outcome {
        Outcome::Sent => tracing::info!(%id, outcome = "sent", attempt, duration_ms, "email sent"),
        Outcome::Scheduled { due } => {
            tracing::info!(%id, outcome = "scheduled", attempt, duration_ms, %due, "email for later");
        }
        Outcome::Delayed { retry_in, error } => {
            let (retry_in_s, error) = (retry_in.as_secs(), without_addresses(error));
            tracing::warn!(%id, outcome = "delayed", attempt, duration_ms, retry_in_s, error, "email delayed");
        }
        Outcome::Failed { error } => {
            let error = without_addresses(error);
            tracing::warn!(%id, outcome = "failed", attempt, duration_ms, error, "email failed");
        }
    }
}

/// Recipients are for the debug level only, but servers like to repeat them in their answers.
fn without_addresses(text: &str) -> String {
    let hidden = |word| if str::contains(word, '@') { "<address>" } else { word };
    text.split(' ').map(hidden).collect::<Vec<_>>().join(" ")
}

/// A text that may come from anywhere, as one line of bounded length.
fn printable(text: &str) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let mut printable: String = text.chars().take(MAX_ERROR).map(line).collect();
    if text.chars().nth(MAX_ERROR).is_some() {
        printable.push('…');
    }
    printable
}

fn address(recipient: &Mailbox) -> &str {
    recipient.address().as_ref()
}

#[cfg(test)]
mod tests {
    use email_queue::Class;

    use super::*;
    use crate::transport::{Failure, Fault};

    const RECIPIENTS: [&str; 3] = ["a@x.example", "b@x.example", "c@x.example"];

    /// What is made of a delivery to some of three recipients, in the order of the verdicts.
    fn conclusion(attempt: u32, earlier: &[&str], verdicts: [Verdict; 3]) -> Concluded {
        let recipients: Vec<Mailbox> = RECIPIENTS.map(|address| address.parse().unwrap()).into();
        let earlier = earlier.iter().map(|address| (*address).to_owned()).collect();
        let config = Config::with_defaults().unwrap();
        let delivery = Delivery { verdicts: recipients.iter().zip(verdicts).collect(), fault: None };
        conclude(&config, attempt, earlier, &recipients.iter().collect::<Vec<_>>(), &delivery)
    }

    fn delayed() -> Verdict {
        Verdict::Deferred(Failure::new(Class::Deferred, "450 busy"))
    }

    fn refused() -> Verdict {
        Verdict::Failed(Failure::new(Class::Recipient, "550 no such user"))
    }

    #[test]
    fn an_email_that_all_accepted_is_sent() {
        let verdicts = [Verdict::Accepted, Verdict::Accepted, Verdict::Accepted];
        assert_eq!(conclusion(1, &[], verdicts).outcome, Outcome::Sent);
    }

    #[test]
    fn one_recipient_pending_delays_it_and_keeps_who_has_it() {
        let concluded = conclusion(1, &["z@x.example"], [Verdict::Accepted, delayed(), refused()]);
        let Outcome::Delayed { error, .. } = concluded.outcome else { panic!("{concluded:?}") };
        assert_eq!(error, "not accepted for now for 1 of 4 recipients: b@x.example: 450 busy");
        assert_eq!(concluded.accepted, ["z@x.example", "a@x.example"]);
    }

    #[test]
    fn who_was_not_decided_upon_waits_for_what_is_at_fault() {
        let recipient: Mailbox = "b@x.example".parse().unwrap();
        let config = Config::with_defaults().unwrap();
        let delivery = Fault::of_relay(Class::Authentication, "530 log in first").into();
        let concluded = conclude(&config, 1, Vec::new(), &[&recipient], &delivery);
        let Outcome::Delayed { error, .. } = concluded.outcome else { panic!("{concluded:?}") };
        assert_eq!(error, "530 log in first");
    }

    #[test]
    fn whoever_is_left_of_several_is_named_even_when_nobody_else_is_left() {
        let recipient: Mailbox = "b@x.example".parse().unwrap();
        let config = Config::with_defaults().unwrap();
        let concluded = conclude(
            &config,
            10,
            vec!["a@x.example".to_owned()],
            &[&recipient],
            &Delivery::all(&[&recipient], &delayed()),
        );
        let Outcome::Failed { error } = concluded.outcome else { panic!("{concluded:?}") };
        assert!(error.contains("1 of 2 recipients: b@x.example: 450 busy"), "{error}");
    }

    #[test]
    fn one_recipient_refused_and_none_pending_makes_it_a_dead_letter_that_says_who_has_it() {
        let concluded = conclusion(1, &[], [Verdict::Accepted, Verdict::Accepted, refused()]);
        let error = "refused for 1 of 3 recipients: c@x.example: 550 no such user".to_owned();
        assert_eq!(concluded.outcome, Outcome::Failed { error });
        assert_eq!(concluded.accepted, ["a@x.example", "b@x.example"]);
    }

    #[test]
    fn the_last_attempt_ends_in_a_dead_letter_with_the_last_reason() {
        let Outcome::Delayed { .. } = conclusion(9, &[], [delayed(), delayed(), delayed()]).outcome else { panic!() };
        let error = "given up after 10 attempts; the last one: 450 busy".to_owned();
        assert_eq!(conclusion(10, &[], [delayed(), delayed(), delayed()]).outcome, Outcome::Failed { error });
    }

    #[test]
    fn a_delivery_that_panics_is_tried_again_and_not_for_ever() {
        let config = Config::with_defaults().unwrap();
        let claim = ClaimRef { id: EmailId::new(), number: 1 };
        assert!(matches!(panicked(&config, claim, 0).outcome, Outcome::Delayed { .. }));
        assert!(matches!(panicked(&config, claim, 9).outcome, Outcome::Failed { .. }));
    }

    #[test]
    fn an_answer_of_the_server_becomes_one_line_of_bounded_length_without_addresses_in_the_log() {
        let long = printable(&format!("550\r\n{}", "x".repeat(10_000)));
        assert!(long.chars().count() <= MAX_ERROR + 1 && !long.contains('\n'));
        assert_eq!(without_addresses("550 <bob@x.example>: unknown"), "550 <address> unknown");
    }
}
