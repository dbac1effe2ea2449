use std::{collections::BTreeMap, time::Duration};

use api::{body::BodyError, client::Client};
use email_queue::{
    Class, EmailId, Histogram, Queue, Relay,
    maintenance::sample,
    setup::{StartedWith, describe_worker},
    transition::{
        ByteBudget, Claim, Finish, Outcome, Periods, Progress, RoomFor, claim, extend, finish, make_room,
        relay::{HoldOffFor, RelayFailure, hold_off},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    document::{Document, Operation},
    server::{Api, Ask},
    witness::Witness,
};

const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const KEYS: &str = "full,post:sending,look:read";

#[test]
fn every_answer_that_is_described_is_given_and_is_as_it_is_described() {
    let document = Document::load();
    let mut witness = Witness::new(&document);
    for operation in document.operations() {
        refusals_of_any(&mut witness, &operation);
        refusals_of_a_body(&mut witness, &operation);
    }
    refusals_of_one(&mut witness);
    successes(&mut witness);
    witness.assert_complete();
}

/// A client without a key or over its rate limit, and a server that cannot answer.
fn refusals_of_any(witness: &mut Witness<'_>, operation: &Operation<'_>) {
    let ask = example(operation, UNKNOWN);
    let api = Api::start();
    if operation.described["responses"].get("503").is_some() && !operation.path.ends_with("/download") {
        witness.check(operation, 503, api.ask_without_redis(ask.clone()));
    }
    if operation.described["responses"].get("500").is_some() {
        witness.check(operation, 500, api.with("queue", "not a name").ask(ask.clone()));
    }
    if operation.described["responses"].get("401").is_some() {
        witness.check(operation, 401, api.with("open", "").ask(ask.clone()));
        witness.check(operation, 403, api.ask(ask.clone().header("sec-fetch-site", "cross-site")));
    }
    if operation.described["security"] == json!([]) {
        return;
    }
    let with_keys = api.with("api_keys", KEYS);
    witness.check(operation, 401, with_keys.ask(ask.clone()));
    let wrong = || with_keys.ask(ask.clone().header("authorization", "Bearer other"));
    for _ in 0..10 {
        witness.check(operation, 403, wrong());
    }
    witness.check(operation, 429, wrong());
    if operation.method != "post" || !["/emails", "/emails/batch"].contains(&operation.path) {
        witness.check(operation, 401, with_keys.ask(ask.clone().header("authorization", "Bearer post")));
    }
    if operation.method != "get" || operation.path.contains("attachments") {
        witness.check(operation, 403, with_keys.ask(ask.clone().header("authorization", "Bearer look")));
    }
    let limited = api.with("rate_limit", "1");
    // The second may begin between two requests, but not between all of them.
    let refused = (0..100).map(|_| limited.ask(ask.clone())).find(|answer| answer.status() == 429);
    witness.check(operation, 429, refused.unwrap());
}

fn refusals_of_a_body(witness: &mut Witness<'_>, operation: &Operation<'_>) {
    if operation.described["requestBody"].is_null() {
        return;
    }
    let api = Api::start();
    let ask = example(operation, UNKNOWN);
    let without = |header: &str| {
        let mut ask = ask.clone();
        ask.headers.retain(|(name, _)| *name != header);
        ask
    };
    witness.check(operation, 400, api.ask(Ask { body: Vec::new(), ..ask.clone() }));
    witness.check(operation, 400, api.ask(Ask { interrupted: Some(BodyError::Incomplete), ..ask.clone() }));
    witness.check(operation, 408, api.ask(Ask { interrupted: Some(BodyError::TimedOut), ..ask.clone() }));
    witness.check(operation, 413, api.with("max_body_bytes", "10").ask(ask.clone()));
    witness.check(operation, 415, api.ask(without("content-type")));
}

fn refusals_of_one(witness: &mut Witness<'_>) {
    let api = Api::start();
    let email = json!({"from": "a@b.example", "to": "a@b.example", "message": "hi"});
    let with = |field: &str, value: Value| {
        let mut email = email.clone();
        email[field] = value;
        email
    };
    for (path, in_batch) in [("/emails", false), ("/emails/batch", true)] {
        let operation = witness.document.operation("post", path);
        let post = |email: Value| Ask::new("post", path).json(if in_batch { json!([email]) } else { email });
        for bad in [with("to", json!("nobody")), with("to", Value::Null), with("attachments", json!([{}]))] {
            witness.check(&operation, 422, api.ask(post(bad)));
        }
        let key = |ask: Ask, key: &str| ask.header("idempotency-key", key);
        witness.check(&operation, 400, api.ask(key(post(email.clone()), "")));
        witness.check(&operation, 200, api.ask(key(post(email.clone()), path)));
        witness.check(&operation, 409, api.ask(key(post(with("subject", json!("other"))), path)));
        witness.check(&operation, 429, api.with("backlog_limit", "1").ask(post(email.clone())));
        witness.check(&operation, 429, api.with("backlog_bytes", "100").ask(post(email.clone())));
    }
    let batch = witness.document.operation("post", "/emails/batch");
    let unclear = example(&batch, UNKNOWN).header("x-batch-validation", "maybe");
    witness.check(&batch, 422, api.ask(unclear));

    for operation in witness.document.operations() {
        let ask = example(&operation, UNKNOWN);
        if operation.path.contains("{id}") && operation.path != "/emails/{id}/attachments/{attachment_id}/download" {
            witness.check(&operation, 404, api.ask(ask));
            witness.check(&operation, 422, api.ask(example(&operation, "7")));
        }
    }
    let list = witness.document.operation("get", "/emails");
    for query in
        ["limit=0", "status=lost", "after=7", "class=x", "lane=x", "to=", "subject=", "from_time=x", "to_time=x"]
    {
        witness.check(&list, 422, api.ask(Ask::new("get", &format!("/emails?{query}"))));
    }
}

fn successes(witness: &mut Witness<'_>) {
    let api = Api::start();
    let document = witness.document;
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        witness.check(&document.operation("get", path), 200, api.ask(Ask::new("get", path)));
    }
    let post = document.operation("post", "/emails");
    // What another program pushed and is no email; then one that is tried in vain; then those that wait.
    api.push("not an email");
    fail(&api, Outcome::Failed { class: Class::Unreadable, error: "not an email".to_owned() });
    let full = &post.described["requestBody"]["content"]["application/json"]["examples"]["full"]["value"];
    let mut full = full.clone();
    full["attachments"] = json!([
        {"filename": "a.txt", "content": "YQ==", "content_id": "a"},
        {"content": [1, 2, 3]},
    ]);
    let delayed = created(witness, &post, &api, &full);
    let (retry_in, class) = (Duration::from_secs(3600), Class::Deferred);
    fail(&api, Outcome::Delayed { retry_in, class, error: "451 later".to_owned() });
    let scheduled = &post.described["requestBody"]["content"]["application/json"]["examples"]["scheduled"]["value"];
    let scheduled = created(witness, &post, &api, scheduled);
    let canceled = created(witness, &post, &api, &json!({"from": "a@b.example", "to": "a@b.example", "message": "hi"}));

    let batch = document.operation("post", "/emails/batch");
    let strict = example(&batch, UNKNOWN);
    let permissive = strict.clone().json(json!([{}, 7])).header("x-batch-validation", "permissive");
    witness.check(&batch, 200, api.ask(strict));
    witness.check(&batch, 200, api.ask(permissive));

    let cancel = document.operation("post", "/emails/{id}/cancel");
    witness.check(&cancel, 200, api.ask(example(&cancel, &canceled)));
    witness.check(&cancel, 422, api.ask(example(&cancel, &canceled)));
    let reschedule = document.operation("patch", "/emails/{id}");
    witness.check(&reschedule, 200, api.ask(example(&reschedule, &scheduled)));
    for refused in [
        example(&reschedule, &canceled),
        example(&reschedule, &scheduled).json(json!({})),
        example(&reschedule, &scheduled).json(json!({"scheduled_at": "soon"})),
    ] {
        witness.check(&reschedule, 422, api.ask(refused));
    }

    // Of what there is only the canceled one has ended, and gives way.
    api.run(&make_room(&Queue::default(), RoomFor::Memory { bytes: 1, again: true }));
    let files = document.operation("get", "/emails/{id}/attachments");
    witness.check(&files, 404, api.ask(example(&files, &canceled)));

    let list = document.operation("get", "/emails");
    let all = witness.check(&list, 200, api.with("rate_limit", "1000").ask(Ask::new("get", "/emails")));
    witness.check(&list, 200, api.ask(Ask::new("get", "/emails?limit=1")));
    let get = document.operation("get", "/emails/{id}");
    for email in all["data"].as_array().unwrap() {
        let id = email["id"].as_str().unwrap();
        witness.check(&get, 200, api.ask(example(&get, id)));
        for path in ["/emails/{id}/timeline", "/emails/{id}/why"] {
            let about = document.operation("get", path);
            witness.check(&about, 200, api.ask(example(&about, id)));
        }
    }
    let retry = document.operation("post", "/emails/{id}/retry");
    witness.check(&retry, 200, api.ask(example(&retry, &delayed)));
    witness.check(&retry, 422, api.ask(example(&retry, &canceled)));
    for status in ["queued", "failed", "delayed"] {
        let (to, body) = (document.operation("post", "/emails/move"), json!({"status": status, "lane": "low"}));
        let expected = if status == "failed" { 422 } else { 200 };
        witness.check(&to, expected, api.ask(Ask::new("post", "/emails/move").json(body)));
    }
    let to = document.operation("post", "/emails/{id}/move");
    witness.check(&to, 200, api.ask(example(&to, &scheduled)));
    witness.check(&to, 422, api.ask(example(&to, &canceled)));
    let discard = document.operation("delete", "/emails/{id}");
    witness.check(&discard, 200, api.ask(example(&discard, &scheduled)));
    witness.check(&discard, 422, api.ask(example(&discard, &canceled)));
    attachments(witness, &api, &delayed);
    queue(witness, &api);
    bulk(witness, &api);
}

