//! Whatever happens in whatever order, an email is in exactly one place, and in the end it is sent, failed or canceled.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use email_queue::{
    EmailId, Lane, State,
    transition::{ClaimRef, Outcome, PoppedEntry, Sweep, cancel, reschedule},
};
use jiff::Timestamp;
use proptest::prelude::*;
use support::{LONG, TestQueue, eager};

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
        dies: bool,
    },
    /// The nth claim made so far, which may be long over.
    Finish(usize, End),
    Extend(usize),
    Release(usize),
    /// The nth email accepted so far.
    Cancel(usize),
    Reschedule(usize),
    Sweep,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Sent,
    Delayed,
    Failed,
    Scheduled,
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let end = prop::sample::select(vec![End::Sent, End::Delayed, End::Failed, End::Scheduled]);
    prop_oneof![
        4 => lane.clone().prop_map(Step::Enqueue),
        1 => (lane.clone(), 2..20usize).prop_map(|(lane, count)| Step::EnqueueBatch(lane, count)),
        1 => lane.clone().prop_map(Step::Schedule),
        1 => lane.prop_map(Step::PushJson),
        2 => Just(Step::Pop),
        1 => Just(Step::ClaimPopped),
        4 => (prop_oneof![3 => 1..4usize, 1 => 4..20usize], any::<bool>()).prop_map(|(max, dies)| Step::Claim { max, dies }),
        4 => (any::<usize>(), end).prop_map(|(nth, end)| Step::Finish(nth, end)),
        1 => any::<usize>().prop_map(Step::Extend),
        1 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Reschedule),
        3 => Just(Step::Sweep),
    ]
}

/// The queue, and what its workers have in their heads.
struct World<'a> {
    q: &'a TestQueue,
    accepted: Vec<EmailId>,
    pushed: usize,
    popped: Vec<PoppedEntry>,
    claims: Vec<ClaimRef>,
}

impl World<'_> {
    fn take(&mut self, step: &Step) {
        let soon = || Some(Timestamp::now() + Duration::from_millis(3));
        match step {
            Step::Enqueue(lane) => self.accepted.push(self.q.enqueue(*lane)),
            Step::EnqueueBatch(lane, count) => self.accepted.extend(self.q.enqueue_batch(*lane, *count)),
            Step::Schedule(lane) => self.accepted.push(self.q.enqueue_due(*lane, soon())),
            Step::PushJson(lane) => {
                self.q.push(&self.q.queue.list(*lane), "{}");
                self.pushed += 1;
            }
            Step::Pop => match self.q.pop() {
                // A raw entry that is popped and not claimed is nowhere: the one loss that a plain LPUSH risks.
                Some(popped) if popped.entry == b"{}" => self.claim(1, LONG, Some(popped)),
                popped => self.popped.extend(popped),
            },
            Step::ClaimPopped => {
                let popped = self.popped.pop();
                self.claim(1, LONG, popped);
            }
            Step::Claim { max, dies } => self.claim(*max, if *dies { Duration::ZERO } else { LONG }, None),
            Step::Finish(nth, end) => {
                let outcome = match end {
                    End::Sent => Outcome::Sent,
                    End::Delayed => Outcome::Delayed { retry_in: Duration::from_millis(3), error: "later".into() },
                    End::Failed => Outcome::Failed { error: "never".into() },
                    End::Scheduled => Outcome::Scheduled { due: soon().unwrap() },
                };
                self.nth(*nth).map(|claim| self.q.finish(claim, outcome));
            }
            Step::Extend(nth) => drop(self.nth(*nth).map(|claim| self.q.extend(LONG, &[claim]))),
            Step::Release(nth) => drop(self.nth(*nth).map(|claim| self.q.release(&[claim]))),
            Step::Cancel(nth) => drop(self.email(*nth).map(|id| self.q.run(&cancel(&self.q.queue, id, LONG)))),
            Step::Reschedule(nth) => {
                let due = soon().unwrap();
                self.email(*nth).map(|id| self.q.run(&reschedule(&self.q.queue, id, due)));
            }
            Step::Sweep => drop(self.q.sweep(eager())),
        }
    }

    fn claim(&mut self, max: usize, lease: Duration, popped: Option<PoppedEntry>) {
        self.claims.extend(self.q.claim_popped(max, lease, popped).iter().map(|claimed| claimed.claim));
    }

    fn nth(&self, nth: usize) -> Option<ClaimRef> {
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
        for set in ["sending", "scheduled", "finished", "failed"] {
            self.q.ids(set).into_iter().for_each(|id| places.entry(id).or_default().push(set));
        }
        let holders: BTreeSet<String> = self.q.redis(&format!("HKEYS {}:holders", self.q.queue.name()));
        assert_eq!(
            holders,
            self.q.ids("sending").iter().map(EmailId::to_string).collect(),
            "somebody has what is sent"
        );
        let index = self.q.index();
        assert_eq!(index.len(), places.len(), "the index knows all and nothing else");
        index
            .into_iter()
            .map(|id| {
                let record = self.q.record(id).unwrap();
                let waiting = format!("waiting:{}", record.lane);
                let place = match record.state {
                    State::Queued => waiting.as_str(),
                    State::Sending => "sending",
                    State::Scheduled | State::Delayed => "scheduled",
                    State::Sent | State::Canceled => "finished",
                    State::Failed => "failed",
                };
                assert_eq!(places[&id], [place], "{id} is {}", record.state);
                (id, record.state)
            })
            .collect()
    }

    /// All workers die, and one new worker sends everything.
    fn drain(&self) {
        self.q.extend(Duration::ZERO, &self.claims);
        testkit::wait::eventually_blocking(testkit::DEADLINE, "everything to be sent or failed", || {
            self.q.sweep(Sweep { max_recoveries: 1000, ..eager() });
            for claimed in self.q.claim(10, LONG) {
                self.q.finish(claimed.claim, Outcome::Sent);
            }
            let depth = self.q.depth();
            depth.is_drained() && depth.scheduled == 0
        });
    }
}

thread_local! {
    static QUEUE: TestQueue = TestQueue::start();
}
static CASE: AtomicUsize = AtomicUsize::new(0);

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn an_email_is_in_one_place_and_comes_to_an_end(steps in prop::collection::vec(step(), 1..60)) {
        QUEUE.with(|q| {
            let case = CASE.fetch_add(1, Ordering::Relaxed);
            let q = TestQueue::on(q, &format!("case{case}"));
            let mut world = World { q: &q, accepted: vec![], pushed: 0, popped: vec![], claims: vec![] };
            for step in &steps {
                world.take(step);
                world.check_places();
            }
            world.drain();
            let states = world.check_places();
            let ended = |state: &State| matches!(state, State::Sent | State::Failed | State::Canceled);
            assert!(states.values().all(ended), "{states:?}");
            assert!(world.accepted.iter().all(|id| states.contains_key(id)), "an accepted email is gone");
            assert_eq!(states.len(), world.accepted.len() + world.pushed);
        });
    }
}
