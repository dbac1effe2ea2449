//! Holds off from a relay that fails, together with all other workers.
//!
//! Redis has the state: whether the relay is held off, and which worker probes it. This is the worker's copy. It changes at
//! once with failures of its own, and within a second with those of others.

use std::{
    sync::{
        MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use email_queue::{
    Class, EmailId, Relay, Shard,
    transition::relay::{Access, HeldOff, HoldOffFor, RelayFailure, Reported, end_hold_off, hold_off, relay_access},
};
use tokio::{
    sync::{Mutex, Notify},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    gate::Gate,
    outcome::without_addresses,
    queue_client::QueueClient,
    senders::Senders,
    transport::{Failure, TransportConfig},
};

/// How often a worker reads the state while the relay is held off. When the relay works again, workers notice within this
/// time.
const PAUSE: Duration = Duration::from_secs(1);

/// For how long a worker has the right to probe unless it reads the state again: several times [`PAUSE`].
const PROBE_LEASE: Duration = Duration::from_secs(5);

/// Extra delay of the email that failed, so that another email is the probe.
const BEHIND: Duration = Duration::from_secs(2);

/// What follows for an email that met a failure of its relay. The failure counts as an attempt only if it is the email's own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// All workers hold off because of this failure. The email waits, longer than the back-off.
    Waits(Duration),
    /// The email is requeued at the front of its lane.
    Returns,
    /// The failure is the email's own: the relay accepts others.
    Own,
}

/// The rest of the state.
struct Refreshed {
    /// When to read it again.
    again: Duration,
    /// How many connections the relay takes at a time, if that was learned.
    limit: Option<usize>,
}

pub(crate) struct HoldOff {
    relay: Relay,
    back_off: HoldOffFor,
    pub(crate) gate: Gate,
    pub(crate) senders: Senders,
    /// Locked from a call until its answer is applied, so that no older answer is applied after a newer one.
    call: Mutex<()>,
    refresh_now: Notify,
    /// Since when Redis has not said what the state is, or when a probe of that time has failed.
    unknown: std::sync::Mutex<Option<Instant>>,
    /// When the relay last took a decision on an email.
    passed: std::sync::Mutex<Option<Instant>>,
    /// The last failure that was an email's own, and when. Emails waiting for the same connection get the same error;
    /// it is not counted again.
    own: std::sync::Mutex<Option<(Instant, String)>>,
    /// Whether the present failure was logged.
    logged: AtomicBool,
    /// Emails of other shards to be requeued.
    met: std::sync::Mutex<Vec<EmailId>>,
    met_now: Notify,
}

impl HoldOff {
    pub(crate) fn new(config: &Config) -> Self {
        let relay = relay(&config.transport);
        let back_off = HoldOffFor { base: config.retry.base, max: config.retry.max };
        Self {
            senders: Senders { relay: relay.clone(), back_off, any_held_off: AtomicBool::new(false) },
            relay,
            back_off,
            gate: Gate::new(),
            call: Mutex::new(()),
            refresh_now: Notify::new(),
            unknown: std::sync::Mutex::new(None),
            passed: std::sync::Mutex::new(None),
            own: std::sync::Mutex::new(None),
            logged: AtomicBool::new(false),
            met: std::sync::Mutex::default(),
            met_now: Notify::new(),
        }
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Reads the state when the worker starts. A new worker may probe at once, because its configuration may have been
    /// fixed. Returns the connection limit that workers have learned.
    pub(crate) async fn begin(&self, client: &QueueClient) -> Option<usize> {
        self.refresh(client, true).await.limit
    }

    /// Runs until `stop`: reads the state for as long as anything is held off, and when it may have changed.
    pub(crate) async fn watch_on(&self, client: &QueueClient, stop: &CancellationToken) {
        loop {
            let pause = if self.gate.is_open() && !self.senders.any_held_off() {
                None
            } else {
                Some(self.refresh(client, false).await.again)
            };
            tokio::select! {
                () = sleep(pause.unwrap_or(PAUSE)), if pause.is_some() => {}
                () = self.refresh_now.notified() => if pause.is_none() {
                    self.refresh(client, false).await;
                },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Reports that a relay or sender of the queue is held off, perhaps this relay: the state is read at once.
    pub(crate) fn refresh_soon(&self) {
        self.refresh_now.notify_one();
    }

    /// Reports a relay failure of the delivery of an email that began then.
    pub(crate) async fn failed(
        &self,
        client: &QueueClient,
        (shard, id): (Shard, EmailId),
        began: Instant,
        failure: &Failure,
    ) -> Consequence {
        let _one_at_a_time = self.call.lock().await;
        if self.gate.admits(id).is_err() || self.is_of_another(began, failure) {
            return Consequence::Returns;
        }
        let failure_of_relay = RelayFailure {
            email: id,
            is_elsewhere: shard != Shard::FIRST,
            age: began.elapsed(),
            passed: self.last_passed().map(|passed| passed.elapsed()),
            class: failure.class,
            error: &failure.reason,
        };
        let call = hold_off(&client.queue, &client.worker, &self.relay, failure_of_relay, self.back_off);
        match call.run(&client.redis).await {
            Ok(Reported::HeldOff(wait)) => {
                self.close(failure);
                let (class, error, wait_ms) = (failure.class, without_addresses(&failure.reason), ms(wait));
                if self.logged.swap(true, Ordering::Relaxed) {
                    tracing::info!(relay = %self.relay, %class, error, wait_ms, "the relay still fails");
                } else {
                    tracing::warn!(relay = %self.relay, %class, error, wait_ms, "holding off from the relay; emails wait and use up no attempt");
                }
                Consequence::Waits(wait + wait.min(BEHIND))
            }
            Ok(Reported::Known(_)) => {
                self.close(failure);
                Consequence::Returns
            }
            Ok(Reported::EmailsOwn) => {
                self.gate.not_tried(id);
                *lock(&self.own) = Some((Instant::now(), failure.reason.clone()));
                Consequence::Own
            }
            Err(_) => {
                *lock(&self.unknown) = Some(Instant::now());
                self.close(failure);
                // The next answer may be that nothing is held off. This email at least waits.
                Consequence::Waits(self.back_off.base)
            }
        }
    }

    /// Whether this delivery met a failure that was found to be another email's own.
    fn is_of_another(&self, began: Instant, failure: &Failure) -> bool {
        lock(&self.own).as_ref().is_some_and(|(when, reason)| began < *when && *reason == failure.reason)
    }

    /// Reports that the relay has accepted or refused an email. If that was the probe, the hold-off ends.
    pub(crate) async fn passed(&self, client: &QueueClient, id: EmailId) {
        *lock(&self.passed) = Some(Instant::now());
        if self.gate.is_probe(id) {
            // Boxed, to keep the task of each email small: few are probes.
            Box::pin(self.probe_passed(client)).await;
        }
    }

    async fn probe_passed(&self, client: &QueueClient) {
        let _one_at_a_time = self.call.lock().await;
        match client.redis.tried(&end_hold_off(&client.queue, &client.worker, &self.relay)).await {
            Ok(Some(elsewhere)) => {
                self.open();
                self.requeue(elsewhere);
            }
            // This worker has no right to probe any more: another one may have it.
            Ok(None) => self.revoke_probe(),
            Err(_) => {
                // It works, whatever Redis says when it answers again.
                self.open();
            }
        }
    }

    /// Waits for emails of other shards that met the failure of the relay and are to be requeued there.
    pub(crate) async fn met(&self) -> Vec<EmailId> {
        self.met_now.notified().await;
        std::mem::take(&mut *lock(&self.met))
    }

    /// Whether the relay has accepted or refused an email since then.
    pub(crate) fn passed_since(&self, began: Instant) -> bool {
        self.last_passed().is_some_and(|passed| passed > began)
    }

    fn last_passed(&self) -> Option<Instant> {
        *lock(&self.passed)
    }

    async fn refresh(&self, client: &QueueClient, begun: bool) -> Refreshed {
        let _one_at_a_time = self.call.lock().await;
        let call = relay_access(&client.queue, &client.worker, &self.relay, begun, PROBE_LEASE);
        let state = match client.redis.tried(&call).await {
            Ok(state) => state,
            Err(_) => {
                // Shard 0 may be gone for long, and others go on: this worker then probes by itself.
                let since = *lock(&self.unknown).get_or_insert_with(Instant::now);
                if since.elapsed() >= self.back_off.base {
                    self.gate.allow_probe_if_closed();
                }
                return Refreshed { again: PAUSE, limit: None };
            }
        };
        *lock(&self.unknown) = None;
        self.senders.any_held_off.store(state.senders_held_off, Ordering::Relaxed);
        self.requeue(state.elsewhere);
        let again = match state.access {
            Access::Free => {
                self.open();
                PAUSE
            }
            Access::HeldOff(held_off) => {
                let wait = held_off.wait.clamp(Duration::from_millis(1), PAUSE);
                if !self.logged.swap(true, Ordering::Relaxed) {
                    let (class, error) = (held_off.class, without_addresses(&held_off.error));
                    tracing::info!(relay = %self.relay, %class, error, "another worker holds off from the relay; so does this one");
                }
                // Not by `close`, which would read the state again.
                self.gate.close(why(held_off));
                wait
            }
            Access::Probe(held_off) => {
                self.gate.allow_probe(why(held_off));
                PAUSE
            }
        };
        Refreshed { again, limit: state.limit }
    }

    fn requeue(&self, emails: Vec<EmailId>) {
        if !emails.is_empty() {
            lock(&self.met).extend(emails);
            self.met_now.notify_one();
        }
    }

    fn open(&self) {
        if self.gate.open() && self.logged.swap(false, Ordering::Relaxed) {
            // At the level of the line that it ends.
            tracing::warn!(relay = %self.relay, "the relay can be used again");
        }
    }

    fn close(&self, why: &Failure) {
        self.gate.close(why.clone());
        self.refresh_now.notify_one();
    }

    /// Ends the right to probe, and holds off until the state is read again.
    fn revoke_probe(&self) {
        self.gate.revoke_probe();
        self.refresh_now.notify_one();
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under these locks leaves no change half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

fn why(HeldOff { class, error, .. }: HeldOff) -> Failure {
    Failure { class, reason: error }
}

/// The relay of a transport. The password is no part of it: a corrected one is for the same relay.
fn relay(transport: &TransportConfig) -> Relay {
    let user = match transport {
        TransportConfig::Smtp(smtp) => smtp.credentials.as_ref().map(|credentials| credentials.username.as_str()),
        TransportConfig::Log | TransportConfig::File(_) | TransportConfig::Null => None,
    };
    Relay::new(&transport.to_string(), user)
}

/// Whether a failure does not show that the relay fails.
pub(crate) fn is_silence(class: Class) -> bool {
    matches!(class, Class::Timeout | Class::Unknown)
}
