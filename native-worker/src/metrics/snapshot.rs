//! What is true at the moment at which metrics are read: sizes, not counts.

use std::sync::atomic::AtomicU64;

use email_queue::query::{LaneStats, Stats};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

/// The values of the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// What there is in the queue, over all shards; `None` while Redis does not say.
    pub(crate) stats: Option<Stats>,
    /// Emails that this worker has in flight.
    pub(crate) in_flight: usize,
    /// Connections to the relay; `None` for a transport without.
    pub(crate) connections: Option<Connections>,
    /// Whether this worker holds off from the relay.
    pub(crate) held_off: bool,
}

/// Connections to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Connections {
    /// All, those included that are being opened.
    pub(crate) open: usize,
    /// Those that no email uses.
    pub(crate) idle: usize,
    /// How many the relay takes at once, where that was learned.
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lane {
    lane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// What is known only at times. A gauge that is not known is not there, rather than at its last value.
type Known = Family<Vec<(&'static str, String)>, Gauge>;

/// The gauges of all values.
pub(super) struct Gauges {
    relay: Vec<(&'static str, String)>,
    redis_up: Gauge,
    queued: Family<Lane, Gauge>,
    other_entries: Family<Lane, Gauge>,
    oldest: Family<Lane, Gauge<f64, AtomicU64>>,
    paused: Family<Lane, Gauge<f64, AtomicU64>>,
    workers: Known,
    emails: Family<State, Gauge>,
    in_flight: Gauge,
    connections: Family<State, Gauge>,
    limit: Known,
    held_off: Gauge,
}

impl Gauges {
    pub(super) fn new(registry: &mut Registry, relay: &str) -> Self {
        let gauges = Self {
            relay: vec![("relay", relay.to_owned())],
            redis_up: Gauge::default(),
            queued: Family::default(),
            other_entries: Family::default(),
            oldest: Family::default(),
            paused: Family::default(),
            workers: Known::default(),
            emails: Family::default(),
            in_flight: Gauge::default(),
            connections: Family::default(),
            limit: Known::default(),
            held_off: Gauge::default(),
        };
        registry.register(
            "redis_up",
            "Whether Redis has told this worker the size of the queue: 1, or 0",
            gauges.redis_up.clone(),
        );
        registry.register(
            "queued_emails",
            "Emails that wait for a worker, of the shards that this worker serves",
            gauges.queued.clone(),
        );
        registry.register(
            "other_entries",
            "Entries on a lane's list besides those of queued emails: what other programs push, until a worker claims it, and what canceled, discarded and moved emails leave",
            gauges.other_entries.clone(),
        );
        registry.register(
            "emails",
            "Emails by state, of the shards that this worker serves; failed ones are dead letters",
            gauges.emails.clone(),
        );
        registry.register(
            "oldest_queued_seconds",
            "For how long the next email of a lane has been waiting in it; 0 if none waits",
            gauges.oldest.clone(),
        );
        registry.register(
            "lane_paused",
            "Whether an operator has paused a lane: 1, or 0; the part of the shards in which it is, where it is not all",
            gauges.paused.clone(),
        );
        registry.register("live_workers", "Workers of the queue that have a lease", gauges.workers.clone());
        registry.register("in_flight_emails", "Emails that this worker has claimed", gauges.in_flight.clone());
        registry.register(
            "relay_connection_limit",
            "Connections that the relay takes at once, where that was learned",
            gauges.limit.clone(),
        );
        let by_relay = registry.sub_registry_with_label(("relay".into(), relay.to_owned().into()));
        by_relay.register("relay_connections", "Connections of this worker to the relay", gauges.connections.clone());
        by_relay.register(
            "relay_held_off",
            "Whether this worker holds off from the relay, because it fails: 1, or 0",
            gauges.held_off.clone(),
        );
        gauges
    }

    pub(super) fn set(&self, snapshot: &Snapshot) {
        self.redis_up.set(snapshot.stats.is_some().into());
        self.queued.clear();
        self.other_entries.clear();
        self.oldest.clear();
        self.paused.clear();
        self.emails.clear();
        self.workers.clear();
        if let Some(stats) = &snapshot.stats {
            for LaneStats { lane, queued, other_entries, oldest, paused_shards, .. } in stats.lanes {
                let lane = Lane { lane: lane.as_str() };
                self.queued.get_or_create(&lane).set(signed(queued));
                self.other_entries.get_or_create(&lane).set(signed(other_entries));
                let age = oldest.map_or(0.0, |oldest| stats.time.duration_since(oldest).as_secs_f64());
                self.oldest.get_or_create(&lane).set(age.max(0.0));
                self.paused.get_or_create(&lane).set(f64::from(paused_shards) / f64::from(stats.shards.max(1)));
            }
            for (state, count) in [
                ("queued", stats.queued()),
                ("sending", stats.sending),
                ("scheduled", stats.scheduled),
                ("delayed", stats.delayed),
                ("failed", stats.failed),
            ] {
                self.emails.get_or_create(&State { state }).set(signed(count));
            }
            self.workers.get_or_create(&Vec::new()).set(signed(stats.workers));
        }
        self.in_flight.set(signed(snapshot.in_flight));
        self.limit.clear();
        if let Some(Connections { open, idle, limit }) = snapshot.connections {
            for (state, count) in [("busy", open.saturating_sub(idle)), ("idle", idle)] {
                self.connections.get_or_create(&State { state }).set(signed(count));
            }
            if let Some(limit) = limit {
                self.limit.get_or_create(&self.relay).set(signed(limit));
            }
        }
        self.held_off.set(snapshot.held_off.into());
    }
}

/// A count as gauges have it.
fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use prometheus_client::encoding::prometheus_text::encode;

    use super::*;

    fn text(gauges: &Gauges, registry: &Registry, snapshot: &Snapshot) -> String {
        gauges.set(snapshot);
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn what_redis_does_not_say_any_more_is_gone_and_not_as_it_was() {
        let mut registry = Registry::default();
        let gauges = Gauges::new(&mut registry, "null:");
        let time = Timestamp::from_second(1_000).unwrap();
        let lane = |lane, queued, oldest, paused_shards| {
            let paused = Some(time).filter(|_| paused_shards > 0);
            LaneStats { lane, queued, other_entries: 10 * queued, oldest, paused, paused_shards }
        };
        let stats = Stats {
            time,
            lanes: [
                lane(email_queue::Lane::High, 1, None, 1),
                lane(email_queue::Lane::Normal, 2, None, 4),
                lane(email_queue::Lane::Low, 3, Some(Timestamp::from_second(940).unwrap()), 0),
            ],
            scheduled: 0,
            delayed: 5,
            sending: 0,
            failed: 4,
            workers: 2,
            unserved_shards: 0,
            shards: 4,
            relays: Vec::new(),
            totals: BTreeMap::new(),
        };
        let known = text(&gauges, &registry, &Snapshot { stats: Some(stats), ..Snapshot::default() });
        for line in [
            "queued_emails{lane=\"low\"} 3",
            "oldest_queued_seconds{lane=\"low\"} 60",
            "oldest_queued_seconds{lane=\"high\"} 0",
            "other_entries{lane=\"low\"} 30",
            "lane_paused{lane=\"high\"} 0.25",
            "lane_paused{lane=\"normal\"} 1",
            "lane_paused{lane=\"low\"} 0",
            "emails{state=\"queued\"} 6",
            "emails{state=\"delayed\"} 5",
            "emails{state=\"failed\"} 4",
            "live_workers 2",
            "redis_up 1",
        ] {
            assert!(known.contains(line), "{line}: {known}");
        }
        let unknown = text(&gauges, &registry, &Snapshot::default());
        assert!(!unknown.contains("queued_emails{") && unknown.contains("redis_up 0"), "{unknown}");
    }

    #[test]
    fn a_limit_is_shown_once_it_is_learned() {
        let mut registry = Registry::default();
        let gauges = Gauges::new(&mut registry, "smtp://relay.example:25");
        let mut connections = Connections { open: 3, idle: 1, limit: None };
        let of = |connections| Snapshot { connections: Some(connections), ..Snapshot::default() };
        let before = text(&gauges, &registry, &of(connections));
        assert!(before.contains("state=\"busy\"} 2") && !before.contains("limit{"), "{before}");
        connections.limit = Some(2);
        let after = text(&gauges, &registry, &of(connections));
        assert!(after.contains("relay_connection_limit{relay=\"smtp://relay.example:25\"} 2"), "{after}");
    }
}
