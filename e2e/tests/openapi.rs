//! Schemathesis generates valid and invalid requests from the OpenAPI document, and checks every answer against it.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{path::Path, process::Command, time::Duration};

use e2e::{Api, program};
use testkit::{Process, RedisServer};

#[tokio::test]
async fn whatever_is_asked_every_answer_is_as_the_api_describes_it() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_full")]).await;

    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let leftovers = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("SCHEMATHESIS", "target/test-tools/schemathesis/bin/schemathesis"));
    command.current_dir(&leftovers).env("SCHEMATHESIS_HOOKS", settings.join("hooks.py"));
    command.arg("--config-file").arg(settings.join("schemathesis.toml"));
    command.arg("run").arg(format!("http://{}/openapi.json", api.address()));
    command.args(["--header", "Authorization: Bearer re_full", "--no-color"]);
    let mut process = Process::start(command);
    // It takes a quarter of a minute on an idle machine.
    let status = process.wait(Duration::from_secs(180)).await;
    assert!(status.success(), "{status}");

    // Were all emails refused, little of the API would have been seen.
    let accepted: u32 = redis::cmd("HGET").arg("emails:totals").arg("accepted").query(&mut redis.connection()).unwrap();
    assert!(accepted > 50, "only {accepted} emails were accepted");
}
