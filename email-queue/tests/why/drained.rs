//! 500 random queues are emptied at rates of their own: when an email was said to be sent comes about true.

use std::{
    collections::HashMap,
    thread,
    time::{Duration, Instant},
};

use email_queue::{
    EmailId, Lane,
    maintenance::sample,
    transition::{ClaimRef, Finish, Next, Outcome, Progress, finish},
};

use crate::{
    random::Random,
    support::{LONG, PERIODS, TestQueue},
};

const QUEUES: usize = 500;
/// How long a step of all queues takes, if the machine is fast enough, and how far apart samples are. Rates are kept by steps and not
/// by the clock: a machine that stalls does not catch up.
const STEP: Duration = Duration::from_millis(500);
/// For how many steps a rate is measured before it is asked for, at least. Not all are asked at once, or the test would stand still.
const MEASURED: u64 = 8;
/// Emails that take fewer steps are sent in one of the next ones, whatever their place.
const SHORTEST: u64 = 4;
const LONGEST: Duration = Duration::from_secs(120);

/// A queue, and a worker that is as fast as its relay.
struct Drained {
    q: TestQueue,
    random: Random,
    /// Emails per step.
    rate: f64,
    /// The part of the rate at which urgent emails arrive.
    urgent: f64,
    claimed: usize,
    arrived: usize,
    in_flight: Vec<ClaimRef>,
    steps: u64,
    /// After how many steps some of its emails are asked for.
    ask_after: u64,
    /// When, in which step, and what the estimate was.
    asked: HashMap<EmailId, (Instant, u64, Duration)>,
}

#[test]
fn the_estimate_is_within_a_factor_of_two_in_four_of_five_cases() {
    let base = TestQueue::start();
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let server = base.server.clone();
            thread::spawn(move || drain_all(&TestQueue::beside(&server), thread))
        })
        .collect();
    let factors: Vec<f64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let close = factors.iter().filter(|factor| (0.5..=2.0).contains(*factor)).count();
    assert!(factors.len() >= QUEUES, "only {} emails took long enough", factors.len());
    let told = format!("{close} of {} are within a factor of two", factors.len());
    eprintln!("{told}");
    assert!(close * 5 >= factors.len() * 4, "{told}");
}

/// By which factor each estimate was wrong.
fn drain_all(base: &TestQueue, thread: usize) -> Vec<f64> {
    let queues = (thread..QUEUES).step_by(2);
    let mut queues: Vec<_> = queues.map(|nth| Drained::new(TestQueue::on(base, &format!("q{nth}")), nth)).collect();
    let began = Instant::now();
    let mut factors = Vec::new();
    while queues.iter().any(|queue| queue.steps <= queue.ask_after || !queue.asked.is_empty()) {
        assert!(began.elapsed() < LONGEST, "some are not sent");
        let step = Instant::now();
        for queue in &mut queues {
            queue.step(&mut factors);
        }
        thread::sleep(STEP.saturating_sub(step.elapsed()));
    }
    factors
}

impl Drained {
    fn new(q: TestQueue, seed: usize) -> Self {
        let mut random = Random(seed as u64);
        let rate = random.of(&[2.0, 4.0, 6.0, 10.0]);
        let urgent = random.of(&[0.0, 0.0, 0.2, 0.4]);
        let ask_after = MEASURED + random.below(6);
        // For eight to sixteen steps from then on.
        let steps = ask_after + 8 + random.below(8);
        let emails = rate * steps as f64 * (1.0 - urgent);
        for (lane, part) in [(Lane::High, 0.1), (Lane::Normal, 0.6), (Lane::Low, 0.3)] {
            q.enqueue_batch(lane, (emails * part).ceil() as usize);
        }
        let (in_flight, asked) = (Vec::new(), HashMap::new());
        Self { q, random, rate, urgent, claimed: 0, arrived: 0, in_flight, steps: 0, ask_after, asked }
    }

    /// Sends what is due, and lets arrive what does.
    fn step(&mut self, factors: &mut Vec<f64>) {
        self.steps += 1;
        let passed = self.rate * self.steps as f64;
        let arriving = (passed * self.urgent) as usize - self.arrived;
        if arriving > 0 {
            self.q.enqueue_batch(Lane::High, arriving);
            self.arrived += arriving;
        }
        let max = passed as usize - self.claimed;
        let finished: Vec<_> = self.in_flight.drain(..).map(sent).collect();
        let next = Next { lease: LONG, max, max_bytes: usize::MAX >> 12 };
        let answer = self.q.run(&finish(&self.q.queue, self.q.worker, PERIODS, &finished, Some(next)));
        self.in_flight = answer.next.emails.iter().map(|claimed| claimed.claim).collect();
        // What an idle relay could have taken is lost.
        self.claimed += max;
        for id in finished.iter().map(|finish| finish.claim.id) {
            if let Some((asked, step, estimated)) = self.asked.remove(&id)
                && self.steps >= step + SHORTEST
            {
                factors.push(estimated.as_secs_f64() / asked.elapsed().as_secs_f64());
            }
        }
        self.q.run(&sample(&self.q.queue, STEP / 2, &Default::default()));
        if self.steps == self.ask_after {
            self.ask();
        }
    }

    /// Asks of some that wait.
    fn ask(&mut self) {
        for lane in [Lane::Normal, Lane::Normal, Lane::Low, Lane::Low] {
            let waiting = self.q.waiting(lane);
            let Some(last) = waiting.len().checked_sub(1) else { continue };
            let id = waiting[last - usize::try_from(self.random.below(1 + last as u64 / 2)).unwrap()];
            let estimated = self.q.why(id).estimated_in.unwrap_or_default();
            self.asked.insert(id, (Instant::now(), self.steps, estimated));
        }
    }
}

fn sent(claim: ClaimRef) -> Finish {
    Finish::new(claim, Outcome::Sent, Progress::default())
}
