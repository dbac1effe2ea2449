//! `cargo xtask fuzz`: sends generated requests to the component for some minutes, in independent rounds.

#![forbid(unsafe_code)]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use e2e::fuzz;

/// Requests per round. A finding is reproduced by its round's seed.
const REQUESTS: u64 = 2000;

#[derive(Parser)]
#[command(
    about = "Requests of every kind to the component; ends with 1 when an answer or the fate of an email is not as it should be"
)]
struct Options {
    /// For how long, in minutes.
    #[arg(long, default_value = "5")]
    minutes: f64,
    /// The seed of the first round; later rounds count up from it.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { minutes, seed } = Options::parse();
    let first = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("fuzz: {minutes} minutes from --seed {first}");
    let until = Instant::now() + Duration::from_secs_f64(60.0 * minutes.clamp(0.0, 1e6));
    let (mut requests, mut accepted, mut arrived, mut found) = (0, 0, 0, 0);
    for seed in first.. {
        let round = fuzz::round(seed, REQUESTS).await;
        for finding in &round.findings {
            println!("found by --seed {seed}: {finding}");
        }
        requests += round.answers.values().sum::<usize>();
        accepted += round.accepted;
        arrived += round.arrived;
        found += round.findings.len();
        println!("--seed {seed}: answers {:?}, accepted {}, arrived {}", round.answers, round.accepted, round.arrived);
        if Instant::now() >= until {
            break;
        }
    }
    println!("fuzz: {requests} requests, {accepted} emails accepted, {arrived} arrived, {found} findings");
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
