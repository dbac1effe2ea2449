//! The health check of a container whose image has no other program: this one asks the server.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

/// How long to wait for the connection, and for each part of the answer. `/readyz` itself waits for Redis for
/// 2 seconds, and with `require_replicas` for 2 more.
const TIMEOUT: Duration = Duration::from_secs(6);

/// Asks `/readyz` of the server that listens at an address. Success is the status 200; any other, and any error, is printed.
pub(crate) fn check_ready(listen: SocketAddr) -> ExitCode {
    match status(reachable(listen)) {
        Ok(status) if status.contains(" 200 ") => return ExitCode::SUCCESS,
        Ok(status) => eprintln!("native-api: not ready: {status}"),
        Err(error) => eprintln!("native-api: no answer from {listen}: {error}"),
    }
    ExitCode::FAILURE
}

/// Where a client on this machine reaches a server that listens at this address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status line of the answer.
fn status(server: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    // The line and some headers: enough, and bounded whatever listens there.
    stream.take(1024).read_to_end(&mut answer)?;
    let line = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}
