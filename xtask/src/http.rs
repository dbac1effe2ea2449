//! Asks the API whether it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use harness::http::Error;

/// The API gives up on Redis within 5 s; it may take longer to answer only if it is broken.
const TIMEOUT: Duration = Duration::from_secs(6);

/// Whether `GET path` answers 200.
///
/// # Errors
/// What came instead, in words.
pub(crate) fn answers_ok(address: SocketAddr, path: &str) -> Result<(), String> {
    let answer = harness::http::agent(TIMEOUT).get(format!("http://{address}{path}")).call();
    let mut answer = answer.map_err(|error| match error {
        Error::Timeout(_) => format!("GET {path} is not answered within {} s", TIMEOUT.as_secs()),
        error => format!("GET {path}: {error}"),
    })?;
    if answer.status() == 200 {
        return Ok(());
    }
    let body = answer.body_mut().read_to_string().unwrap_or_default();
    Err(format!("GET {path} answers {} {body}", answer.status().as_u16()).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that reads one request and gives this answer.
    fn serve(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            assert_eq!(lines.next().unwrap().unwrap(), "GET /readyz HTTP/1.1");
            assert!(lines.any(|line| line.unwrap().is_empty()), "the request has an end");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn a_200_is_ready() {
        assert_eq!(answers_ok(serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "/readyz"), Ok(()));
    }

    #[test]
    fn anything_else_is_told_with_its_body() {
        let reason = answers_ok(serve("HTTP/1.1 503 No\r\n\r\nRedis is unreachable"), "/readyz").unwrap_err();
        assert_eq!(reason, "GET /readyz answers 503 Redis is unreachable");
    }

    #[test]
    fn a_server_of_another_kind_is_not_ready() {
        assert!(answers_ok(serve("-ERR unknown command\r\n"), "/readyz").is_err());
    }
}
