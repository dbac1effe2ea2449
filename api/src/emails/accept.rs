//! Puts the emails of a request on the queue: in which shard, and in which other one if that fails.

use email_queue::{
    EmailId, Shard, Shards, Submission,
    call::CallError,
    email::Traceparent,
    transition::{Enqueue, Enqueued, Idempotency, NewEmail, move_key},
};

use http::HeaderMap;

use super::{idempotency, room};
use crate::{
    backend::{Backend, Effect, Failure, TimeShare, random_shard},
    context::Context,
    error::ApiError,
    unavailable::{self, Change},
};

/// In how many shards a request is tried that may be in any.
const TRIES: usize = 3;

type Outcome<R> = Result<Enqueued, CallError<<R as email_queue::call::Redis>::Error>>;

/// Puts emails on the queue, all or none and in one shard, and returns their ids. If the request repeats an earlier one with its
/// idempotency key, they are the ids of that one.
///
/// When the future is dropped, the emails may or may not be on the queue.
pub(super) async fn accept<R: Backend>(
    context: &Context<'_, R>,
    submissions: Vec<Submission>,
) -> Result<Vec<EmailId>, ApiError> {
    let Context { parts, caller, settings, .. } = context;
    let idempotency = idempotency::of(&parts.headers, caller, &submissions)?;
    let traceparent = traceparent(&parts.headers);
    let mut emails: Vec<_> = submissions
        // Each is dropped once its JSON is written: all of both would take twice the memory.
        .into_iter()
        .map(|submission| {
            let mut json = submission.to_json();
            if let Some(traceparent) = &traceparent {
                traceparent.append_to(&mut json);
            }
            NewEmail { id: EmailId::new(), lane: submission.lane, due: submission.scheduled_at, json }
        })
        .collect();
    let terms = Enqueue {
        emails: &[],
        backlog_limit: settings.part_of(settings.backlog_limit),
        backlog_bytes: settings.part_of(settings.backlog_bytes),
        retention: settings.retention,
        idempotency: idempotency.as_ref(),
        replication: settings.require_replicas,
    };
    let outcome = match &idempotency {
        Some(key) => {
            let (shards, shard) = home(context, key).await?;
            put(context, &mut emails, shards, shard, terms).await
        }
        None => put_anywhere(context, &mut emails, terms).await,
    };
    match outcome.map_err(|error| Change::Accept.failed(error))? {
        Enqueued::Accepted => Ok(emails.iter().map(|email| email.id).collect()),
        Enqueued::Repeated(ids) => Ok(ids),
        Enqueued::Conflict => Err(ApiError::invalid_idempotent_request()),
        Enqueued::BacklogFull => Err(ApiError::backlog_full(settings.backlog_limit.unwrap_or(0))),
        Enqueued::NoBytesLeft { stored, asked } => {
            let (limit, shards) = (terms.backlog_bytes.unwrap_or(0), settings.shards.count());
            Err(ApiError::no_bytes_left(limit, shards, stored, asked))
        }
    }
}

/// The trace that a request is part of. One that cannot be read, or is given twice, is none
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)).
fn traceparent(headers: &HeaderMap) -> Option<Traceparent> {
    let mut given = headers.get_all("traceparent").iter();
    let only = given.next().filter(|_| given.next().is_none())?;
    Traceparent::parse(only.to_str().ok()?)
}

/// The shard that decides on the requests of an idempotency key.
async fn home<'a, R: Backend>(
    context: &Context<'a, R>,
    key: &Idempotency,
) -> Result<(&'a Shards, Shard), CallError<R::Error>> {
    let shards = &context.settings.shards;
    let shard = key.shard(shards);
    if let Some(earlier) = &context.settings.earlier_shards {
        let before = key.shard(earlier);
        if before != shard && move_key(&earlier.queue(before), key).run(context.redis).await? {
            return Ok((earlier, before));
        }
    }
    Ok((shards, shard))
}

/// Puts emails in any shard. If one cannot take them now, another one may.
async fn put_anywhere<R: Backend>(context: &Context<'_, R>, emails: &mut [NewEmail], terms: Enqueue<'_>) -> Outcome<R> {
    let (shards, redis) = (&context.settings.shards, context.redis);
    let mut shard = redis.shard_for(shards, &Enqueue { emails, ..terms });
    let mut failed = Vec::new();
    loop {
        let is_last = failed.len() + 1 == TRIES.min(shards.count().into());
        redis.take(if is_last { TimeShare::All } else { TimeShare::HalfToConnect });
        let outcome = put(context, emails, shards, shard, terms).await;
        if shards.count() == 1 || !may_be_taken_by_another(&outcome) {
            return outcome;
        }
        redis.shard_failed(shard);
        failed.push(shard);
        match another(shards, &failed).filter(|_| failed.len() < TRIES) {
            Some(other) => {
                if let Err(error) = &outcome {
                    // The client does not hear of it, and the operator should.
                    unavailable::log(error);
                }
                shard = other;
            }
            None => return outcome,
        }
    }
}

/// Puts emails in a shard, which their ids then say.
async fn put<R: Backend>(
    context: &Context<'_, R>,
    emails: &mut [NewEmail],
    shards: &Shards,
    shard: Shard,
    terms: Enqueue<'_>,
) -> Outcome<R> {
    // The ids of a queue of one shard are random to the end, so that it can have several later.
    if shards.count() > 1 {
        for email in &mut *emails {
            email.id = email.id.in_shard(shard);
        }
    }
    room::enqueue(context.redis, &shards.queue(shard), Enqueue { emails, ..terms }).await
}

/// Whether a shard has taken nothing, for a reason that may not hold for another one.
fn may_be_taken_by_another<E: Failure>(outcome: &Result<Enqueued, CallError<E>>) -> bool {
    match outcome {
        Ok(outcome) => matches!(outcome, Enqueued::BacklogFull | Enqueued::NoBytesLeft { .. }),
        Err(CallError::Redis(error)) => error.effect() != Effect::Unknown,
        Err(_) => false,
    }
}

/// A shard that is none of these.
fn another(shards: &Shards, failed: &[Shard]) -> Option<Shard> {
    let first = random_shard(shards);
    let in_turn = shards.all().skip_while(|shard| *shard != first).chain(shards.all());
    in_turn.into_iter().find(|shard| !failed.contains(shard))
}
