//! One kind of request to one program, for a second or two at a time.

use std::thread;
use std::time::Duration;

use anyhow::ensure;
use harness::RedisServer;

use crate::api_host::{ApiHost, Wasi};
use crate::bench::Bench;
use crate::load::{self, CONNECTIONS, Load, Request};
use crate::queue::{self, Client};
use crate::redis_server::{self, Info};
use crate::samples::median;

/// The name of what Node serves, in the rows.
pub(super) const PEER: &str = "fastify + BullMQ";

/// How many emails a batch has: the most that one may have.
pub(super) const BATCH: u64 = 100;

/// After this time without arrivals, nothing more will come.
const QUIET: Duration = Duration::from_millis(200);

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Api(Wasi),
    Native,
    Ceiling,
    Peer,
}

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NoRedis,
    Ready,
    Refused,
    One,
    /// The same from more clients at a time.
    OneOfMany,
    Batch,
}

/// How many connections [`Kind::OneOfMany`] has.
pub(super) const MANY: u64 = 64;

impl Subject {
    /// What it serves.
    pub(super) fn kinds(self) -> &'static [Kind] {
        match self {
            Subject::Api(_) => &[Kind::NoRedis, Kind::Ready, Kind::Refused, Kind::One, Kind::Batch],
            Subject::Native => &[Kind::NoRedis, Kind::Ready, Kind::Refused, Kind::One, Kind::OneOfMany, Kind::Batch],
            Subject::Ceiling => &[Kind::One],
            Subject::Peer => &[Kind::NoRedis, Kind::One, Kind::OneOfMany],
        }
    }

    fn name(self, bench: &Bench<'_>) -> String {
        match self {
            Subject::Api(wasi) => wasi.name(bench),
            Subject::Native => "native server".to_owned(),
            Subject::Ceiling => format!("ceiling of WASI 0.3 on {}", bench.host_name),
            Subject::Peer => format!("{PEER} on Node.js"),
        }
    }

    /// How many emails it has put into Redis.
    fn accepted(self, server: &RedisServer) -> anyhow::Result<u64> {
        let list = match self {
            Subject::Api(_) | Subject::Native => return Client::open(server)?.accepted(),
            Subject::Ceiling => "emails",
            Subject::Peer => "bull:emails:wait",
        };
        Ok(redis::cmd("LLEN").arg(list).query(&mut redis_server::connect(server)?)?)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::NoRedis => "GET /healthz",
            Kind::Ready => "GET /readyz",
            Kind::Refused => "POST /emails, refused",
            Kind::One => "POST /emails",
            Kind::OneOfMany => "POST /emails, 64 connections",
            Kind::Batch => "POST /emails/batch of 100",
        }
    }

    /// Method, path, and how many emails it hands in.
    fn request(self) -> (&'static str, &'static str, u64) {
        match self {
            Kind::NoRedis => ("GET", "/healthz", 0),
            Kind::Ready => ("GET", "/readyz", 0),
            Kind::Refused => ("POST", "/emails", 0),
            Kind::One | Kind::OneOfMany => ("POST", "/emails", 1),
            Kind::Batch => ("POST", "/emails/batch", BATCH),
        }
    }

    fn connections(self) -> u64 {
        if self == Kind::OneOfMany { MANY } else { CONNECTIONS }
    }

    fn body(self) -> Option<String> {
        match self {
            Kind::NoRedis | Kind::Ready => None,
            // The time is the last thing that is checked.
            Kind::Refused => Some(queue::email(1).replacen('{', r#"{"scheduled_at":"2999-01-01T00:00:00Z","#, 1)),
            Kind::One | Kind::OneOfMany => Some(queue::email(1)),
            Kind::Batch => Some(format!("[{}]", (1..=BATCH).map(queue::email).collect::<Vec<_>>().join(","))),
        }
    }
}

/// All rounds of one kind of request to one program.
pub(super) struct Measured<'a> {
    pub(super) subject: Subject,
    pub(super) kind: Kind,
    host: &'a ApiHost,
    loads: Vec<Load>,
    /// What the host and Redis had used of the processor for each request of a round, in µs.
    processor: Vec<(f64, f64)>,
}

impl<'a> Measured<'a> {
    pub(super) fn new(subject: Subject, kind: Kind, host: &'a ApiHost) -> Self {
        Self { subject, kind, host, loads: Vec::new(), processor: Vec::new() }
    }

    /// The kind of request, who is asked, and what runs it.
    pub(super) fn name(&self, bench: &Bench<'_>) -> String {
        format!("{}, {}", self.kind.name(), self.subject.name(bench))
    }

    /// Sends requests for a second or two. Every email that got a 2xx must be in Redis, and only requests meant to be
    /// refused may be.
    pub(super) fn one_round(&mut self, bench: &Bench<'_>, server: &RedisServer) -> anyhow::Result<()> {
        redis::cmd("FLUSHALL").arg("SYNC").exec(&mut redis_server::connect(server)?)?;
        let (method, path, emails) = self.kind.request();
        let body = self.kind.body();
        let connections = self.kind.connections();
        let request = Request { method, url: &self.host.url(path), body: body.as_deref(), connections };
        let before = self.used(server)?;
        let load = load::run(bench, request, bench.pick(2, 1))?;
        let after = self.used(server)?;
        self.host.check()?;
        let refused = if self.kind == Kind::Refused { load.answers } else { 0 };
        ensure!(load.refused == refused, "{} of {} answers are no 2xx", load.refused, load.answers);
        ensure!(load.broken == 0, "{} connections failed", load.broken);
        // At the end wrk aborts unanswered requests: at most one per connection.
        let (answered, accepted) = (load.answers * emails, self.accepted_in_the_end(server)?);
        ensure!(
            (answered..=answered + connections * emails).contains(&accepted),
            "{answered} emails got a 2xx, and {accepted} are in Redis"
        );
        let each = |seconds: f64| seconds / load.answers as f64 * 1e6;
        self.processor.push((each(after.0 - before.0), each(after.1 - before.1)));
        self.loads.push(load);
        Ok(())
    }

    /// What the host and Redis have used of the processor so far, in seconds.
    fn used(&self, server: &RedisServer) -> anyhow::Result<(f64, f64)> {
        let redis = Info::read(&mut redis_server::connect(server)?, "cpu")?.cpu_seconds()?;
        Ok((self.host.cpu()?.as_secs_f64(), redis))
    }

    /// The emails in Redis after the aborted requests are done.
    fn accepted_in_the_end(&self, server: &RedisServer) -> anyhow::Result<u64> {
        let mut last = self.subject.accepted(server)?;
        loop {
            thread::sleep(QUIET);
            let now = self.subject.accepted(server)?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
    }

    pub(super) fn per_second(&self) -> f64 {
        median(&self.loads.iter().map(Load::per_second).collect::<Vec<_>>())
    }

    pub(super) fn milliseconds(&self, time: fn(&Load) -> Duration) -> f64 {
        median(&self.loads.iter().map(|load| time(load).as_secs_f64() * 1e3).collect::<Vec<_>>())
    }

    pub(super) fn host_microseconds(&self) -> f64 {
        median(&self.processor.iter().map(|(host, _)| *host).collect::<Vec<_>>())
    }

    pub(super) fn redis_microseconds(&self) -> f64 {
        median(&self.processor.iter().map(|(_, redis)| *redis).collect::<Vec<_>>())
    }
}
