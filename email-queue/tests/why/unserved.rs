//! An email in a shard that no worker serves says so, while workers serve others.

use email_queue::{Lane, Shards, query, query::Reason, transition};

use crate::support::{self, TestQueue};

const LONG: std::time::Duration = std::time::Duration::from_secs(60);

#[test]
fn an_email_in_a_shard_without_a_worker_names_its_shard_while_others_have_one() {
    let first = TestQueue::on(&TestQueue::start(), "{emails}");
    let shards = Shards::new(first.queue.clone(), 3).unwrap();
    let last = shards.all().last().unwrap();
    let q = TestQueue::on(&first, shards.queue(last).name());
    let id = email_queue::EmailId::new().in_shard(last);
    q.enqueue_as(&[id], Lane::Normal, None);
    let why = || support::now(query::why(&q.client, &shards, id)).unwrap().unwrap();

    let none = why();
    assert_eq!(none.reason, Reason::NoWorker);
    assert!(none.sentence.starts_with("No worker runs"), "{}", none.sentence);

    first.run(&transition::extend(&first.queue, "w", LONG, LONG, &[]));
    let unserved = why();
    assert_eq!(unserved.reason, Reason::NoWorker);
    assert!(unserved.sentence.starts_with("No worker serves its shard, 2, though"), "{}", unserved.sentence);

    q.run(&transition::pause(&q.queue, &[Lane::Normal]));
    let paused = why();
    assert_eq!((paused.reason, paused.also), (Reason::Paused, vec![Reason::NoWorker]));
    assert!(paused.sentence.ends_with("Besides: no worker serves its shard, 2."), "{}", paused.sentence);
    q.run(&transition::resume(&q.queue, &[]));

    q.run(&transition::extend(&q.queue, "w", LONG, LONG, &[]));
    assert_eq!(why().reason, Reason::WaitingInLane);
}
