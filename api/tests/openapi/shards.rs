use std::time::Duration;

use email_queue::{
    Class, EmailId, Queue, Relay,
    transition::relay::{HoldOffFor, RelayFailure, hold_off},
};
use serde_json::{Value, json};

use crate::server::{Api, Ask};

#[test]
fn an_email_says_that_the_relay_is_held_off_in_whichever_shard_it_is() {
    let mut api = Api::start();
    api.set("queue", "{emails}");
    api.set("shards", "3");
    let email = json!({"from": "a@b.example", "to": "a@b.example", "message": "hi"});
    let ask = |ask: Ask| serde_json::from_slice::<Value>(api.ask(ask).body()).unwrap();
    for _ in 0..20 {
        assert!(ask(Ask::new("post", "/emails").json(&email))["id"].is_string());
    }
    let first: Queue = "{emails}".parse().unwrap();
    let minute = Duration::from_secs(60);
    let failure = RelayFailure {
        email: EmailId::new(),
        is_elsewhere: true,
        age: Duration::ZERO,
        passed: None,
        class: Class::Connection,
        error: "connection refused",
    };
    let relay = Relay::new("smtp://relay.example:25", None);
    api.run(&hold_off(&first, "w", &relay, failure, HoldOffFor { base: minute, max: minute }));
    let listed = ask(Ask::new("get", "/emails"));
    let listed = listed["data"].as_array().unwrap();
    assert_eq!(listed.len(), 20);
    for email in listed {
        let one = ask(Ask::new("get", &format!("/emails/{}", email["id"].as_str().unwrap())));
        for shown in [email, &one] {
            assert_eq!(
                (&shown["last_error"], &shown["error_class"]),
                (&json!("connection refused"), &json!("connection"))
            );
        }
    }
}
