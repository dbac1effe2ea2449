//! Claims emails, and waits for one when the queue is empty.

use email_queue::{
    query::depth,
    transition::{Claim, Claims, PoppedEntry, claim},
};
use redis::RedisError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    blocking::Blocking,
    capacity::Capacity,
    ended::Ended,
    preflight,
    shared::Shared,
    shared_connection::{RECONNECT, ends_connection, explained},
};

/// The timeout of `BRPOP` in seconds. Longer would save little, and a silent connection is detected only after this
/// time.
const WAIT: u64 = 5;

/// The `BRPOP` timeout while draining, in seconds; the queue is checked after each.
const WAIT_DRAINING: u64 = 1;

/// Claims emails for a worker.
pub(crate) struct Fetcher<'a> {
    shared: &'a Shared,
    blocking: Blocking<'a>,
    stop: &'a CancellationToken,
    give_up: &'a CancellationToken,
    /// How many fetches have failed in a row.
    failures: u32,
    /// Whether `BRPOP` has just timed out: then a claim would find nothing either.
    timed_out: bool,
    size_of_next: Option<usize>,
}

/// The result of a fetch.
pub(crate) enum Fetched {
    /// Claimed emails; none after the timeout of `BRPOP`.
    Emails(Claims),
    /// Redis refused, which was logged, or cannot be reached. The next fetch is after a back-off.
    Failed,
    /// The loop ends.
    Ended(Ended),
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(shared: &'a Shared, stop: &'a CancellationToken, give_up: &'a CancellationToken) -> Self {
        let blocking = Blocking::new(&shared.client.redis, &shared.blocked, &shared.client.queue);
        Self { shared, blocking, stop, give_up, failures: 0, timed_out: false, size_of_next: None }
    }

    /// The size of the next email, in bytes of JSON, if the last claim had no room for it.
    pub(crate) fn size_of_next(&self) -> Option<usize> {
        self.size_of_next
    }

    /// Claims emails; if there are none, waits until one is pushed, up to five seconds, and claims it.
    ///
    /// Must not be cancelled: Redis may have sent an entry that has not arrived.
    pub(crate) async fn fetch(&mut self, capacity: &Capacity) -> Fetched {
        let Self { shared, stop, .. } = *self;
        let mut claims = Claims::default();
        if !std::mem::take(&mut self.timed_out) || shared.config.drain {
            match claim_some(shared, capacity, None, stop).await {
                None => return Fetched::Ended(Ended::Stopped),
                Some(Ok(some)) => claims = some,
                Some(Err(())) => return Fetched::Failed,
            }
        }
        if claims.is_empty() && claims.left.is_none() {
            if shared.config.drain && is_drained(shared).await {
                return Fetched::Ended(if shared.hold_off.gate.is_open() { Ended::Drained } else { Ended::HeldOff });
            }
            if stop.is_cancelled() {
                return Fetched::Ended(Ended::Stopped);
            }
            match self.blocking.pop(if shared.config.drain { WAIT_DRAINING } else { WAIT }).await {
                Ok(None) => self.timed_out = true,
                Ok(Some(popped)) => claims = claim_popped(shared, capacity, popped, self.give_up).await,
                Err(error) => {
                    if self.failures == 0 {
                        log_refused_brpop(shared, &error).await;
                    }
                    return Fetched::Failed;
                }
            }
        }
        self.failures = 0;
        self.size_of_next = claims.left;
        if let Some(first) = claims.emails.first() {
            shared.hold_off.gate.probe_with(first.claim.id);
        }
        Fetched::Emails(claims)
    }

    /// Waits after a fetch that failed, or until `stop`.
    pub(crate) async fn back_off(&mut self) {
        self.failures += 1;
        tokio::select! {
            () = sleep(RECONNECT.delay(self.failures)) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// Claims up to as many emails as there is capacity for, however long Redis is unreachable. If a reply is lost on the way,
/// the emails in it return to the queue when their lease is over. `None` when `stop` comes first.
///
/// # Errors
/// Redis refuses, which was logged.
async fn claim_some(
    shared: &Shared,
    capacity: &Capacity,
    popped: Option<PoppedEntry>,
    stop: &CancellationToken,
) -> Option<Result<Claims, ()>> {
    let (worker, lease) = (shared.client.worker.as_str(), shared.config.lease);
    let bytes = capacity.room.budget(shared.bytes_at_once());
    let call = claim(&shared.client.queue, Claim { worker, lease, max: capacity.max, bytes, popped });
    let answered = shared.emails.persist(&call, stop).await?;
    Some(answered.map(|answered| answered.answer).map_err(drop))
}

/// Claims the entry that `BRPOP` has removed from its list. Repeats the claim until it succeeds, across reconnects, or
/// until `give_up`. After that, maintenance requeues an id, but JSON that another program has pushed is lost.
async fn claim_popped(
    shared: &Shared,
    capacity: &Capacity,
    popped: PoppedEntry,
    give_up: &CancellationToken,
) -> Claims {
    let mut refusals = 0;
    loop {
        match claim_some(shared, capacity, Some(popped.clone()), give_up).await {
            Some(Ok(mut claims)) => {
                claims.set_popped_json(popped.entry);
                return claims;
            }
            // Maintenance requeues it.
            Some(Err(())) if popped.is_id() => return Claims::default(),
            Some(Err(())) => refusals += 1,
            None => break,
        }
        tokio::select! {
            () = sleep(RECONNECT.delay(refusals)) => {}
            () = give_up.cancelled() => break,
        }
    }
    if !popped.is_id() {
        let bytes = popped.entry.len();
        tracing::error!(
            bytes,
            "Redis became unreachable while the worker stopped: an entry pushed by another program is lost"
        );
    }
    Claims::default()
}

/// Logs why `BRPOP` fails, unless Redis is unreachable, which the connection logs.
async fn log_refused_brpop(shared: &Shared, error: &RedisError) {
    if ends_connection(error) {
        tracing::debug!(%error, "BRPOP failed");
    } else {
        tracing::warn!(redis = %shared.config.redis, error = explained(error), "Redis refuses BRPOP; trying again");
        preflight::warn_of_wrong_types(shared).await;
    }
}

async fn is_drained(shared: &Shared) -> bool {
    shared.in_flight.is_empty()
        && depth(&shared.client.queue).run(&shared.client.redis).await.is_ok_and(|depth| depth.is_drained())
}
