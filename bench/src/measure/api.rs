//! Requests per second of the API, and how long they take: one email, a hundred, and two requests that need no Redis: a
//! route without a body, and an email that is read and checked as any other, and refused. The second one says how much
//! of a `POST` would be left if Redis, and the way there, cost nothing.
//!
//! The kinds of request take turns, so that a machine that is slow for a while is slow for all of them, and each figure
//! is the median of its rounds.

use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::api_host::{ApiHost, Wasi};
use crate::bench::Bench;
use crate::load::{self, CONNECTIONS, Load, Request};
use crate::queue::{self, Client};
use crate::redis_server::{Persistence, RedisServer};
use crate::report::{Row, Target};
use crate::samples::median;

/// How many emails a batch has: the most that one may have.
const BATCH: u64 = 100;

/// When nothing has come in for so long, nothing more will.
const QUIET: Duration = Duration::from_millis(200);

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    NoRedis,
    Refused,
    One,
    Batch,
}

const KINDS: [Kind; 4] = [Kind::NoRedis, Kind::Refused, Kind::One, Kind::Batch];

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let server = RedisServer::start(bench, Persistence::None)?;
    let builds = Wasi::built(bench);
    let hosts = builds.iter().map(|wasi| ApiHost::start(bench, &server, *wasi)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut rounds: Vec<Rounds> = builds.iter().flat_map(|wasi| KINDS.map(|kind| Rounds::new(*wasi, kind))).collect();
    let total = bench.pick(5, 3);
    for round in 1..=total {
        bench.say(&format!("api: round {round} of {total}"));
        for measured in &mut rounds {
            let host = &hosts[usize::from(measured.wasi == Wasi::P3)];
            let load = one_round(bench, &server, host, measured.kind)
                .with_context(|| format!("{}, {}", measured.kind.name(), measured.wasi.name()))?;
            measured.loads.push(load);
        }
    }
    show(rows, &rounds)
}

/// One kind of request for a second or two. Every 2xx must be in Redis, and nothing may be refused but what is meant to be.
fn one_round(bench: &Bench<'_>, server: &RedisServer, host: &ApiHost, kind: Kind) -> anyhow::Result<Load> {
    server.empty()?;
    let (method, path, emails) = match kind {
        Kind::NoRedis => ("GET", "/healthz", 0),
        Kind::Refused => ("POST", "/emails", 0),
        Kind::One => ("POST", "/emails", 1),
        Kind::Batch => ("POST", "/emails/batch", BATCH),
    };
    let body = match kind {
        Kind::NoRedis => None,
        // The time is the last thing that is checked.
        Kind::Refused => Some(queue::email(1).replacen('{', r#"{"scheduled_at":"2999-01-01T00:00:00Z","#, 1)),
        Kind::One => Some(queue::email(1)),
        Kind::Batch => Some(format!("[{}]", (1..=BATCH).map(queue::email).collect::<Vec<_>>().join(","))),
    };
    let request = Request { method, url: &host.url(path), body: body.as_deref() };
    let load = load::run(bench, request, bench.pick(2, 1))?;
    host.check()?;
    let refused = if kind == Kind::Refused { load.answers } else { 0 };
    ensure!(load.refused == refused, "{} of {} answers are no 2xx", load.refused, load.answers);
    ensure!(load.broken == 0, "{} connections failed", load.broken);
    // wrk breaks off what has no answer yet when its time is over: at most one request of each connection.
    let (answered, accepted) = (load.answers * emails, accepted_in_the_end(server)?);
    ensure!(
        (answered..=answered + CONNECTIONS * emails).contains(&accepted),
        "{answered} emails got a 2xx, and {accepted} are in Redis"
    );
    Ok(load)
}

/// How many emails are in Redis once the last requests, whose client has gone, are dealt with.
fn accepted_in_the_end(server: &RedisServer) -> anyhow::Result<u64> {
    let client = Client::open(server)?;
    let mut last = client.accepted()?;
    loop {
        thread::sleep(QUIET);
        let now = client.accepted()?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}

/// All rounds of one kind of request to one build.
struct Rounds {
    wasi: Wasi,
    kind: Kind,
    loads: Vec<Load>,
}

impl Rounds {
    fn new(wasi: Wasi, kind: Kind) -> Rounds {
        Rounds { wasi, kind, loads: Vec::new() }
    }

    fn per_second(&self) -> f64 {
        self.median(Load::per_second)
    }

    fn milliseconds(&self, time: fn(&Load) -> Duration) -> f64 {
        self.median(|load| time(load).as_secs_f64() * 1e3)
    }

    fn median(&self, figure: impl Fn(&Load) -> f64) -> f64 {
        median(&self.loads.iter().map(figure).collect::<Vec<_>>())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::NoRedis => "GET /healthz",
            Kind::Refused => "POST /emails, refused",
            Kind::One => "POST /emails",
            Kind::Batch => "POST /emails/batch of 100",
        }
    }
}

fn show(rows: &mut Vec<Row>, rounds: &[Rounds]) -> anyhow::Result<()> {
    let rate = |wasi, kind| {
        let found = rounds.iter().find(|rounds| rounds.wasi == wasi && rounds.kind == kind);
        found.map(Rounds::per_second).context("a kind of request was not measured")
    };
    for measured in rounds {
        let Rounds { wasi, kind, .. } = *measured;
        let name = format!("{}, {}", kind.name(), wasi.name());
        let row = Row::new(&name, measured.per_second(), "requests/s");
        rows.push(match kind {
            Kind::NoRedis => row,
            Kind::Refused => row.over(rate(wasi, Kind::NoRedis)?, "GET /healthz"),
            Kind::One => {
                let target = Target::AtLeast(if wasi == Wasi::P3 { 0.8 } else { 0.5 });
                row.over(rate(wasi, Kind::NoRedis)?, "GET /healthz").target(target)
            }
            Kind::Batch => row.note(format!("{:.0} emails/s", measured.per_second() * BATCH as f64)),
        });
        if wasi == Wasi::P3 && kind == Kind::One {
            let row = Row::new("  the same", measured.per_second(), "requests/s");
            rows.push(row.over(rate(Wasi::P2, Kind::One)?, "WASI 0.2").target(Target::AtLeast(2.5)));
        }
        rows.push(Row::new("  p50", measured.milliseconds(|load| load.p50), "ms"));
        rows.push(Row::new("  p99", measured.milliseconds(|load| load.p99), "ms"));
    }
    Ok(())
}
