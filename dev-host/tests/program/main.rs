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
    process::Command,
};

use harness::{DEADLINE, Output, Process, Signal, Stream, eventually, http};
use tempfile::TempDir;

const MANIFEST: &str = r#"
spin_manifest_version = 2

[application]
name = "test"

[variables]
needed = { default = "redis://localhost:6379" }

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

const ANY_PORT: &[&str] = &["--listen", "127.0.0.1:0"];

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

/// The exit code of a start that fails, and the one line that it leaves on stderr.
fn complaint(command: &mut Command) -> (i32, String) {
    let process = Process::start(command, Output::Lines(usize::MAX, None)).unwrap();
    let status = process.wait(DEADLINE).unwrap();
    let lines = process.lines();
    assert_eq!((lines.len(), &process.lines_of(Stream::Stderr)), (1, &lines));
    (status.code().unwrap(), lines[0].strip_prefix("dev-host: ").unwrap().to_owned())
}

/// A host that serves, killed when dropped.
struct Serving {
    process: Process,
    address: String,
    _application: TempDir,
}

impl Serving {
    fn start() -> Self {
        Self::start_with(|command| command)
    }

    fn start_with(change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let application = application();
        let mut command = dev_host(application.path(), ANY_PORT);
        let process = Process::start(change(&mut command), Output::Lines(usize::MAX, None)).unwrap();
        let address = http::serving_address(&process, DEADLINE).unwrap();
        Self { process, address, _application: application }
    }

    /// A connection on which these bytes have been sent.
    fn send(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request).unwrap();
        stream
    }

    /// Sends a request as it is written here and returns the status of the answer.
    fn status(&self, request: &[u8]) -> u16 {
        let stream = self.send(request);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn get(&self, path: &str) -> u16 {
        self.status(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
    }

    /// Asks the host to stop; returns what it has logged.
    fn stop(self, signal: Signal) -> String {
        self.process.signal(signal);
        assert!(self.process.wait(DEADLINE).unwrap().success());
        self.log()
    }

    fn log(&self) -> String {
        self.process.lines_of(Stream::Stderr).join("\n")
    }
}

#[test]
fn a_component_that_traps_is_a_500_and_one_line_in_the_log() {
    let host = Serving::start();
    assert_eq!(host.get("/traps"), 500);
    assert_eq!(host.get("/traps"), 500);
    let log = host.stop(Signal::TERM);
    let line = "component `traps` failed: wasm trap: wasm `unreachable` instruction executed";
    assert_eq!(log.lines().filter(|logged| logged.ends_with(line)).count(), 2, "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn a_component_that_gives_no_response_is_a_500() {
    let host = Serving::start();
    assert_eq!(host.get("/returns"), 500);
    assert_eq!(host.get("/returns/and/more"), 500);
    assert!(host.stop(Signal::TERM).contains("component `returns` failed: it returned without a response"));
}

#[test]
fn what_has_no_route_is_a_404() {
    let host = Serving::start();
    assert_eq!(host.get("/"), 404);
    assert_eq!(host.get("/traps/more"), 404);
    assert_eq!(host.get("/.well-known/spin/unknown"), 404);
    assert_eq!(host.stop(Signal::TERM), "");
}

#[test]
fn the_health_of_the_host_does_not_depend_on_a_component() {
    assert_eq!(Serving::start().get("/.well-known/spin/health"), 200);
}

#[test]
fn a_request_that_names_no_host_gets_no_answer() {
    let host = Serving::start();
    for request in ["GET /returns HTTP/1.1\r\n\r\n", "GET /returns HTTP/1.1\r\nHost: not a host\r\n\r\n"] {
        assert_eq!(host.send(request.as_bytes()).read(&mut [0; 1024]).unwrap(), 0, "{request}");
    }
    // Of two hosts the first one counts, and the component is asked.
    assert_eq!(host.status(b"GET /returns HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 500);
}

#[test]
fn a_header_that_is_not_utf_8_is_a_500() {
    let host = Serving::start();
    assert_eq!(host.status(b"GET /returns HTTP/1.1\r\nHost: h\r\nX: \xff\r\n\r\n"), 500);
    assert!(host.stop(Signal::TERM).contains("the header x is not UTF-8"));
}

#[test]
fn a_request_for_which_there_is_no_room_is_a_500_at_once() {
    let host = Serving::start_with(|command| command.env("SPIN_MAX_INSTANCE_COUNT", "1"));
    // It takes the only place, and keeps it.
    let _busy = host.send(b"GET /waits HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually(DEADLINE, "the place to be taken", || {
        assert_eq!(host.get("/returns"), 500);
        host.log().contains("limit of 1 ")
    });
    assert_eq!(host.get("/.well-known/spin/health"), 200);
}

#[test]
fn a_signal_stops_it_even_while_a_client_keeps_its_connection() {
    for signal in [Signal::TERM, Signal::INT] {
        let host = Serving::start();
        let mut idle = host.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_ne!(idle.read(&mut [0; 1024]).unwrap(), 0);
        assert_eq!(host.stop(signal), "");
    }
}

#[test]
fn a_variable_from_the_environment_is_as_good_as_one_from_the_command_line() {
    let application = application();
    fs::remove_file(application.path().join("traps.wasm")).unwrap();
    // It gets as far as the components.
    let (code, complaint) = complaint(dev_host(application.path(), ANY_PORT).env("SPIN_VARIABLE_NEEDED", "redis://h"));
    assert!(code == 1 && complaint.starts_with("component `traps`: "), "{complaint}");
}

#[test]
fn a_setting_that_is_wrong_ends_it_with_64() {
    for (variable, value, says) in [
        ("RUST_LOG", "dev_host=loud", "RUST_LOG must be a level"),
        ("SPIN_MAX_INSTANCE_COUNT", "many", "SPIN_MAX_INSTANCE_COUNT is not a number"),
        ("SPIN_MAX_INSTANCE_MEMORY", "-1", "SPIN_MAX_INSTANCE_MEMORY is not a number"),
    ] {
        let (code, complaint) = complaint(dev_host(application().path(), ANY_PORT).env(variable, value));
        assert!(code == 64 && complaint.starts_with(says), "{complaint}");
    }
    let output = dev_host(application().path(), &["--unheard-of"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(dev_host(application().path(), &["--help"]).output().unwrap().status.code(), Some(0));
}

#[test]
fn an_unknown_variable_is_named() {
    assert_eq!(
        complaint(&mut dev_host(application().path(), &["--variable", "other=x"])),
        (64, "unknown variable `other`: the manifest declares needed".to_owned())
    );
}

#[test]
fn a_component_that_is_not_built_says_how_to_build_it() {
    let application = application();
    fs::remove_file(application.path().join("returns.wasm")).unwrap();
    let (code, complaint) = complaint(&mut dev_host(application.path(), ANY_PORT));
    assert!(code == 1 && complaint.ends_with("returns.wasm is not there: run `cargo xtask build`"), "{complaint}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, complaint) = complaint(&mut dev_host(application().path(), &["--listen", &address]));
    assert!(code == 1 && complaint.starts_with(&format!("{address} is in use: ")), "{complaint}");
}

#[test]
fn a_bad_allowed_host_is_named_without_what_the_variable_holds() {
    let secret = "needed=redis://:secret@h:6379";
    let says = "component `returns`: allowed_outbound_hosts: entry 1: it has a user name or password";
    assert_eq!(
        complaint(&mut dev_host(application().path(), &["--listen", "127.0.0.1:0", "--variable", secret])),
        (64, says.to_owned())
    );
}