/// What an operator does with all emails that match.
fn bulk(witness: &mut Witness<'_>, api: &Api) {
    let document = witness.document;
    for path in ["/emails/retry", "/emails/discard"] {
        let operation = document.operation("post", path);
        let done = witness.check(&operation, 200, api.ask(example(&operation, UNKNOWN)));
        assert_eq!(done["cursor"], Value::Null);
        for bad in [
            json!({}),
            json!({"status": "lost"}),
            json!({"status": "sent"}),
            json!({"status": "failed", "class": "x"}),
            json!({"status": "failed", "cursor": "x"}),
            json!({"status": "failed", "cursor": "7-"}),
            json!({"status": "failed", "dry_run": "yes"}),
            json!({"status": "failed", "dryRun": true}),
            json!({"status": "failed", "to": "bob@example.com"}),
        ] {
            witness.check(&operation, 422, api.ask(Ask::new("post", path).json(bad)));
        }
    }
    // More than a request has time for, on a fast machine too.
    let (post, discard) = (document.operation("post", "/emails"), document.operation("post", "/emails/discard"));
    let full = &post.described["requestBody"]["content"]["application/json"]["examples"]["full"]["value"];
    let batch =
        json!(vec![json!({"from": "a@b.example", "to": "c@d.example", "subject": full["subject"], "text": "t"}); 100]);
    (0..300).for_each(|_| drop(api.ask(Ask::new("post", "/emails/batch").json(&batch))));
    let (mut changed, mut body) = (0, json!({"status": "queued"}));
    loop {
        let done = witness.check(&discard, 200, api.ask(Ask::new("post", "/emails/discard").json(&body)));
        changed += done["changed"].as_u64().unwrap();
        body["cursor"] = done["cursor"].clone();
        if body["cursor"].is_null() {
            break;
        }
    }
    assert!(changed >= 30_000, "{changed}");
    let queue = witness.check(&document.operation("get", "/queue"), 200, api.ask(Ask::new("get", "/queue")));
    assert_eq!(queue["states"]["queued"], 1, "the one without a record");
}

