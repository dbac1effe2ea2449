//! `cargo xtask soak`: many faults at once, for a long time.
//!
//! Clients post continuously, while workers, APIs and Redis are killed, Redis is full, the network to it is slow,
//! silent or cut, and the relay has limits, outages and broken sessions. Then the faults end, and the queue gets time
//! to drain. In the end every accepted email must have arrived at each recipient that the relay did not refuse for
//! good, and no email may be a dead letter for another reason.
//!
//! - [`clients`]: clients, and the answers they got;
//! - [`relay`]: a mail server with limits;
//! - [`trouble`]: what goes wrong, and when;
//! - [`verdict`]: lost emails, and wrong dead letters;
//! - [`cluster`]: the same for a Redis Cluster, with `--cluster`.

#![forbid(unsafe_code)]

mod clients;
mod cluster;
mod relay;
mod trouble;
mod verdict;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use e2e::Records;
use tokio::time::{Instant, sleep};

use crate::{clients::Clients, relay::Relay, trouble::Trouble};

/// The interval of progress messages.
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// How long the queue may take to drain once nothing goes wrong any more.
const DRAIN: Duration = Duration::from_secs(600);

#[derive(Parser)]
#[command(
    about = "Everything that can go wrong, at once and for long; ends with 1 when an email is lost or given up unjustly"
)]
struct Options {
    /// How long things go wrong, in minutes.
    #[arg(long, default_value = "30")]
    minutes: u64,
    /// Repeats the random choices of an earlier run, though not the machine's timing.
    #[arg(long)]
    seed: Option<u64>,
    /// On a Redis Cluster, with a relay without faults.
    #[arg(long)]
    cluster: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { minutes, seed, cluster } = Options::parse();
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("soak: {minutes} minutes, repeated by --seed {seed}");
    if cluster {
        return cluster::soak(Duration::from_secs(60 * minutes), seed).await;
    }
    let relay = Relay::start(seed).await;
    let mut trouble = Trouble::start(seed, relay.clone()).await;
    let clients = Clients::start(seed, trouble.api_address());
    let mut records = Records::of(trouble.redis());

    let began = Instant::now();
    let ends = began + Duration::from_secs(60 * minutes);
    let mut report_at = began + REPORT_EVERY;
    while Instant::now() < ends {
        if trouble.next().await {
            // Redis was killed, and the connection with it.
            records = Records::of(trouble.redis());
        }
        if Instant::now() >= report_at {
            report_at += REPORT_EVERY;
            let (answers, unfinished) = (clients.answers(), records.unfinished());
            println!(
                "{:>5} s  accepted {}, refused {}, unanswered {}, arrived {}, unfinished {unfinished}; {}",
                began.elapsed().as_secs(),
                answers.accepted.len(),
                answers.refused,
                answers.unanswered,
                relay.arrived(),
                trouble.summary(),
            );
        }
    }

    let answers = clients.stop().await;
    trouble.end().await;
    relay.be_well();
    println!("nothing goes wrong any more; {} emails are unfinished", records.unfinished());
    let drained_by = Instant::now() + DRAIN;
    while records.unfinished() > 0 && Instant::now() < drained_by {
        sleep(Duration::from_millis(200)).await;
    }
    let verdict = verdict::judge(&answers, &relay.received(), records.unfinished(), trouble.redis());
    println!("{verdict}\n{}", trouble.summary());
    if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
