//! The program as a whole: what it says at the start, what it answers when a component gives no response, how it stops.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by unwrapping it; clippy.toml covers only #[test] itself"
)]

mod guest;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

const MANIFEST: &str = r#"
spin_manifest_version = 2

[application]
name = "test"

[variables]
needed = { required = true }

[[trigger.http]]
route = "/returns/..."
component = "returns"

[[trigger.http]]
route = "/traps"
component = "traps"

[[trigger.http]]
route = "/waits"
component = "waits"

[component.waits]
source = "waits.wasm"

[component.returns]
source = "returns.wasm"
allowed_outbound_hosts = ["{{ needed }}"]

[component.traps]
source = "traps.wasm"
"#;

const NEEDED: &str = "needed=redis://localhost:6379";

/// A folder with the manifest and its components.
fn application() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("returns.wasm"), guest::returns()).unwrap();
    fs::write(folder.path().join("traps.wasm"), guest::traps()).unwrap();
    fs::write(folder.path().join("waits.wasm"), guest::waits()).unwrap();
    fs::write(folder.path().join("spin.toml"), MANIFEST).unwrap();
    folder
}

fn dev_host(application: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev-host"));
    command.arg("--from").arg(application).args(arguments).env_remove("SPIN_VARIABLE_NEEDED").env_remove("RUST_LOG");
    command
}

/// The one line that a start which fails leaves on stderr.
fn complaint(output: Output) -> String {
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr.trim().strip_prefix("dev-host: ").unwrap().to_owned()
}

/// A host that serves, stopped when dropped.
struct Serving {
    process: Child,
    address: String,
    _application: TempDir,
}

impl Serving {
    fn start() -> Self {
        Self::start_with(|command| command)
    }

    fn start_with(change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let application = application();
        let mut command = dev_host(application.path(), &["--listen", "127.0.0.1:0", "--variable", NEEDED]);
        let mut process = change(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Serving http://").unwrap().to_owned();
        Self { process, address, _application: application }
    }

    /// Sends a request as it is written here and returns the status of the answer.
    fn status(&self, request: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn get(&self, path: &str) -> u16 {
        self.status(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
    }

    /// Asks the host to stop; returns what it has logged.
    fn stop(mut self, signal: &str) -> String {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.process.wait().unwrap().success());
        log
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Fails only if it has ended, which is what it is for.
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

#[test]
fn a_component_that_traps_is_a_500_and_one_line_in_the_log() {
    let host = Serving::start();
    assert_eq!(host.get("/traps"), 500);
    assert_eq!(host.get("/traps"), 500);
    let log = host.stop("-TERM");
    let line = "component `traps` failed: wasm trap: wasm `unreachable` instruction executed";
    assert_eq!(log.lines().filter(|logged| logged.ends_with(line)).count(), 2, "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn a_component_that_gives_no_response_is_a_500() {
    let host = Serving::start();
    assert_eq!(host.get("/returns"), 500);
    assert_eq!(host.get("/returns/and/more"), 500);
    assert!(host.stop("-TERM").contains("component `returns` failed: it returned without a response"));
}

#[test]
fn what_has_no_route_is_a_404() {
    let host = Serving::start();
    assert_eq!(host.get("/"), 404);
    assert_eq!(host.get("/traps/more"), 404);
    assert_eq!(host.get("/.well-known/spin/unknown"), 404);
    assert_eq!(host.stop("-TERM"), "");
}

#[test]
fn the_health_of_the_host_does_not_depend_on_a_component() {
    assert_eq!(Serving::start().get("/.well-known/spin/health"), 200);
}

#[test]
fn a_request_that_names_no_host_gets_no_answer() {
    let host = Serving::start();
    for request in ["GET /returns HTTP/1.1\r\n\r\n", "GET /returns HTTP/1.1\r\nHost: not a host\r\n\r\n"] {
        let mut stream = TcpStream::connect(&host.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(stream.read(&mut [0; 1024]).unwrap(), 0, "{request}");
    }
    // Of two hosts the first one counts, and the component is asked.
    assert_eq!(host.status("GET /returns HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 500);
}

#[test]
fn a_header_that_is_not_utf_8_is_a_500() {
    let host = Serving::start();
    let mut stream = TcpStream::connect(&host.address).unwrap();
    stream.write_all(b"GET /returns HTTP/1.1\r\nHost: h\r\nX: \xff\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 500 "), "{line}");
    assert!(host.stop("-TERM").contains("the header x is not UTF-8"));
}

#[test]
fn a_request_for_which_there_is_no_room_is_a_500_at_once() {
    let mut host = Serving::start_with(|command| command.env("SPIN_MAX_INSTANCE_COUNT", "1"));
    let mut log = BufReader::new(host.process.stderr.take().unwrap()).lines();
    // It takes the only place, and keeps it.
    let mut busy = TcpStream::connect(&host.address).unwrap();
    busy.write_all(b"GET /waits HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    loop {
        assert_eq!(host.get("/returns"), 500);
        if log.next().unwrap().unwrap().contains("limit of 1 ") {
            break;
        }
    }
    assert_eq!(host.get("/.well-known/spin/health"), 200);
}

#[test]
fn a_signal_stops_it_even_while_a_client_keeps_its_connection() {
    for signal in ["-TERM", "-INT"] {
        let host = Serving::start();
        let mut idle = TcpStream::connect(&host.address).unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_ne!(idle.read(&mut [0; 1024]).unwrap(), 0);
        assert_eq!(host.stop(signal), "");
    }
}

#[test]
fn a_variable_from_the_environment_is_as_good_as_one_from_the_command_line() {
    let application = application();
    fs::remove_file(application.path().join("traps.wasm")).unwrap();
    let output = dev_host(application.path(), &[]).env("SPIN_VARIABLE_NEEDED", "redis://h").output().unwrap();
    // It got as far as the components.
    let complaint = complaint(output);
    assert!(complaint.starts_with("component `traps`: "), "{complaint}");
}

#[test]
fn a_missing_variable_is_named() {
    let output = dev_host(application().path(), &[]).output().unwrap();
    assert!(complaint(output).starts_with("variable `needed` is required: "));
}

#[test]
fn an_unknown_variable_is_named() {
    let output = dev_host(application().path(), &["--variable", NEEDED, "--variable", "other=x"]).output().unwrap();
    assert_eq!(complaint(output), "unknown variable `other`: the manifest declares needed");
}

#[test]
fn a_component_that_is_not_built_says_how_to_build_it() {
    let application = application();
    fs::remove_file(application.path().join("returns.wasm")).unwrap();
    let output = dev_host(application.path(), &["--listen", "127.0.0.1:0", "--variable", NEEDED]).output().unwrap();
    assert!(complaint(output).ends_with("returns.wasm is not there: run `cargo xtask build`"));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = dev_host(application().path(), &["--listen", &address, "--variable", NEEDED]).output().unwrap();
    assert!(complaint(output).starts_with(&format!("{address} is in use: ")));
}

#[test]
fn a_bad_allowed_host_is_named_without_what_the_variable_holds() {
    let secret = "needed=redis://:secret@h:6379";
    let output = dev_host(application().path(), &["--listen", "127.0.0.1:0", "--variable", secret]).output().unwrap();
    let complaint = complaint(output);
    assert_eq!(complaint, "component `returns`: allowed_outbound_hosts: entry 1: it has a user name or password");
}
