//! What operators do with many emails queued: the calls of the web page, and bulk actions, whose steps keep Redis from others.

use std::time::Duration;

use anyhow::{bail, ensure};
use email_queue::{
    Class, EmailId, Lane, Queue, State,
    transition::{
        ByteBudget, Claim, Finish, Matching, Outcome, Periods, Position, Progress, What, change_matching, claim, finish,
    },
};
use harness::{Persistence, RedisServer};

use crate::api_host::ApiHost;
use crate::bench::Bench;
use crate::http::HttpClient;
use crate::queue::{self, Client};
use crate::redis_server::{self, Info};
use crate::report::{Row, Target};
use crate::samples::{median, percentile};

/// How often the page calls each.
const CALLS: usize = 20;

/// How many steps of a bulk action are looked at.
const STEPS: usize = 500;

/// What the page may take for a call, in ms.
const CALL_LIMIT: f64 = 200.0;

/// How long a step may keep Redis from others, in ms.
const STEP_LIMIT: f64 = 20.0;

/// How many emails are claimed at once.
const CLAIMED: usize = 100;

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let (queued, failed) = (bench.pick(1_000_000, 40_000), bench.pick(50_000, 5_000));
    let server = redis_server::start(bench, Persistence::None)?;
    bench.say(&format!("steer: {failed} dead letters, and {queued} emails queued"));
    queue::fill(&server, failed)?;
    let client = Client::open(&server)?;
    let id = fail(&client, failed)?;
    queue::fill(&server, queued)?;

    let host = ApiHost::start_native(bench, &server)?;
    let api = HttpClient::new(&host.address);
    for (what, path) in [
        ("GET /queue", "/queue".to_owned()),
        ("GET /queue/workers", "/queue/workers".to_owned()),
        ("GET /emails, the newest", "/emails?limit=100".to_owned()),
        ("GET /emails, dead letters", "/emails?limit=100&status=failed".to_owned()),
        ("GET /emails, a subject that no email has", "/emails?limit=100&subject=no%20such%20subject".to_owned()),
        ("GET /emails/{id}", format!("/emails/{id}")),
        ("GET /emails/{id}/why", format!("/emails/{id}/why")),
        ("GET /emails/{id}/timeline", format!("/emails/{id}/timeline")),
    ] {
        bench.say(&format!("steer: {what}"));
        let times = (0..CALLS).map(|_| api.get(&path)).collect::<anyhow::Result<Vec<_>>>()?;
        let times: Vec<_> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        let row = Row::new(format!("{what}, p95 of {CALLS}, {queued} queued"), percentile(&times, 95.0), "ms");
        rows.push(row.target(Target::AtMost(CALL_LIMIT)));
    }

    for (what, state) in
        [(What::Retry, State::Failed), (What::Move(Lane::Low), State::Queued), (What::Discard, State::Queued)]
    {
        bench.say(&format!("steer: all that are {state} are {what}"));
        let steps = steps(&server, &client, what, state)?;
        let Steps { times, looked_at, changed } = steps;
        let name = format!("a step of a bulk action, {state} emails {what}, p99 of {} steps", times.len());
        let row = Row::new(name, percentile(&times, 99.0), "ms of Redis").target(Target::AtMost(STEP_LIMIT));
        let (middle, most) = (median(&times), percentile(&times, 100.0));
        let each = |count: u64| count / times.len().max(1) as u64;
        rows.push(row.note(format!(
            "median {middle:.1}, longest {most:.1}; looks at {} emails and changes {}",
            each(looked_at),
            each(changed)
        )));
    }
    Ok(())
}

/// Makes dead letters of the emails that wait. Answers the id of the last one.
fn fail(client: &Client, emails: u64) -> anyhow::Result<EmailId> {
    let queue = Queue::default();
    let (lease, day) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
    let periods = Periods { retention: day, retry_for: day };
    let mut failed = 0;
    loop {
        let bytes = ByteBudget { all: 1 << 20, first: 1 << 20 };
        let claims = client.run(&claim(&queue, Claim { worker: "bench", lease, max: CLAIMED, bytes, popped: None }))?;
        let outcome = || Outcome::Failed { class: Class::Content, error: "554 5.7.1 refused".to_owned() };
        let ends = claims.emails.iter().map(|email| Finish::new(email.claim, outcome(), Progress::default()));
        let ends: Vec<_> = ends.collect();
        client.run(&finish(&queue, "bench", periods, &ends, None))?;
        failed += ends.len() as u64;
        match ends.last() {
            Some(last) if failed >= emails => return Ok(last.claim.id),
            Some(_) => {}
            None => bail!("only {failed} of {emails} emails could be claimed"),
        }
    }
}

/// What steps have taken.
struct Steps {
    /// Of Redis, in ms.
    times: Vec<f64>,
    looked_at: u64,
    changed: u64,
}

/// Does it with all that match, or for [`STEPS`] steps.
fn steps(server: &RedisServer, client: &Client, what: What, state: State) -> anyhow::Result<Steps> {
    let matching = Matching::new(what, state, None)?;
    let mut connection = redis_server::connect(server)?;
    let mut spent = || -> anyhow::Result<u64> {
        let commands = Info::read(&mut connection, "commandstats")?.microseconds();
        Ok(commands.get("evalsha").copied().unwrap_or_default())
    };
    let mut position: Option<Position> = None;
    let mut steps = Steps { times: Vec::new(), looked_at: 0, changed: 0 };
    // Loads the script.
    client.run(&change_matching(&Queue::default(), what, matching.dry(), None))?;
    for _ in 0..STEPS {
        let before = spent()?;
        let done = client.run(&change_matching(&Queue::default(), what, matching, position.as_ref()))?;
        steps.times.push((spent()? - before) as f64 / 1e3);
        steps.looked_at += done.looked_at;
        steps.changed += done.changed;
        position = done.cursor;
        if position.is_none() {
            break;
        }
    }
    ensure!(steps.changed > 0, "nothing was {what}");
    Ok(steps)
}
