//! What a worker counts and measures, for Prometheus
//! ([naming](https://prometheus.io/docs/practices/naming/), [text format](https://prometheus.io/docs/instrumenting/exposition_formats/)).
//!
//! All of it is kept whether anybody reads it or not: an email costs a few additions. Values of labels are from closed lists, and
//! the relay's name is from the settings; no address and no id is one. A counter that may become an alert is there from the
//! start as 0, because Prometheus sees no increase when a counter appears as 1.

mod labels;
mod snapshot;

use std::time::Duration;

use email_queue::{Class, maintenance::Maintained, transition::Outcome};
use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use labels::{Ended, ErrorKind, OUTCOMES, Reason, outcome_of};
pub(crate) use prometheus_text::CONTENT_TYPE;
use snapshot::Gauges;
pub(crate) use snapshot::{Connections, Snapshot};

/// What all names begin with.
const PREFIX: &str = "email_queue";

/// An attempt takes milliseconds with a relay nearby, and minutes with one that does not answer.
const DELIVERY_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

/// From milliseconds to the five days for which an email is tried.
const END_TO_END_SECONDS: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 1_800.0, 7_200.0, 43_200.0, 432_000.0];

/// Up to the silence after which a connection counts as dead, and beyond for large replies.
const REDIS_SECONDS: [f64; 11] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

const ATTEMPTS: [f64; 8] = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 30.0, 100.0];

/// The metrics of a worker.
pub(crate) struct Metrics {
    registry: Registry,
    outcomes: Family<Ended, Counter>,
    delivery: Histogram,
    end_to_end: Histogram,
    attempts: Histogram,
    redis_seconds: Histogram,
    redis_errors: Family<ErrorKind, Counter>,
    recoveries: Family<Reason, Counter>,
    maintenance_runs: Counter,
    expired: Counter,
    too_few_shards: Gauge,
    gauges: Gauges,
}

