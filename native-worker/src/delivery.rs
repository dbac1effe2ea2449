//! One email: from its JSON to the result of an attempt.

use std::time::{Duration, Instant};

use email_queue::{
    Class, EmailId, Relay, Submission,
    email::{self, Json},
    transition::{self, ClaimRef, Claimed, Outcome},
};

use jiff::Timestamp;
use tracing::Instrument;

use crate::{
    Config,
    completion::{AttemptResult, Delivered},
    hold_off::{Consequence, is_silence},
    outcome::{MAX_ERROR, Tried, address, printable, without_addresses},
    served_shard::ServedShard,
    traces::{self, Receipt},
    transport::{Delivery, Failure, Handoff, Outgoing, Scope},
};

/// Delivers an email to the recipients who do not have it yet. The worker has had it since `began`.
///
/// When the future is dropped, something may have been sent if `handoff` has begun.
pub(crate) async fn deliver(
    shard: &ServedShard,
    claimed: Claimed,
    began: Instant,
    receipt: Receipt,
    handoff: &Handoff,
) -> Delivered {
    let (shared, mut since) = (&shard.shared, claimed.created);
    let (id, attempt) = (claimed.claim.id, claimed.attempts.saturating_add(1));
    let span = traces::attempt(&shard.client, &claimed, attempt, receipt);
    let result = match shared.hold_off.gate.admits(id) {
        Ok(()) => {
            // Without traces nothing is put around the future: it would be copied for each email.
            let result = if span.is_disabled() {
                attempt_delivery(shard, claimed, began, handoff, &mut since).await
            } else {
                Box::pin(attempt_delivery(shard, claimed, began, handoff, &mut since).instrument(span.clone())).await
            };
            // If it was the probe and was not handed over, another one is.
            shared.hold_off.gate.not_tried(id);
            result
        }
        Err(Failure { class, reason: error }) => AttemptResult {
            // Unchanged: a requeue does not reset the count of consecutive time-outs.
            progress: claimed.progress,
            outcome: Outcome::Returned { class, error },
        },
    };
    let took = began.elapsed();
    traces::ended(&span, &result.outcome);
    shared.metrics.attempted(&result.outcome, attempt, took);
    log(id, attempt, took, shared.hold_off.relay(), &result);
    Delivered { result, since, took }
}

/// The result of a delivery that panicked. It may well panic again, but the email is kept, and no attempt is counted.
pub(crate) fn panicked(config: &Config, ClaimRef { id, number }: ClaimRef) -> AttemptResult {
    tracing::error!(%id, "a delivery panicked");
    // The number of claims grows with each such panic, and with it the back-off.
    let retry_in = config.retry.delay(u32::try_from(number).unwrap_or(u32::MAX));
    AttemptResult::without_progress(Outcome::Postponed {
        retry_in,
        class: Class::Internal,
        error: "internal error".to_owned(),
    })
}

/// The result for an email whose record cannot be read: nothing was sent.
pub(crate) fn unreadable(ClaimRef { id, .. }: ClaimRef) -> AttemptResult {
    tracing::error!(%id, "the record of this email cannot be read; it is a dead letter");
    let error = "its record in Redis cannot be read".to_owned();
    AttemptResult::without_progress(Outcome::Failed { class: Class::Unreadable, error })
}

