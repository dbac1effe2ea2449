//! Redis commands and CPU time of an idle worker.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Persistence, RedisServer};

use crate::bench::Bench;
use crate::queue;
use crate::redis_server::{self, Info};
use crate::report::{Row, Target};
use crate::worker::{Log, Worker};

const SEND_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let server = redis_server::start(bench, Persistence::None)?;
    let worker = Worker::start(bench, &server.url(), "null:", Log::Warnings)?;
    worker.wait_until_idle(&server)?;
    observe(bench, rows, &server, &worker, bench.pick(20, 10), "an empty queue")?;

    let emails = bench.pick(10_000, 2_000);
    queue::fill(&server, emails)?;
    worker.wait_until_sent(&server, emails, SEND_LIMIT)?;
    // Long enough that maintenance, once a minute, and a renewal of the lease, every 20 s, do not weigh more than they
    // do.
    observe(bench, rows, &server, &worker, bench.pick(60, 30), &format!("after {emails} emails"))
}

fn observe(
    bench: &Bench<'_>,
    rows: &mut Vec<Row>,
    server: &RedisServer,
    worker: &Worker,
    seconds: u64,
    when: &str,
) -> anyhow::Result<()> {
    bench.say(&format!("idle: one worker for {seconds} s, {when}"));
    let (start, cpu) = (Instant::now(), worker.usage()?.cpu);
    let new = commands(server, seconds)?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), worker.usage()?.cpu - cpu);

    let rate = new.iter().map(|(_, calls)| calls).sum::<u64>() as f64 / seconds;
    let most: Vec<_> = new.iter().take(4).map(|(name, calls)| format!("{name} {calls}")).collect();
    let row = Row::new(format!("Redis commands, {when}"), rate, "/s").target(Target::AtMost(2.0));
    rows.push(row.note(format!("in {:.0} s: {}", seconds, most.join(", "))));
    rows.push(Row::new(format!("worker CPU, {when}"), cpu.as_secs_f64() * 1e3 / seconds, "ms/s"));
    Ok(())
}

/// The commands that Redis carries out in so many seconds, those inside scripts included, most frequent first.
pub(super) fn commands(server: &RedisServer, seconds: u64) -> anyhow::Result<Vec<(String, u64)>> {
    let mut connection = redis_server::connect(server)?;
    let before = Info::read(&mut connection, "commandstats")?.calls();
    thread::sleep(Duration::from_secs(seconds));
    let after = Info::read(&mut connection, "commandstats")?.calls();
    Ok(new_calls(&before, &after))
}

/// The commands between two readings, those inside scripts included, most frequent first. The first reading is not
/// counted.
fn new_calls(before: &HashMap<String, u64>, after: &HashMap<String, u64>) -> Vec<(String, u64)> {
    let new = |(name, calls): (&String, &u64)| {
        let ours = u64::from(name == "info");
        let new = calls.saturating_sub(before.get(name).copied().unwrap_or(0)).saturating_sub(ours);
        (new > 0).then(|| (name.clone(), new))
    };
    let mut new: Vec<_> = after.iter().filter_map(new).collect();
    new.sort_by(|(name, calls), (other, others)| others.cmp(calls).then(name.cmp(other)));
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_look_does_not_count() {
        let calls = |list: &[(&str, u64)]| list.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect();
        let before = calls(&[("info", 3), ("brpop", 7), ("ping", 1)]);
        let after = calls(&[("info", 4), ("brpop", 9), ("ping", 1), ("evalsha", 5)]);
        assert_eq!(new_calls(&before, &after), [("evalsha".to_owned(), 5), ("brpop".to_owned(), 2)]);
    }
}
