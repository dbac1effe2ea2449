//! Whatever happens in whatever order, an email is in exactly one place, and in the end it is sent, failed or canceled.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use email_queue::{
    Class, EmailId, Lane, Relay, Shards, State,
    maintenance::Maintenance,
    query,
    transition::{
        Changed, ClaimRef, Claimed, Outcome, PoppedEntry, cancel, discard, make_room, move_to_lane, pause,
        relay::{Access, HoldOffFor, RelayFailure, Reported, end_hold_off, hold_off, relay_access, requeue_met},
        reschedule, resume, retry,
    },
};
use jiff::Timestamp;
use proptest::prelude::*;
use support::{LONG, TestQueue, delayed, eager, failed, postponed, returned};

/// Something that clients, workers or fate do.
#[derive(Debug, Clone)]
enum Step {
    Enqueue(Lane),
    EnqueueBatch(Lane, usize),
    Schedule(Lane),
    PushJson(Lane),
    Pop,
    ClaimPopped,
    Claim {
        max: usize,
        worker: Worker,
    },
    /// The nth claim made so far, which may be long over.
    Finish(usize, End),
    /// The same, and claims as many of the next.
    FinishAndClaim(usize, End, usize),
    Extend(usize),
    Release(usize),
    /// The nth email accepted so far.
    Cancel(usize),
    Reschedule(usize),
    Retry(usize),
    Discard(usize),
    MoveTo(usize, Lane),
    Pause(Lane),
    Resume(Lane),
    Maintain,
    /// Bodies of what has ended are removed, as many as give so many bytes.
    MakeRoom(u64),
    /// The relay fails under the nth claim, as this worker sees it.
    HoldOff(usize, Worker),
    /// Asks for the relay; if this worker may probe, the relay then works or fails again.
    Ask(Worker, bool),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Sent,
    Delayed,
    Postponed,
    Returned,
    Failed,
    Scheduled,
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let worker = prop::sample::select(vec![Worker::Lives, Worker::Dies]);
    let other_worker = worker.clone();
    let end =
        prop::sample::select(vec![End::Sent, End::Delayed, End::Postponed, End::Returned, End::Failed, End::Scheduled]);
    prop_oneof![
        4 => lane.clone().prop_map(Step::Enqueue),
        1 => (lane.clone(), 2..20usize).prop_map(|(lane, count)| Step::EnqueueBatch(lane, count)),
        1 => lane.clone().prop_map(Step::Schedule),
        1 => lane.clone().prop_map(Step::PushJson),
        2 => Just(Step::Pop),
        1 => Just(Step::ClaimPopped),
        4 => (prop_oneof![3 => 1..4usize, 1 => 4..20usize], worker).prop_map(|(max, worker)| Step::Claim { max, worker }),
        4 => (any::<usize>(), end.clone()).prop_map(|(nth, end)| Step::Finish(nth, end)),
        2 => (any::<usize>(), end, 1..4usize).prop_map(|(nth, end, next)| Step::FinishAndClaim(nth, end, next)),
        1 => any::<usize>().prop_map(Step::Extend),
        1 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Reschedule),
        1 => any::<usize>().prop_map(Step::Retry),
        1 => any::<usize>().prop_map(Step::Discard),
        2 => (any::<usize>(), lane.clone()).prop_map(|(nth, lane)| Step::MoveTo(nth, lane)),
        1 => lane.clone().prop_map(Step::Pause),
        1 => lane.prop_map(Step::Resume),
        3 => Just(Step::Maintain),
        1 => (1..500_u64).prop_map(Step::MakeRoom),
        2 => (any::<usize>(), other_worker.clone()).prop_map(|(nth, worker)| Step::HoldOff(nth, worker)),
        3 => (other_worker, any::<bool>()).prop_map(|(worker, well)| Step::Ask(worker, well)),
    ]
}

/// A shard of the queue, and what its workers have in their heads.
struct World<'a> {
    q: &'a TestQueue,
    dying: &'a TestQueue,
    relay: &'a RelayState<'a>,
    is_first: bool,
    accepted: Vec<EmailId>,
    pushed: usize,
    popped: Vec<PoppedEntry>,
    claims: Vec<(Worker, ClaimRef)>,
    /// Those that were given up, and are deleted.
    discarded: BTreeSet<EmailId>,
    paused: BTreeSet<&'static str>,
}

/// What the workers know of the relay, which is in the first shard.
struct RelayState<'a> {
    first: &'a TestQueue,
    dying: &'a TestQueue,
    other: &'a TestQueue,
    is_held_off: Cell<bool>,
    prober: Cell<Option<Worker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    Lives,
    Dies,
}

