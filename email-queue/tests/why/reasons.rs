//! In 500 random queues each email's reason is the one for which it was put there, and its place the one in which it is claimed.

use std::{collections::HashMap, time::Duration};

use email_queue::{
    Class, EmailId, Lane, Relay,
    query::{Action, Reason},
    setup::{StartedWith, describe_worker},
    transition::{
        Enqueue, Enqueued, NewEmail, Outcome, cancel, discard, enqueue, extend, pause,
        relay::{HoldOffFor, RelayFailure, hold_off, hold_off_sender},
        retry,
    },
};
use jiff::Timestamp;

use crate::{
    random::Random,
    support::{LONG, TestQueue},
};

const REFUSED_SENDER: &str = "b@example.com";
const BACK_OFF: HoldOffFor = HoldOffFor { base: LONG, max: LONG };

/// What was done to an email last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Queued(Lane, &'static str),
    Scheduled(Lane, &'static str),
    InFlight,
    Sent,
    Failed,
    Canceled,
    Discarded,
    Delayed(Class, Lane, &'static str),
    /// Delayed, and its time has come.
    Due(Lane, &'static str),
}

/// A queue with emails in any state.
struct RandomQueue {
    q: TestQueue,
    emails: HashMap<EmailId, Truth>,
    paused: Vec<Lane>,
    worker_lives: bool,
    relay_is_held_off: bool,
    sender_is_held_off: bool,
}

#[test]
fn each_emails_reason_is_the_true_one_and_its_place_that_in_which_it_is_claimed() {
    let base = TestQueue::start();
    let mut random = Random(17);
    let mut seen = HashMap::new();
    for nth in 0..500 {
        let queue = RandomQueue::make(TestQueue::on(&base, &format!("q{nth}")), &mut random);
        let mut places: Vec<(u64, EmailId)> = Vec::new();
        for (id, truth) in &queue.emails {
            let why = queue.q.why(*id);
            let context = format!("queue {nth}: {id} {truth:?}: {why:?}");
            assert_eq!(why.reason, queue.reason_of(*truth), "{context}");
            assert!(!why.sentence.is_empty() && !why.sentence.contains("1970-"), "{context}");
            assert_eq!(why.also, queue.also(*truth), "{context}");
            assert_eq!(why.sentence.contains("Besides: "), !why.also.is_empty(), "{context}");
            // What is offered helps at once.
            let waits_on = why.also.iter().any(|reason| matches!(reason, Reason::Paused | Reason::NoWorker));
            assert!(why.action != Some(Action::Retry) || !waits_on, "{context}");
            // Each front has its own words for what can be done.
            assert!(
                !["POST ", "PATCH ", "DELETE ", "emailq"].iter().any(|word| why.sentence.contains(word)),
                "{context}"
            );
            *seen.entry(why.reason).or_insert(0) += 1;
            match truth {
                Truth::Queued(lane, _) if !queue.paused.contains(lane) => places.push((why.place.unwrap(), *id)),
                Truth::Queued(..) => {}
                _ => assert_eq!(why.place, None, "{context}"),
            }
            assert_eq!(why.worker.is_some(), *truth == Truth::InFlight, "{context}");
        }
        places.sort_unstable();
        assert_eq!(
            places.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
            (1..=places.len() as u64).collect::<Vec<_>>()
        );
        let in_order: Vec<_> = places.into_iter().map(|(_, id)| id).collect();
        assert_eq!(queue.q.other_worker().claim_ids(1000), in_order, "queue {nth}");
    }
    let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !seen.contains_key(reason)).collect();
    assert!(missing.is_empty(), "{missing:?} never came up: {seen:?}");
}

impl RandomQueue {
    fn make(q: TestQueue, random: &mut Random) -> Self {
        let worker_lives = !random.one_in(4);
        let (relay_is_held_off, sender_is_held_off) = (random.one_in(4), random.one_in(3));
        let mut queue =
            Self { q, emails: HashMap::new(), paused: Vec::new(), worker_lives, relay_is_held_off, sender_is_held_off };
        for _ in 0..2 {
            queue.enqueue(random);
            queue.deliver(random);
            queue.change(random);
        }
        if queue.worker_lives {
            queue.q.extend(LONG, &queue.in_flight());
        } else {
            let lease_ended = Timestamp::now().as_millisecond() - 1000;
            queue.q.redis::<()>(&format!("ZADD {}:workers XX {lease_ended} w", queue.q.queue.name()));
        }
        queue.hold_off();
        if queue.worker_lives && random.one_in(3) {
            queue.start_worker_with_another_relay(random.one_in(2));
        }
        for lane in Lane::ALL.into_iter().filter(|_| random.one_in(4)) {
            queue.pause(lane);
        }
        queue
    }

    fn enqueue(&mut self, random: &mut Random) {
        for _ in 0..random.below(10) {
            let (id, lane, from) =
                (EmailId::new(), random.of(&Lane::ALL), random.of(&["a@example.com", REFUSED_SENDER]));
            let due = random.one_in(5).then(|| Timestamp::now() + LONG);
            let json = format!(r#"{{"from":"Name <{from}>","to":["c@example.com"],"subject":"Hi","text":"Hello"}}"#);
            let email = NewEmail { id, lane, due, json: json.into() };
            let call = enqueue(&self.q.queue, Enqueue { emails: &[email], ..Enqueue::default() });
            assert_eq!(self.q.run(&call), Enqueued::Accepted);
            self.emails.insert(id, due.map_or(Truth::Queued(lane, from), |_| Truth::Scheduled(lane, from)));
        }
    }

    /// Claims some and records what may come of them.
    fn deliver(&mut self, random: &mut Random) {
        for claimed in self.q.claim(usize::try_from(random.below(8)).unwrap(), LONG) {
            let id = claimed.claim.id;
            let was = self.emails.insert(id, Truth::InFlight).unwrap();
            let class = random.of(&[Class::Deferred, Class::Connection, Class::Sender, Class::Throttled]);
            let (error, retry_in) = ("450 no".to_owned(), LONG);
            let Truth::Queued(lane, from) = was else { continue };
            let (outcome, becomes) = match random.below(7) {
                6 => (Outcome::Delayed { retry_in: Duration::ZERO, class, error }, Truth::Due(lane, from)),
                0 => continue,
                1 => (Outcome::Sent, Truth::Sent),
                2 => (Outcome::Failed { class: Class::Recipient, error }, Truth::Failed),
                3 => (Outcome::Returned { class, error }, was),
                4 => (Outcome::Delayed { retry_in, class, error }, Truth::Delayed(class, lane, from)),
                _ => (Outcome::Postponed { retry_in, class, error }, Truth::Delayed(class, lane, from)),
            };
            assert!(self.q.finish(claimed.claim, outcome));
            self.emails.insert(id, becomes);
        }
    }

    /// What clients and operators do.
    fn change(&mut self, random: &mut Random) {
        for (id, truth) in self.emails.clone() {
            match truth {
                Truth::Queued(..) | Truth::Scheduled(..) | Truth::Delayed(..) if random.one_in(6) => {
                    self.q.run(&cancel(&self.q.queue, id, LONG));
                    self.emails.insert(id, Truth::Canceled);
                }
                Truth::Queued(..) | Truth::Scheduled(..) | Truth::Delayed(..) | Truth::Failed if random.one_in(8) => {
                    self.q.run(&discard(&self.q.queue, id));
                    self.emails.insert(id, Truth::Discarded);
                }
                Truth::Failed if random.one_in(2) => {
                    self.q.run(&retry(&self.q.queue, id));
                    let lane = self.q.record(id).unwrap().lane;
                    self.emails.insert(id, Truth::Queued(lane, self.sender(id)));
                }
                _ => {}
            }
        }
    }

    fn sender(&self, id: EmailId) -> &'static str {
        let json = String::from_utf8(self.q.record(id).unwrap().json).unwrap();
        if json.contains(REFUSED_SENDER) { REFUSED_SENDER } else { "a@example.com" }
    }

    fn in_flight(&self) -> Vec<email_queue::transition::ClaimRef> {
        let ids = self.emails.iter().filter(|(_, truth)| **truth == Truth::InFlight).map(|(id, _)| *id);
        ids.map(|id| email_queue::transition::ClaimRef { id, number: 1 }).collect()
    }

    fn hold_off(&self) {
        let relay = Relay::new("smtp://relay.example:25", None);
        if self.sender_is_held_off {
            let call = hold_off_sender(&self.q.queue, &relay, REFUSED_SENDER, Class::Sender, "550 not yours", BACK_OFF);
            self.q.run(&call);
        }
        if self.relay_is_held_off {
            self.fail(&relay);
        }
    }

    fn fail(&self, relay: &Relay) {
        let failure = RelayFailure {
            email: EmailId::new(),
            is_elsewhere: false,
            age: Duration::ZERO,
            passed: None,
            class: Class::Connection,
            error: "refused",
        };
        self.q.run(&hold_off(&self.q.queue, self.q.worker, relay, failure, BACK_OFF));
    }

    /// It sends what waits, whatever the other relay refuses, unless its own fails too.
    fn start_worker_with_another_relay(&mut self, fails: bool) {
        let other = Relay::new("smtp://relay.example:25", Some("another user"));
        let with = StartedWith {
            host: "mail-2",
            pid: 7,
            version: "1.2.3",
            age: Duration::ZERO,
            concurrency: 50,
            shards: 1,
            relays: &[&other],
        };
        self.q.run(&extend(&self.q.queue, "w2", LONG, LONG, &[]));
        self.q.run(&describe_worker(&self.q.queue, "w2", LONG, with));
        if fails && self.relay_is_held_off {
            self.fail(&other);
        } else {
            self.relay_is_held_off = false;
        }
        // Another relay may take it.
        self.sender_is_held_off = false;
    }

    fn pause(&mut self, lane: Lane) {
        self.q.run(&pause(&self.q.queue, &[lane]));
        self.paused.push(lane);
    }

    fn reason_of(&self, truth: Truth) -> Reason {
        match truth {
            Truth::Queued(lane, _) | Truth::Due(lane, _) if self.paused.contains(&lane) => Reason::Paused,
            Truth::Queued(..) | Truth::Due(..) if !self.worker_lives => Reason::NoWorker,
            Truth::Queued(..) | Truth::Due(..) if self.relay_is_held_off => Reason::RelayHeldOff,
            Truth::Queued(_, REFUSED_SENDER) | Truth::Due(_, REFUSED_SENDER) if self.sender_is_held_off => {
                Reason::SenderHeldOff
            }
            Truth::Queued(..) | Truth::Due(..) => Reason::WaitingInLane,
            Truth::Scheduled(..) => Reason::Scheduled,
            Truth::InFlight => Reason::InFlight,
            Truth::Sent => Reason::Sent,
            Truth::Failed => Reason::Failed,
            Truth::Canceled => Reason::Canceled,
            Truth::Discarded => Reason::Discarded,
            Truth::Delayed(Class::Sender, ..) => Reason::SenderHeldOff,
            Truth::Delayed(Class::Connection | Class::Throttled, ..) if self.relay_is_held_off => Reason::RelayHeldOff,
            Truth::Delayed(Class::Throttled, ..) => Reason::RateLimited,
            Truth::Delayed(..) => Reason::BackOff,
        }
    }

    /// What stops the email when that reason is gone.
    fn also(&self, truth: Truth) -> Vec<Reason> {
        let (lane, sender) = match truth {
            Truth::Queued(lane, sender) | Truth::Due(lane, sender) => (lane, sender),
            Truth::Scheduled(lane, sender) | Truth::Delayed(_, lane, sender) => (lane, sender),
            Truth::InFlight if !self.worker_lives => return vec![Reason::NoWorker],
            Truth::InFlight | Truth::Sent | Truth::Failed | Truth::Canceled | Truth::Discarded => return Vec::new(),
        };
        let holds = [
            (Reason::Paused, self.paused.contains(&lane)),
            (Reason::NoWorker, !self.worker_lives),
            (Reason::RelayHeldOff, self.relay_is_held_off),
            (Reason::SenderHeldOff, self.sender_is_held_off && sender == REFUSED_SENDER),
        ];
        let first = self.reason_of(truth);
        holds.into_iter().filter(|(reason, holds)| *holds && *reason != first).map(|(reason, _)| reason).collect()
    }
}
