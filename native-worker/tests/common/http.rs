//! A client of the worker's server for metrics and health checks.

use testkit::Process;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The flags that turn the server on, at a free port.
pub(crate) const ADMIN: [&str; 2] = ["--admin-listen", "127.0.0.1:0"];

/// Where a worker serves; waits until it says so.
pub(crate) async fn address(worker: &Process) -> String {
    let line = worker.wait_for_line(|line| line.contains("serving /metrics")).await;
    let (_, address) = line.split_once("address=").unwrap();
    address.split_whitespace().next().unwrap().to_owned()
}

/// Gets a path: the status and the body.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    let answer = send(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Sends this, and reads until the worker closes the connection.
pub(crate) async fn send(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The value of a series, given as it is printed; waits for nothing.
pub(crate) fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}
