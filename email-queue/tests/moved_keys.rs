//! An idempotency key whose shard is another one since the number of shards was changed.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use email_queue::{
    EmailId, Lane, Shards,
    transition::{Enqueue, Enqueued, Idempotency, NewEmail, enqueue, move_key},
};
use support::{EMAIL, TestQueue};

fn request(body: u8) -> Idempotency {
    Idempotency::new("client", "key", &[[body; 32]])
}

fn accept(shard: &TestQueue, request: &Idempotency) -> Enqueued {
    let email = NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: EMAIL.into() };
    let idempotency = Some(request);
    shard.run(&enqueue(&shard.queue, Enqueue { emails: &[email], idempotency, ..Enqueue::default() }))
}

#[test]
fn a_key_with_an_accepted_request_does_not_move() {
    let earlier = TestQueue::start();
    assert_eq!(accept(&earlier, &request(1)), Enqueued::Accepted);
    for request in [request(1), request(2)] {
        assert!(earlier.run(&move_key(&earlier.queue, &request)));
    }
    assert!(matches!(accept(&earlier, &request(1)), Enqueued::Repeated(_)));
    assert_eq!(accept(&earlier, &request(2)), Enqueued::Conflict);
}

#[test]
fn under_a_key_that_has_moved_no_request_is_accepted_for_a_day() {
    let earlier = TestQueue::start();
    let later = TestQueue::on(&earlier, "{emails:1}");
    for _ in 0..2 {
        assert!(!earlier.run(&move_key(&earlier.queue, &request(1))));
    }
    // As an instance with the former number of shards asks, whose version may be the former one too.
    assert_eq!(accept(&earlier, &request(1)), Enqueued::Conflict);
    assert_eq!(accept(&later, &request(1)), Enqueued::Accepted);
    // That does not undo the mark.
    assert!(!earlier.run(&move_key(&earlier.queue, &request(1))));
    assert_eq!((earlier.depth().entries, later.depth().entries), (0, 1));
    let key: Vec<String> = earlier.redis("KEYS emails:idempotency:*");
    let hours = earlier.redis::<i64>(&format!("TTL {}", key[0])) as f64 / 3600.0;
    assert!((23.9..=24.0).contains(&hours), "{hours}");
    assert_eq!(earlier.redis::<String>(&format!("GET {}", key[0])), "moved");
}

#[test]
fn a_request_is_in_the_shard_of_its_key_whatever_it_asks() {
    let shards = |count| Shards::new("{emails}".parse().unwrap(), count).unwrap();
    for count in [1, 2, 6] {
        assert_eq!(request(1).shard(&shards(count)), request(2).shard(&shards(count)));
    }
    let key = |scope, key| Idempotency::new(scope, key, &[[1; 32]]).shard(&shards(4096));
    assert!(key("client", "a") != key("client", "b") && key("client", "a") != key("other", "a"));
}
