//! A queue of several shards on a Redis Cluster, whose nodes fail and whose slots move while emails flow.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Api, ClusterSystem};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_email_is_lost_while_masters_fail_slots_move_a_node_is_added_and_workers_die() {
    let mut system = ClusterSystem::start().await;
    system.load.wait_for_more(100).await;
    system.kill_master_of(1);
    system.kill_worker(0);
    system.load.wait_for_more(100).await;
    system.freeze_master_of(2);
    system.kill_worker(1);
    system.load.wait_for_more(100).await;
    let to = system.another_master_than_of(3);
    system.move_shard(3, to).await;
    system.kill_worker(0);
    system.load.wait_for_more(100).await;
    let to = tokio::task::block_in_place(|| system.cluster.add_master(1));
    system.move_shard(0, to).await;
    system.kill_worker(1);
    system.load.wait_for_more(100).await;
    system.assert_nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_email_is_lost_while_a_master_can_be_reached_by_nobody_but_its_cluster() {
    let system = ClusterSystem::start().await;
    system.load.wait_for_more(100).await;
    system.line.silence();
    if !Api::waits_for_redis() {
        // The other shards go on.
        system.load.wait_for_more(100).await;
    }
    system.line.heal();
    // Closes the silent connections, also those for which a host has no deadline.
    system.line.cut();
    system.load.wait_for_more(200).await;
    system.assert_nothing_lost().await;
}
