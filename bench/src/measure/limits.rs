//! The limits of this machine, measured without the project's code: Redis with one command at a time, a list between
//! two programs; and the API without Redis.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use harness::{Persistence, RedisServer};

use crate::api_host::{ApiHost, Wasi};
use crate::bench::Bench;
use crate::load::{self, Request};
use crate::redis_benchmark;
use crate::redis_server::{self, Info};
use crate::report::Row;
use crate::samples::percentile;

/// How long one entry may take from a push to a pop.
const PUSH_LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let server = redis_server::start(bench, Persistence::None)?;
    bench.say("limits: redis-benchmark, LPUSH and RPOP");
    let limits = redis_benchmark::run(bench, &server)?;
    rows.push(Row::new("redis-benchmark LPUSH", limits.lpush, "/s").note("16 connections, no pipelining"));
    rows.push(Row::new("redis-benchmark RPOP", limits.rpop, "/s"));

    let samples = bench.pick(2_000, 300);
    bench.say(&format!("limits: LPUSH to BRPOP between two connections, {samples} times"));
    let waits = lpush_to_brpop(&server, samples)?;
    for percent in [50.0, 99.0] {
        rows.push(Row::new(format!("LPUSH to BRPOP, p{percent}"), percentile(&waits, percent), "ms"));
    }

    bench.say("limits: the API where it needs no Redis, under wrk");
    for wasi in Wasi::built(bench) {
        let host = ApiHost::start(bench, &server, wasi)?;
        let request = Request { method: "GET", url: &host.url("/healthz"), body: None, connections: load::CONNECTIONS };
        let load = load::run(bench, request, bench.pick(3, 1))?;
        rows.push(Row::new(format!("GET /healthz, {}", wasi.name(bench)), load.per_second(), "requests/s"));
    }
    Ok(())
}

/// From before an `LPUSH` is sent on one connection to after a `BRPOP` that waits on another has returned, in ms.
///
/// # Errors
/// Redis is unreachable.
pub(crate) fn lpush_to_brpop(server: &RedisServer, samples: usize) -> anyhow::Result<Vec<f64>> {
    let (mut pusher, mut popper) = (redis_server::connect(server)?, redis_server::connect(server)?);
    let (sender, popped) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..samples {
                let answer = redis::cmd("BRPOP").arg("raw").arg(60).exec(&mut popper);
                if sender.send((Instant::now(), answer)).is_err() {
                    return;
                }
            }
        });
        let mut waits = Vec::with_capacity(samples);
        for _ in 0..samples {
            while Info::read(&mut pusher, "clients")?.number("blocked_clients")? < 1.0 {
                thread::yield_now();
            }
            // The reader must be asleep, as it is where little is to be done.
            thread::sleep(Duration::from_millis(2));
            let start = Instant::now();
            redis::cmd("LPUSH").arg("raw").arg("entry").exec(&mut pusher)?;
            let (end, answer) = popped.recv_timeout(PUSH_LIMIT).context("BRPOP has not returned")?;
            answer?;
            waits.push((end - start).as_secs_f64() * 1e3);
        }
        Ok(waits)
    })
}