/// `since` becomes the time from which on the email could have been sent.
///
/// Futures that are rarely awaited are boxed: there is a task for each email, whose size is that of the largest future that
/// it may await.
async fn attempt_delivery(
    shard: &ServedShard,
    claimed: Claimed,
    began: Instant,
    handoff: &Handoff,
    since: &mut Timestamp,
) -> AttemptResult {
    let shared = &shard.shared;
    let Claimed { claim, attempts, created, progress, json, .. } = claimed;
    let ClaimRef { id, number } = claim;
    // At its first claim it may come from another program, unchecked.
    let default_from = Some(&shared.config.default_from);
    let read = match number {
        1 => Submission::from_program(Json::to_send(&json), default_from, created),
        _ => Submission::from_list(Json::to_send(&json), default_from, created),
    };
    let submission = match read {
        Ok(submission) => submission,
        Err(invalid) => {
            let error = printable(&invalid.to_string(), MAX_ERROR);
            return AttemptResult::without_progress(Outcome::Failed { class: Class::Unreadable, error });
        }
    };
    if number == 1 && !submission.unknown_fields.is_empty() {
        tracing::warn!(%id, fields = ?submission.unknown_fields, "an entry has unknown fields, which are ignored");
    }
    if !submission.names_sender {
        Box::pin(set_sender(shard, claim, &json)).await;
    }
    let known_due = email::due_of(&json);
    *since = known_due.or(submission.scheduled_at).map_or(created, |due| due.max(created));
    drop(json);
    // From another program: an email of the API, or that was rescheduled, is queued only when it is due.
    if let Some(due) = submission.scheduled_at
        && known_due.is_none()
        && attempts == 0
        && due > shard.clock.now()
    {
        return AttemptResult::without_progress(Outcome::Scheduled { due });
    }
    let email = &submission.email;
    let sender = || address(&email.from).to_lowercase();
    let held_off = match shared.hold_off.senders.any_held_off() {
        true => Box::pin(shared.hold_off.senders.access(&shared.first, &sender())).await,
        false => None,
    };
    if let Some(held_off) = &held_off
        && held_off.wait > Duration::ZERO
    {
        let (retry_in, class, error) = (held_off.wait, held_off.class, held_off.error.clone());
        return AttemptResult { outcome: Outcome::Postponed { retry_in, class, error }, progress };
    }
    let mut recipients = email.recipients();
    recipients.retain(|recipient| {
        let address = address(recipient);
        !progress.accepted.iter().any(|served| served == address) && !progress.refused.contains_key(address)
    });
    tracing::debug!(%id, attempts, recipients = ?recipients.iter().copied().map(address).collect::<Vec<_>>(), "delivering");
    if recipients.is_empty() {
        let nobody = Delivery { verdicts: Vec::new(), fault: None };
        return result(shard, Tried::new(attempts, progress, &recipients, nobody));
    }
    let delivery = shared.transport.deliver(&Outgoing { id, email, recipients: &recipients, handoff }).await;
    let fault = delivery.fault.clone();
    let tried = Tried::new(attempts, progress, &recipients, delivery);
    let silence = tried.pending.iter().map(|(_, failure)| failure).find(|failure| is_silence(failure.class)).cloned();
    match fault {
        Some(fault) if !tried.is_over() => match fault.scope {
            Scope::Sender => {
                shared.hold_off.passed(&shared.first, id).await;
                let retry_in = Box::pin(shared.hold_off.senders.failed(&shared.first, &sender(), &fault.failure)).await;
                wait(tried, retry_in)
            }
            // The relay has accepted others meanwhile: the time-out is the email's.
            Scope::Relay if fault.failure.class == Class::Timeout && shared.hold_off.passed_since(began) => {
                result(shard, tried)
            }
            Scope::Relay => {
                match Box::pin(shared.hold_off.failed(&shared.first, (shard.shard, id), began, &fault.failure)).await {
                    Consequence::Waits(wait) if fault.failure.class == Class::Timeout => {
                        no_sooner(result(shard, tried), wait)
                    }
                    Consequence::Waits(retry_in) => wait(tried, retry_in),
                    Consequence::Returns => {
                        let Failure { class, reason: error } = tried.failure();
                        AttemptResult { outcome: Outcome::Returned { class, error }, progress: tried.progress }
                    }
                    Consequence::Own => result(shard, tried.own()),
                }
            }
        },
        _ => {
            match silence {
                // A probe without an answer has not shown that the relay works.
                Some(failure) if shared.hold_off.gate.is_probe(id) => {
                    Box::pin(shared.hold_off.failed(&shared.first, (shard.shard, id), began, &failure)).await;
                }
                Some(_) => {}
                None => shared.hold_off.passed(&shared.first, id).await,
            }
            if held_off.is_some() && tried.advanced {
                Box::pin(shared.hold_off.senders.passed(&shared.first, &sender())).await;
            }
            result(shard, tried)
        }
    }
}