impl<'a> World<'a> {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Enqueue(lane) => self.accepted.push(self.q.enqueue(*lane)),
            Step::EnqueueBatch(lane, count) => self.accepted.extend(self.q.enqueue_batch(*lane, *count)),
            Step::Schedule(lane) => self.accepted.push(self.q.enqueue_due(*lane, Some(soon()))),
            Step::PushJson(lane) => {
                self.q.push(&self.q.queue.list(*lane), "{}");
                self.pushed += 1;
            }
            Step::Pop => match self.q.pop() {
                // A raw entry that is popped and not claimed is nowhere: the one loss that a plain LPUSH risks.
                Some(popped) if popped.entry.as_slice() == b"{}" => self.claim(Worker::Lives, 1, Some(popped)),
                popped => self.popped.extend(popped),
            },
            Step::ClaimPopped => {
                let popped = self.popped.pop();
                self.claim(Worker::Lives, 1, popped);
            }
            Step::Claim { max, worker } => self.claim(*worker, *max, None),
            Step::Finish(nth, end) => self.finish(*nth, *end, 0),
            Step::FinishAndClaim(nth, end, next) => self.finish(*nth, *end, *next),
            Step::Extend(nth) => drop(self.nth(*nth).map(|(worker, claim)| self.worker(worker).extend(LONG, &[claim]))),
            Step::Release(nth) => drop(self.nth(*nth).map(|(worker, claim)| self.worker(worker).release(&[claim]))),
            Step::Cancel(nth) => drop(self.email(*nth).map(|id| self.q.run(&cancel(&self.q.queue, id, LONG)))),
            Step::Reschedule(nth) => {
                let due = soon();
                self.email(*nth).map(|id| self.q.run(&reschedule(&self.q.queue, id, due)));
            }
            Step::Retry(nth) => drop(self.email(*nth).map(|id| self.q.run(&retry(&self.q.queue, id)))),
            Step::Discard(nth) => {
                let Some(id) = self.email(*nth) else { return };
                if self.q.run(&discard(&self.q.queue, id)) == Changed::Done {
                    self.discarded.insert(id);
                    assert_eq!(self.q.run(&discard(&self.q.queue, id)), Changed::Done, "it is not deleted yet");
                }
            }
            Step::MoveTo(nth, lane) => self.move_to(*nth, *lane),
            Step::Pause(lane) => {
                self.q.run(&pause(&self.q.queue, &[*lane]));
                self.paused.insert(lane.as_str());
            }
            Step::Resume(lane) => {
                self.q.run(&resume(&self.q.queue, &[*lane]));
                self.paused.remove(lane.as_str());
            }
            Step::Maintain => drop(self.q.maintain(eager())),
            Step::MakeRoom(wanted) => drop(self.q.run(&make_room(&self.q.queue, support::memory(*wanted)))),
            Step::HoldOff(nth, worker) => self.hold_off(*nth, *worker),
            Step::Ask(worker, well) => self.relay.ask(*worker, *well),
        }
    }

    fn move_to(&self, nth: usize, lane: Lane) {
        let Some(id) = self.email(nth) else { return };
        let before = self.q.record(id);
        match self.q.run(&move_to_lane(&self.q.queue, id, lane)) {
            Changed::Done => {
                let (before, after) = (before.unwrap(), self.q.record(id).unwrap());
                assert_eq!((after.lane, after.state, after.attempts), (lane, before.state, before.attempts));
            }
            Changed::Refused(state) => assert_eq!(before.map(|before| before.state), Some(state)),
            Changed::Unknown => assert!(before.is_none()),
        }
    }

    /// Nothing of a lane that is paused is claimed.
    fn note_claims(&mut self, worker: Worker, claimed: &[Claimed]) {
        for Claimed { claim, .. } in claimed {
            let lane = self.q.record(claim.id).unwrap().lane;
            assert!(!self.paused.contains(lane.as_str()), "{lane} is paused");
            self.claims.push((worker, *claim));
        }
    }

    fn hold_off(&self, nth: usize, worker: Worker) {
        let Some((_, claim)) = self.nth(nth) else { return };
        self.relay.hold_off(claim.id, !self.is_first, worker);
    }

    fn worker(&self, worker: Worker) -> &'a TestQueue {
        match worker {
            Worker::Lives => self.q,
            Worker::Dies => self.dying,
        }
    }

    fn claim(&mut self, worker: Worker, max: usize, popped: Option<PoppedEntry>) {
        let claimed = self.worker(worker).claim_popped(max, lease(worker), popped);
        self.note_claims(worker, &claimed);
    }

    fn finish(&mut self, nth: usize, end: End, next: usize) {
        let outcome = match end {
            End::Sent => Outcome::Sent,
            End::Delayed => delayed(Duration::from_millis(3)),
            End::Postponed => postponed(Duration::from_millis(3)),
            End::Returned => returned(),
            End::Failed => failed("never"),
            End::Scheduled => Outcome::Scheduled { due: soon() },
        };
        let Some((worker, claim)) = self.nth(nth) else { return };
        let claimed = self.worker(worker).finish_and_claim(claim, outcome, next, lease(worker)).next.emails;
        self.note_claims(worker, &claimed);
    }

    fn nth(&self, nth: usize) -> Option<(Worker, ClaimRef)> {
        (!self.claims.is_empty()).then(|| self.claims[nth % self.claims.len()])
    }

    fn email(&self, nth: usize) -> Option<EmailId> {
        (!self.accepted.is_empty()).then(|| self.accepted[nth % self.accepted.len()])
    }

    /// Every id known, with its state, after checking that it is where its state says and nowhere else.
    fn check_places(&self) -> BTreeMap<EmailId, State> {
        let mut places: BTreeMap<EmailId, Vec<&str>> = BTreeMap::new();
        for (lane, set) in Lane::ALL.into_iter().zip(["waiting:high", "waiting:normal", "waiting:low"]) {
            self.q.waiting(lane).into_iter().for_each(|id| places.entry(id).or_default().push(set));
        }
        let sets = [
            ("sending", self.q.sending()),
            ("scheduled", self.q.ids("scheduled")),
            ("finished", self.q.finished()),
            ("emptied", self.q.groups("emptied")),
            ("failed", self.q.ids("failed")),
        ];
        for (set, ids) in sets {
            ids.into_iter().for_each(|id| places.entry(id).or_default().push(set));
        }
        self.check_counts();
        let index = self.q.index();
        assert_eq!(index.len(), places.len(), "the index knows all and nothing else");
        self.q.check_bytes();
        index
            .into_iter()
            .map(|id| {
                let record = self.q.record(id).unwrap();
                let waiting = format!("waiting:{}", record.lane);
                let place = match record.state {
                    State::Queued => waiting.as_str(),
                    State::Sending => "sending",
                    State::Scheduled | State::Delayed => "scheduled",
                    // Pushed entries have no body here, so `make_room` may look at them in vain.
                    State::Sent | State::Canceled if record.removed.is_some() || places[&id] == ["emptied"] => {
                        "emptied"
                    }
                    State::Sent | State::Canceled => "finished",
                    State::Failed => "failed",
                };
                assert_eq!(places[&id], [place], "{id} is {}", record.state);
                (id, record.state)
            })
            .collect()
    }

    /// What is said of the queue at a glance agrees with its emails and lists.
    fn check_counts(&self) {
        let stats = self.q.run(&query::stats(&self.q.queue));
        let mut pushed = 0;
        for counted in stats.lanes {
            let (waiting, list) = (self.q.waiting(counted.lane), self.q.queue.list(counted.lane));
            let entries: Vec<String> = self.q.redis(&format!("LRANGE {list} 0 -1"));
            pushed += entries.iter().filter(|entry| *entry == "{}").count() as u64;
            assert_eq!(counted.queued, waiting.len() as u64);
            assert_eq!(counted.queued + counted.other_entries, counted.queued.max(entries.len() as u64));
            assert_eq!(counted.paused.is_some(), self.paused.contains(counted.lane.as_str()));
            let accepted = waiting.first().map(|id| self.q.record(*id).unwrap().created);
            assert_eq!(accepted.is_some(), counted.oldest.is_some());
            assert!(accepted <= counted.oldest && counted.oldest.is_none_or(|since| since <= stats.time));
        }
        // An email that waits and that a worker has popped has no entry.
        assert!(pushed <= stats.other_entries() + self.popped.len() as u64);
    }

    /// All workers die, and one new worker sends everything.
    fn drain(&mut self) {
        self.q.run(&resume(&self.q.queue, &[]));
        self.paused.clear();
        for worker in [Worker::Lives, Worker::Dies] {
            let its = self.claims.iter().filter(|(whose, _)| *whose == worker);
            self.worker(worker).extend(Duration::ZERO, &its.map(|(_, claim)| *claim).collect::<Vec<_>>());
        }
        testkit::wait::eventually_blocking(testkit::DEADLINE, "everything to be sent or failed", || {
            self.q.maintain(Maintenance { max_recoveries: 1000, ..eager() });
            for claimed in self.q.claim(10, LONG) {
                self.q.finish(claimed.claim, Outcome::Sent);
            }
            let depth = self.q.depth();
            depth.is_drained() && depth.scheduled == 0
        });
    }
}

