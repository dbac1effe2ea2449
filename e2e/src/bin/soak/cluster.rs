//! The same for a queue of several shards on a Redis Cluster: masters are killed and frozen, shards are moved.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use e2e::ClusterSystem;
use tokio::time::{Instant, sleep};

use crate::REPORT_EVERY;

/// Disturbs the cluster for some time, and then checks that everything has arrived; if not, it panics with what is lost.
pub(crate) async fn soak(time: Duration, seed: u64) -> ExitCode {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut system = ClusterSystem::start().await;
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let began = Instant::now();
    let mut report_at = began + REPORT_EVERY;
    while began.elapsed() < time {
        sleep(Duration::from_millis(random.u64(500..4000))).await;
        let shard = random.u16(..ClusterSystem::shards());
        let what = match random.u8(..100) {
            0..45 => {
                system.kill_worker(random.usize(..2));
                "workers killed"
            }
            45..65 => {
                system.kill_master_of(shard);
                "masters killed"
            }
            65..80 => {
                system.freeze_master_of(shard);
                "masters frozen"
            }
            _ => {
                system.move_shard(shard, system.another_master_than_of(shard)).await;
                "shards moved"
            }
        };
        *count.entry(what).or_default() += 1;
        if Instant::now() >= report_at {
            report_at += REPORT_EVERY;
            let answers = system.load.answers();
            let (accepted, refused, unanswered) = (answers.accepted.len(), answers.refused, answers.unanswered);
            let seconds = began.elapsed().as_secs();
            println!(
                "{seconds:>5} s  accepted {accepted}, refused {refused}, unanswered {unanswered}; {}",
                summary(&count)
            );
        }
    }
    let (answers, arrivals) = system.assert_nothing_lost().await;
    let repeated: usize = arrivals.repeated().values().sum();
    println!("accepted {}, lost 0, handed over once more {repeated}\n{}", answers.accepted.len(), summary(&count));
    ExitCode::SUCCESS
}

fn summary(count: &BTreeMap<&str, usize>) -> String {
    count.iter().map(|(what, times)| format!("{what}: {times}")).collect::<Vec<_>>().join(", ")
}