impl Metrics {
    /// `relay` is the relay's name in the settings, and `shards` how many the worker serves.
    pub(crate) fn new(relay: &str, shards: u16) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let by_relay = registry.sub_registry_with_label(("relay".into(), relay.to_owned().into()));
        let outcomes = Family::<Ended, Counter>::default();
        by_relay.register("outcomes", "Outcomes of emails that this worker has recorded", outcomes.clone());
        for (outcome, has_class) in OUTCOMES {
            let classes = Class::ALL.iter().map(|class| class.as_str()).filter(|_| has_class);
            for class in classes.chain((!has_class).then_some("none")) {
                drop(outcomes.get_or_create(&Ended { outcome, class }));
            }
        }
        let delivery = Histogram::new(DELIVERY_SECONDS);
        by_relay.register("delivery_seconds", "Time from the claim of an email to its outcome", delivery.clone());
        let end_to_end = Histogram::new(END_TO_END_SECONDS);
        by_relay.register(
            "end_to_end_seconds",
            "Time from the acceptance of an email, or from its scheduled time, until it was sent",
            end_to_end.clone(),
        );
        let attempts = Histogram::new(ATTEMPTS);
        by_relay.register("attempts", "Attempts that an email took until it was sent or failed", attempts.clone());
        let redis_seconds = Histogram::new(REDIS_SECONDS);
        registry.register(
            "redis_command_seconds",
            "Time from a command to its reply, BRPOP excepted",
            redis_seconds.clone(),
        );
        let redis_errors = Family::<ErrorKind, Counter>::default();
        registry.register("redis_errors", "Commands without a reply, or that Redis has refused", redis_errors.clone());
        for kind in ErrorKind::ALL {
            drop(redis_errors.get_or_create(&kind));
        }
        let recoveries = Family::<Reason, Counter>::default();
        registry.register(
            "recoveries",
            "Emails that this worker has requeued after others had died",
            recoveries.clone(),
        );
        for reason in Reason::ALL {
            drop(recoveries.get_or_create(&reason));
        }
        let (maintenance_runs, expired) = (Counter::default(), Counter::default());
        registry.register(
            "maintenance_runs",
            "Times that this worker has maintained the queue",
            maintenance_runs.clone(),
        );
        registry.register("expired_emails", "Emails that were deleted at the end of their retention", expired.clone());
        let info = Family::<[(&'static str, &'static str); 1], Gauge>::default();
        registry.register("worker_info", "The version of the worker; always 1", info.clone());
        info.get_or_create(&[("version", program::VERSION)]).set(1);
        let too_few_shards = Gauge::default();
        registry.register(
            "too_few_shards",
            "Whether emails wait in the shard behind the last one that this worker serves: 1, or 0",
            too_few_shards.clone(),
        );
        let served_shards = Gauge::<i64>::default();
        registry.register("served_shards", "Shards that this worker serves", served_shards.clone());
        served_shards.set(i64::from(shards));
        let gauges = Gauges::new(&mut registry, relay);
        Self {
            registry,
            outcomes,
            delivery,
            end_to_end,
            attempts,
            redis_seconds,
            redis_errors,
            recoveries,
            maintenance_runs,
            expired,
            too_few_shards,
            gauges,
        }
    }

    /// Emails wait in the shard behind the last one that the worker serves, or none does.
    pub(crate) fn set_too_few_shards(&self, too_few: bool) {
        self.too_few_shards.set(too_few.into());
    }

    /// An outcome was recorded. If the email was given up because its retry period is over, it is a dead letter.
    pub(crate) fn recorded(&self, outcome: &Outcome, given_up: bool) {
        let ended = match given_up {
            true => Ended { outcome: "failed", class: Class::GivenUp.as_str() },
            false => outcome_of(outcome),
        };
        self.outcomes.get_or_create(&ended).inc();
    }

    /// So many emails were recorded as sent: together, because finding the counter costs more than adding to it.
    pub(crate) fn recorded_sent(&self, emails: u64) {
        if emails > 0 {
            self.outcomes.get_or_create(&outcome_of(&Outcome::Sent)).inc_by(emails);
        }
    }

    /// An attempt has ended, the nth of its email, and took so long.
    pub(crate) fn attempted(&self, outcome: &Outcome, nth: u32, took: Duration) {
        match outcome {
            Outcome::Returned { .. } | Outcome::Scheduled { .. } => return,
            Outcome::Sent | Outcome::Failed { .. } => self.attempts.observe(nth.into()),
            Outcome::Delayed { .. } | Outcome::Postponed { .. } => {}
        }
        self.delivery.observe(took.as_secs_f64());
    }

    /// An email was sent, so long after it was accepted, or after its time.
    pub(crate) fn sent_after(&self, waited: Duration) {
        self.end_to_end.observe(waited.as_secs_f64());
    }

    /// Redis has replied to a command after so long.
    pub(crate) fn redis_replied(&self, took: Duration) {
        self.redis_seconds.observe(took.as_secs_f64());
    }

    /// A command has failed: Redis did not reply, or refused it.
    pub(crate) fn redis_failed(&self, unreachable: bool) {
        let kind = if unreachable { ErrorKind::UNREACHABLE } else { ErrorKind::REFUSED };
        self.redis_errors.get_or_create(&kind).inc();
    }

    /// Maintenance has looked after a shard.
    pub(crate) fn maintained(&self, maintained: &Maintained) {
        let &Maintained { locked, recovered, requeued, dead_lettered, expired, .. } = maintained;
        if locked {
            self.maintenance_runs.inc();
        }
        self.recoveries.get_or_create(&Reason::DEAD_WORKER).inc_by(recovered);
        self.recoveries.get_or_create(&Reason::NOT_CLAIMED).inc_by(requeued);
        self.expired.inc_by(expired);
        self.outcomes
            .get_or_create(&Ended { outcome: "failed", class: Class::Recovered.as_str() })
            .inc_by(dead_lettered);
    }

    /// All of it as text, with the values of the moment.
    pub(crate) fn text(&self, snapshot: &Snapshot) -> String {
        self.gauges.set(snapshot);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new("smtp://relay.example:25", 1)
    }

    fn deferred() -> Outcome {
        Outcome::Delayed { retry_in: Duration::ZERO, class: Class::Deferred, error: "450 <bob@x.example>".to_owned() }
    }

    #[test]
    fn the_first_dead_letter_of_each_class_is_an_increase() {
        let metrics = metrics();
        let line = |class: Class, count: u32| {
            format!(
                "email_queue_outcomes_total{{relay=\"smtp://relay.example:25\",outcome=\"failed\",class=\"{class}\"}} {count}\n"
            )
        };
        let text = metrics.text(&Snapshot::default());
        for class in Class::ALL {
            assert!(text.contains(&line(class, 0)), "{class}: {text}");
        }
        metrics.recorded(&Outcome::Failed { class: Class::Recipient, error: "550".to_owned() }, false);
        metrics.recorded(&deferred(), true);
        metrics.maintained(&Maintained { dead_lettered: 3, ..Maintained::default() });
        let text = metrics.text(&Snapshot::default());
        for (class, count) in [(Class::Recipient, 1), (Class::GivenUp, 1), (Class::Recovered, 3), (Class::Deferred, 0)]
        {
            assert!(text.contains(&line(class, count)), "{class}: {text}");
        }
    }

    #[test]
    fn what_was_returned_or_is_for_later_was_no_attempt() {
        let metrics = metrics();
        let counts = || {
            let text = metrics.text(&Snapshot::default());
            ["delivery_seconds_count", "attempts_count", "attempts_sum"].map(|name| {
                let line = text.lines().find(|line| line.contains(name)).unwrap();
                line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
            })
        };
        let returned = Outcome::Returned { class: Class::Connection, error: String::new() };
        metrics.attempted(&returned, 1, Duration::from_secs(1));
        assert_eq!(counts(), [0.0, 0.0, 0.0]);
        metrics.attempted(&deferred(), 1, Duration::from_secs(1));
        assert_eq!(counts(), [1.0, 0.0, 0.0]);
        metrics.attempted(&Outcome::Sent, 2, Duration::from_secs(1));
        assert_eq!(counts(), [2.0, 1.0, 2.0]);
    }

    #[test]
    fn no_value_of_a_label_comes_from_an_email() {
        let metrics = metrics();
        metrics.recorded(&deferred(), false);
        assert!(!metrics.text(&Snapshot::default()).contains('@'));
    }
}
