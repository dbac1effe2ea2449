//! That no answer waits for the client's acknowledgement of its own head. Hosts leave Nagle's algorithm on: of an answer in
//! two segments the second one is not sent before the first is acknowledged, which a client may put off for 40 ms.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{Duration, Instant};

use e2e::Api;
use testkit::{DEADLINE, RedisServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Half of a delayed acknowledgement, and far more than a request takes.
const STALL: Duration = Duration::from_millis(20);

/// Requests with an answer each, as they go out: in one piece.
fn requests() -> [(&'static str, String); 4] {
    let post = |email: &str| {
        let head = format!("Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", email.len());
        format!("POST /emails HTTP/1.1\r\n{head}\r\n{email}")
    };
    [
        ("accepted", post(r#"{"to": "a@b.example", "message": "hi"}"#)),
        ("refused", post(r#"{"to": "nobody", "message": "hi"}"#)),
        ("ready", "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("healthy", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
    ]
}

/// Sends a request and reads the answer. Returns how many pieces it came in.
async fn ask(stream: &mut TcpStream, request: &str) -> usize {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64 * 1024];
    let (mut length, mut pieces) = (0, 0);
    while !is_whole(&answer[..length]) {
        let read = timeout(DEADLINE, stream.read(&mut answer[length..])).await.unwrap().unwrap();
        assert_ne!(read, 0, "the connection was closed after {:?}", String::from_utf8_lossy(&answer[..length]));
        length += read;
        pieces += 1;
    }
    pieces
}

/// Whether it is a head and as much of a body as the head says.
fn is_whole(answer: &[u8]) -> bool {
    let answer = str::from_utf8(answer).unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() == length.parse::<usize>().unwrap()
}

#[tokio::test]
async fn ten_requests_over_one_connection_are_answered_without_a_stall() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    for (kind, request) in requests() {
        let mut stream = TcpStream::connect(api.address()).await.unwrap();
        let mut times = Vec::new();
        for _ in 0..10 {
            let asked = Instant::now();
            ask(&mut stream, &request).await;
            times.push(asked.elapsed());
        }
        times.sort();
        assert!(times[5] < STALL, "{kind}: {times:?}");
    }
}

#[tokio::test]
async fn head_and_body_of_an_answer_come_in_one_segment() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    for (kind, request) in requests() {
        let mut stream = TcpStream::connect(api.address()).await.unwrap();
        let mut pieces = Vec::new();
        for _ in 0..10 {
            pieces.push(ask(&mut stream, &request).await);
        }
        assert_eq!(pieces, [1; 10], "{kind}");
    }
}