impl RelayState<'_> {
    fn worker(&self, worker: Worker) -> &TestQueue {
        match worker {
            Worker::Lives => self.first,
            Worker::Dies => self.dying,
        }
    }

    fn hold_off(&self, email: EmailId, is_elsewhere: bool, worker: Worker) {
        let (class, error) = (Class::Connection, "refused");
        let failure = RelayFailure { email, is_elsewhere, age: Duration::ZERO, passed: None, class, error };
        let reporter = self.worker(worker);
        let answer = reporter.run(&hold_off(&reporter.queue, reporter.worker, &relay(), failure, BACK_OFF));
        let known = self.is_held_off.get() && self.prober.get() != Some(worker);
        match answer {
            Reported::HeldOff(wait) => {
                assert!(!known && wait >= BACK_OFF.base && wait <= BACK_OFF.max);
                self.is_held_off.set(true);
                self.prober.set(None);
            }
            Reported::Known(_) => assert!(known || !self.is_held_off.get(), "a failure of the probe counts"),
            Reported::EmailsOwn => assert!(!known),
        }
    }

    fn ask(&self, worker: Worker, well: bool) {
        let asking = self.worker(worker);
        let state = asking.run(&relay_access(&asking.queue, asking.worker, &relay(), false, LONG));
        let (is_held_off, prober) = (self.is_held_off.get(), self.prober.get());
        match state.access {
            Access::Free => assert!(!is_held_off),
            Access::HeldOff(_) => assert!(is_held_off && prober != Some(worker)),
            Access::Probe(_) => {
                assert!(is_held_off && prober.is_none_or(|prober| prober == worker), "one probe at a time");
                self.prober.set(Some(worker));
                if well {
                    let met = asking.run(&end_hold_off(&asking.queue, asking.worker, &relay())).unwrap();
                    self.other.run(&requeue_met(&self.other.queue, &met));
                    self.is_held_off.set(false);
                    self.prober.set(None);
                }
            }
        }
    }
}