/// What an operator sees of the queue, and does with it.
fn queue(witness: &mut Witness<'_>, api: &Api) {
    let document = witness.document;
    let shown = document.operation("get", "/queue");
    let without_key = witness.check(&shown, 200, Api::start().ask(example(&shown, UNKNOWN)));
    assert_eq!(without_key["access"], "full");
    for (key, access) in [("full", "full"), ("look", "read")] {
        let ask = example(&shown, UNKNOWN).header("authorization", format!("Bearer {key}"));
        assert_eq!(witness.check(&shown, 200, api.with("api_keys", KEYS).ask(ask))["access"], access);
    }
    for path in ["/queue/pause", "/queue/resume"] {
        let operation = document.operation("post", path);
        witness.check(&operation, 200, api.ask(example(&operation, UNKNOWN)));
        witness.check(&operation, 200, api.ask(Ask::new("post", path)));
        witness.check(&operation, 415, api.ask(Ask { body: b"lanes=low".to_vec(), ..Ask::new("post", path) }));
        for bad in [
            json!([]),
            json!({"lanes": []}),
            json!({"lanes": ["urgent"]}),
            json!({"lane": "low"}),
            json!({"low": true}),
        ] {
            witness.check(&operation, 422, api.ask(Ask::new("post", path).json(bad)));
        }
        let paused = witness.check(&shown, 200, api.ask(example(&shown, UNKNOWN)));
        assert_eq!(paused["paused"].as_array().unwrap().len(), if path == "/queue/pause" { 3 } else { 0 });
    }
    let (queue, minute) = (Queue::default(), Duration::from_secs(60));
    let (base, max) = (minute, minute);
    for class in [Class::Connection, Class::Tls] {
        let failure = RelayFailure {
            email: EmailId::new(),
            is_elsewhere: false,
            age: Duration::ZERO,
            passed: None,
            class,
            error: "refused",
        };
        let relay = Relay::new("smtp://relay.example:25", None);
        api.run(&hold_off(&queue, "w", &relay, failure, HoldOffFor { base, max }));
    }
    let now = Timestamp::now().as_second() / 60;
    let mut latencies = Histogram::default();
    latencies.add(minute);
    api.run(&sample(&queue, minute, &BTreeMap::from([(now, latencies)])));
    let relays = &[&Relay::new("smtp://relay.example:25", None)];
    let with = StartedWith { host: "h", pid: 7, version: "1.0.0", age: minute, concurrency: 50, shards: 1, relays };
    api.run(&describe_worker(&queue, "w", minute, with));
    api.run(&extend(&queue, "w", minute, minute, &[]));
    api.run(&extend(&queue, "of an earlier version", minute, minute, &[]));
    witness.check(&shown, 200, api.ask(example(&shown, UNKNOWN)));
    let workers = document.operation("get", "/queue/workers");
    witness.check(&workers, 200, api.ask(example(&workers, UNKNOWN)));
}

