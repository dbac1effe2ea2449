//! The whole program on real ones, with the measurement that needs the fewest of them. No figure is judged here.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

use std::path::PathBuf;
use std::process::{Command, Output};

fn bench() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    if std::env::var_os("NATIVE_WORKER").is_none() {
        command.env("NATIVE_WORKER", root.join("target/release/native-worker"));
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn memory_is_measured_and_reported_as_a_table_and_as_json() {
    let home = tempfile::tempdir().unwrap();
    let json = home.path().join("figures.json");
    let Output { status, stdout, stderr } =
        bench().args(["--quick", "memory", "--json"]).arg(&json).env("TMPDIR", home.path()).output().unwrap();
    let (table, progress) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{table}{progress}");
    assert!(table.contains("[memory]") && table.contains("0 measurements failed"), "{table}");

    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let row = &figures["rows"][0];
    assert_eq!((&row["measurement"], &row["unit"]), (&"memory".into(), &"B".into()));
    assert!(row["value"].as_f64().unwrap() > 0.0, "{row}");
    assert!(figures["machine"]["cores"].as_u64().unwrap() > 0);
    // Nothing but what we asked for is left behind.
    let left: Vec<_> = home.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["figures.json"]);
}

#[test]
fn a_measurement_that_cannot_be_made_is_a_line_of_the_table() {
    let output = bench().args(["--quick", "idle", "--native-worker", "/no/such/worker"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let table = text(&output.stdout);
    assert!(table.contains("ERROR  idle: ") && table.contains("1 measurements failed"), "{table}");
}

#[test]
fn the_needs_of_what_is_asked_for_are_told_and_nothing_is_measured() {
    let output = bench().args(["--needs", "smtp", "limits"]).output().unwrap();
    assert_eq!(text(&output.stdout), "redis-benchmark\nsmtp-sink\nsmtp-source\nwrk\n");
    assert_eq!(bench().arg("speed").output().unwrap().status.code(), Some(2));
}