/// Writes the default sender into the record of an email without one, so that each attempt has the same, whichever worker
/// makes it. If that fails, the email is sent all the same.
async fn set_sender(shard: &ServedShard, claim: ClaimRef, json: &[u8]) {
    let Some(named) = email::with_sender(json, &shard.shared.config.default_from) else { return };
    let client = &shard.client;
    if let Err(error) = transition::set_sender(&client.queue, claim, named).run(&client.redis).await {
        tracing::debug!(id = %claim.id, %error, "the default sender cannot be written into the record");
    }
}

fn result(shard: &ServedShard, tried: Tried) -> AttemptResult {
    let (outcome, progress) = tried.into_outcome(&shard.shared.config);
    AttemptResult { outcome, progress }
}

/// Delays a retry to this time at the earliest.
fn no_sooner(mut result: AttemptResult, wait: Duration) -> AttemptResult {
    if let Outcome::Delayed { retry_in, .. } | Outcome::Postponed { retry_in, .. } = &mut result.outcome {
        *retry_in = wait.max(*retry_in);
    }
    result
}

/// The email is retried later, which counts as no attempt.
fn wait(tried: Tried, retry_in: Duration) -> AttemptResult {
    let Failure { class, reason: error } = tried.failure();
    AttemptResult { outcome: Outcome::Postponed { retry_in, class, error }, progress: tried.progress }
}

/// Logs one line: the outcome, and how long it took. Why a relay or a sender is held off is logged once, and not for each
/// email that waits.
fn log(id: EmailId, attempt: u32, took: Duration, relay: &Relay, result: &AttemptResult) {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match &result.outcome {
        Outcome::Sent => tracing::info!(%id, outcome = "sent", attempt, duration_ms, %relay, "email sent"),
        Outcome::Scheduled { due } => {
            tracing::info!(%id, outcome = "scheduled", attempt, duration_ms, %due, "email for later");
        }
        Outcome::Delayed { retry_in, class, error } => {
            let (retry_in_s, error) = (retry_in.as_secs(), without_addresses(error));
            tracing::warn!(%id, outcome = "delayed", attempt, duration_ms, retry_in_s, %class, %relay, error, "email delayed");
        }
        Outcome::Postponed { retry_in, class, error } => {
            let (retry_in_s, error) = (retry_in.as_secs(), without_addresses(error));
            tracing::info!(%id, outcome = "postponed", attempt, duration_ms, retry_in_s, %class, %relay, error, "email delayed; this counts as no attempt");
        }
        Outcome::Returned { class, .. } => {
            tracing::debug!(%id, outcome = "returned", attempt, duration_ms, %class, %relay, "email back in the queue");
        }
        Outcome::Failed { class, error } => {
            let error = without_addresses(error);
            tracing::warn!(%id, outcome = "failed", attempt, duration_ms, %class, %relay, error, "email failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportConfig;

    #[test]
    fn a_delivery_that_panics_is_tried_again_later_and_later_and_uses_up_no_attempt() {
        let config = Config::new(TransportConfig::Null).unwrap();
        let pause = |number| match panicked(&config, ClaimRef { id: EmailId::new(), number }).outcome {
            Outcome::Postponed { retry_in, class: Class::Internal, .. } => retry_in,
            outcome => panic!("{outcome:?}"),
        };
        assert!(pause(1) <= config.retry.base && pause(20) > config.retry.base);
    }
}
