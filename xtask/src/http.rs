//! One HTTP GET, enough to ask the API whether it is ready.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The API gives up on Redis within 5 s; it may take longer to answer only if it is broken.
const READ_TIMEOUT: Duration = Duration::from_secs(6);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_ANSWER: u64 = 64 * 1024;

/// Whether `GET path` answers 200.
///
/// # Errors
/// What came instead, in words.
pub(crate) fn answers_ok(address: SocketAddr, path: &str) -> Result<(), String> {
    let answer = get(address, path).map_err(|error| format!("GET {path}: {error}"))?;
    match status(&answer) {
        Some(200) => Ok(()),
        Some(status) => Err(format!("GET {path} answers {status} {}", body(&answer)).trim_end().to_owned()),
        None => Err(format!("GET {path} is not answered by an HTTP server")),
    }
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn status(answer: &str) -> Option<u16> {
    let mut words = answer.lines().next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
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
