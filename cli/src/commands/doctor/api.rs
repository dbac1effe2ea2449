//! Whether the API can accept emails.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::finding::Finding;

const CHECK: &str = "api";
const TIMEOUT: Duration = Duration::from_secs(10);

/// More of an answer is not read.
const MAX_ANSWER: u64 = 16 * 1024;

pub(super) async fn check(url: &str) -> Finding {
    let Some(host) =
        url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')).filter(|host| !host.contains('/'))
    else {
        let way_out = "write http://HOST:PORT, of the API itself rather than of a proxy with TLS";
        return Finding::fault(CHECK, "the address of --api-url is not asked", way_out);
    };
    let answer = match timeout(TIMEOUT, ready(host)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return unreachable(&error.to_string()),
        Err(_) => return unreachable("no answer in time"),
    };
    let (status, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = status.lines().next().unwrap_or_default();
    if status.contains(" 200") {
        return Finding::good(CHECK, format!("{url} accepts emails"));
    }
    Finding::fault(
        CHECK,
        format!("{url} is not ready: {status} {body}"),
        "its answer and its log say why; it needs the same Redis",
    )
}

fn unreachable(why: &str) -> Finding {
    Finding::fault(CHECK, format!("the API does not answer: {why}"), "is it running, and does it listen there?")
}

async fn ready(host: &str) -> std::io::Result<String> {
    let address = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
