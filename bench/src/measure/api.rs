//! Requests per second of the API, as a component and as a native server, and how long they take, beside two others: a component that only pushes what it gets, which
//! is what the host can give, and the API that a Node project would write, with fastify and BullMQ.
//!
//! Of the API itself: one email, a hundred, and three more requests: a route without body and Redis, one that only
//! sends Redis a `PING`, and an email that is read, checked and refused. The last shows the cost of a `POST` without
//! Redis.
//!
//! All alternate, so that a slow moment of the machine affects all of them. Each figure is the median of its rounds.

mod rounds;

use anyhow::Context;
use harness::Persistence;

use self::rounds::{Kind, Measured, PEER, Subject};
use crate::api_host::{ApiHost, Wasi};
use crate::bench::Bench;
use crate::peers;
use crate::redis_server;
use crate::report::{Row, Target};

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let server = redis_server::start(bench, Persistence::None)?;
    let mut hosts = Vec::new();
    for wasi in Wasi::built(bench) {
        hosts.push((Subject::Api(wasi), ApiHost::start(bench, &server, wasi)?));
    }
    if bench.programs.wasip3.is_some() {
        hosts.push((Subject::Ceiling, ApiHost::start_ceiling(bench, &server)?));
    }
    hosts.push((Subject::Native, ApiHost::start_native(bench, &server)?));
    // Without Node.js, the others are measured all the same.
    let peer = peers::http_peer(&bench.programs.peers, &server.url(), &|said| bench.say(said))
        .and_then(|mut program| ApiHost::start_program(bench, &mut program));
    let missing = match peer {
        Ok(peer) => {
            hosts.push((Subject::Peer, peer));
            None
        }
        Err(error) => Some(error),
    };

    let kinds =
        hosts.iter().flat_map(|(subject, host)| subject.kinds().iter().map(move |kind| (*subject, host, *kind)));
    let mut measured: Vec<_> = kinds.map(|(subject, host, kind)| Measured::new(subject, kind, host)).collect();
    let total = bench.pick(5, 3);
    for round in 1..=total {
        bench.say(&format!("api: round {round} of {total}"));
        for measured in &mut measured {
            measured.one_round(bench, &server).with_context(|| measured.name(bench))?;
        }
    }
    for one in &measured {
        show(bench, rows, one, &measured);
    }
    missing.map_or(Ok(()), Err)
}

fn show(bench: &Bench<'_>, rows: &mut Vec<Row>, measured: &Measured<'_>, all: &[Measured<'_>]) {
    let rate = |subject, kind| {
        let found = all.iter().find(|other| other.subject == subject && other.kind == kind)?;
        Some(found.per_second())
    };
    let row = Row::new(measured.name(bench), measured.per_second(), "requests/s");
    let over = |rows: &mut Vec<Row>, subject, of: &str, least| {
        if let Some(other) = rate(subject, measured.kind) {
            let row = Row::new("  the same", measured.per_second(), "requests/s").over(other, of);
            rows.push(row.target(Target::AtLeast(least)));
        }
    };
    rows.push(match measured.kind {
        Kind::Batch => row.note(format!("{:.0} emails/s", measured.per_second() * rounds::BATCH as f64)),
        _ => row,
    });
    if measured.kind == Kind::OneOfMany && measured.subject == Subject::Native {
        over(rows, Subject::Peer, PEER, 2.2);
    }
    if measured.kind == Kind::One {
        match measured.subject {
            Subject::Native => over(rows, Subject::Peer, PEER, 1.8),
            Subject::Api(Wasi::P2) => over(rows, Subject::Peer, PEER, 0.1),
            Subject::Api(Wasi::P3) => {
                over(rows, Subject::Ceiling, "the host's ceiling", 0.6);
                over(rows, Subject::Peer, PEER, 0.38);
            }
            Subject::Ceiling | Subject::Peer => {}
        }
    }
    rows.push(Row::new("  p50", measured.milliseconds(|load| load.p50), "ms"));
    let p99 = Row::new("  p99", measured.milliseconds(|load| load.p99), "ms");
    let is_one = matches!(measured.kind, Kind::One | Kind::OneOfMany);
    let peer = all.iter().find(|other| other.subject == Subject::Peer && other.kind == measured.kind);
    let most = match measured.subject {
        Subject::Api(Wasi::P3) if measured.kind == Kind::One => Some(5.0),
        Subject::Native if is_one => peer.map(|peer| peer.milliseconds(|load| load.p99)),
        _ => None,
    };
    rows.push(match most {
        Some(most) => p99.target(Target::AtMost(most)),
        None => p99,
    });
    if is_one {
        rows.push(Row::new("  processor, host", measured.host_microseconds(), "µs/request"));
        rows.push(Row::new("  processor, Redis", measured.redis_microseconds(), "µs/request"));
    }
}