fn lease(worker: Worker) -> Duration {
    match worker {
        Worker::Lives => LONG,
        Worker::Dies => Duration::ZERO,
    }
}

const BACK_OFF: HoldOffFor = HoldOffFor { base: Duration::from_millis(1), max: Duration::from_millis(5) };

fn relay() -> Relay {
    Relay::new("smtp://relay.example:25", None)
}

fn soon() -> Timestamp {
    Timestamp::now() + Duration::from_millis(3)
}

/// Each sequence of steps is one of both shards.
const SHARDS: usize = 2;

thread_local! {
    static QUEUE: TestQueue = TestQueue::start();
}
static CASE: AtomicUsize = AtomicUsize::new(0);

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn an_email_is_in_one_place_and_comes_to_an_end(
        steps in prop::collection::vec((0..SHARDS, step()), 1..80),
    ) {
        QUEUE.with(|q| {
            let case = CASE.fetch_add(1, Ordering::Relaxed);
            let queue = TestQueue::on(q, &format!("{{case{case}}}")).queue;
            let shards = Shards::new(queue, u16::try_from(SHARDS).unwrap()).unwrap();
            let queues: Vec<_> = shards.all().map(|shard| TestQueue::on(q, shards.queue(shard).name())).collect();
            let dying: Vec<_> = queues.iter().map(TestQueue::other_worker).collect();
            let relay = &RelayState {
                first: &queues[0],
                dying: &dying[0],
                other: &queues[1],
                is_held_off: Cell::new(false),
                prober: Cell::new(None),
            };
            let world = |(index, (q, dying))| World {
                q,
                dying,
                relay,
                is_first: index == 0,
                accepted: vec![],
                pushed: 0,
                popped: vec![],
                claims: vec![],
                discarded: BTreeSet::new(),
                paused: BTreeSet::new(),
            };
            let mut worlds: Vec<_> = queues.iter().zip(&dying).enumerate().map(world).collect();
            for (shard, step) in &steps {
                worlds[*shard].take(step);
                // A relay that works again sends emails of both on their way.
                let changed = if matches!(step, Step::Ask(..)) { 0..SHARDS } else { *shard..*shard + 1 };
                for world in &worlds[changed] {
                    world.check_places();
                }
            }
            for world in &mut worlds {
                world.drain();
                let states = world.check_places();
                let ended = |state: &State| matches!(state, State::Sent | State::Failed | State::Canceled);
                assert!(states.values().all(ended), "{states:?}");
                let gone = world.accepted.iter().filter(|id| !states.contains_key(id)).collect::<Vec<_>>();
                assert!(gone.iter().all(|id| world.discarded.contains(id)), "an accepted email is gone");
                assert_eq!(states.len() + gone.len(), world.accepted.len() + world.pushed);
                assert!(world.discarded.iter().all(|id| states.get(id).is_none_or(|state| *state == State::Canceled)));
            }
        });
    }
}