fn attachments(witness: &mut Witness<'_>, api: &Api, email: &str) {
    let document = witness.document;
    let list = document.operation("get", "/emails/{id}/attachments");
    let one = document.operation("get", "/emails/{id}/attachments/{attachment_id}");
    let download = document.operation("get", "/emails/{id}/attachments/{attachment_id}/download");
    let attachments = witness.check(&list, 200, api.ask(example(&list, email)));
    let limited = example(&list, email);
    witness.check(&list, 422, api.ask(Ask { target: format!("{}?limit=0", limited.target), ..limited }));
    let mut last = String::new();
    for attachment in attachments["data"].as_array().unwrap() {
        let target = format!("/emails/{email}/attachments/{}", attachment["id"].as_str().unwrap());
        witness.check(&one, 200, api.ask(Ask::new("get", &target)));
        let mut without_host = Ask::new("get", &target);
        without_host.client = Client::default();
        without_host.headers.clear();
        without_host.headers.push(("authorization", "Bearer full".to_owned()));
        witness.check(&one, 400, api.with("api_keys", KEYS).ask(without_host.clone()));
        without_host.target = format!("/emails/{email}/attachments");
        witness.check(&list, 400, api.with("api_keys", KEYS).ask(without_host));

        let url = attachment["download_url"].as_str().unwrap();
        last = url.trim_start_matches("http://127.0.0.1:3000").to_owned();
        witness.check(&download, 200, api.ask(Ask::new("get", &last)));
    }
    witness.check(&download, 403, api.ask(example(&download, email)));
    witness.check(&download, 503, api.ask_without_redis(Ask::new("get", &last)));
    api.forget(email);
    witness.check(&download, 404, api.ask(Ask::new("get", &last)));
}

/// A request as the document has it for an example.
fn example(operation: &Operation<'_>, id: &str) -> Ask {
    let ask = Ask::new(operation.method, &operation.path.replace("{id}", id).replace("{attachment_id}", UNKNOWN));
    let examples = &operation.described["requestBody"]["content"]["application/json"]["examples"];
    match examples.as_object().and_then(|examples| examples.values().next()) {
        Some(example) => ask.json(&example["value"]),
        None => ask,
    }
}

fn created(witness: &mut Witness<'_>, post: &Operation<'_>, api: &Api, email: &Value) -> String {
    let answer = witness.check(post, 200, api.ask(Ask::new("post", "/emails").json(email)));
    answer["id"].as_str().unwrap().to_owned()
}

/// Does what a worker does whose attempt has this outcome, though one recipient has got it.
fn fail(api: &Api, outcome: Outcome) {
    let (queue, minute) = (Queue::default(), Duration::from_secs(60));
    let call =
        Claim { worker: "w", lease: minute, max: 1, bytes: ByteBudget { all: 1 << 20, first: 1 << 20 }, popped: None };
    let claimed = api.run(&claim(&queue, call)).emails;
    let progress = Progress { accepted: vec!["b@example.com".to_owned()], ..Progress::default() };
    let finished = Finish::new(claimed[0].claim, outcome, progress);
    let periods = Periods { retention: minute, retry_for: minute };
    assert_eq!(api.run(&finish(&queue, "w", periods, &[finished], None)).recorded, [true]);
}
