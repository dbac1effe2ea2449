//! The server as a program with one thread: its requests share a connection to Redis and the calls of scripts.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
};

use harness::{
    DEADLINE, Output, Process, RedisServer,
    http::{self, Agent, Body, Response},
};
use serde_json::{Value, json};

/// The API, open to programs on this machine.
struct Server {
    _process: Process,
    address: String,
    agent: Agent,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    fn id(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["id"].as_str().unwrap().to_owned()
    }
}

impl Server {
    fn start(redis: &RedisServer) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_native-api"));
        command.args(["--listen", "127.0.0.1:0", "--threads", "1", "--open", "loopback", "--redis-url", &redis.url()]);
        let process = Process::start(&mut command, Output::Lines(usize::MAX, None)).unwrap();
        let address = http::serving_address(&process, DEADLINE).unwrap();
        Self { _process: process, address, agent: http::agent(DEADLINE) }
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.agent.post(format!("http://{}{path}", self.address));
        answer(request.header("content-type", "application/json").send(body.to_string()).unwrap())
    }

    fn get(&self, path: &str) -> Answer {
        answer(self.agent.get(format!("http://{}{path}", self.address)).call().unwrap())
    }
}

fn answer(mut response: Response<Body>) -> Answer {
    let body = serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap();
    Answer { status: response.status().as_u16(), body }
}

fn email() -> Value {
    json!({"from": "a@example.com", "to": "b@example.com", "subject": "hello", "text": "hi"})
}

#[test]
fn an_email_is_accepted_read_back_and_canceled() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = Server::start(&redis);
    let id = server.post("/emails", &email()).id();

    let read = server.get(&format!("/emails/{id}"));
    assert_eq!((read.status, &read.body["subject"]), (200, &json!("hello")));
    assert_eq!(read.body["last_event"], "queued");

    let canceled = server.post(&format!("/emails/{id}/cancel"), &json!({}));
    assert_eq!((canceled.status, &canceled.body["id"]), (200, &json!(id)));
    assert_eq!(server.get(&format!("/emails/{id}")).body["last_event"], "canceled");
}

#[test]
fn requests_at_the_same_time_share_a_connection_and_calls() {
    const REQUESTS: usize = 20;
    let redis = RedisServer::builder().without_persistence().start();
    let mut observer = redis.connection();
    let server = Server::start(&redis);
    server.post("/emails", &email()).id();
    let before = Counts::read(&mut observer);

    // While Redis does not answer, all requests arrive.
    redis.freeze();
    let body = email().to_string();
    let request = format!(
        "POST /emails HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let clients: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let mut client = TcpStream::connect(&server.address).unwrap();
            client.set_read_timeout(Some(DEADLINE)).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            client
        })
        .collect();
    redis.thaw();
    let ids: HashSet<String> = clients.into_iter().map(accepted).collect();
    assert_eq!(ids.len(), REQUESTS);

    let after = Counts::read(&mut observer);
    assert_eq!(after.connections, before.connections);
    assert!(after.script_calls - before.script_calls < REQUESTS / 2, "{before:?} {after:?}");
}

/// The id of the email that a client posted.
fn accepted(mut client: TcpStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_large_body_in_many_pieces_is_accepted() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = Server::start(&redis);
    let mut large = email();
    large["text"] = "x".repeat(1_000_000).into();
    let id = server.post("/emails", &large).id();
    assert_eq!(server.get(&format!("/emails/{id}")).body["text"].as_str().map(str::len), Some(1_000_000));
}

#[test]
fn a_redis_that_cannot_be_reached_is_a_503_and_the_next_request_connects_again() {
    let mut redis = RedisServer::builder().start();
    let server = Server::start(&redis);
    server.post("/emails", &email()).id();
    redis.kill_now();
    assert_eq!(server.post("/emails", &email()).status, 503);
    redis.start_again();
    server.post("/emails", &email()).id();
}

#[test]
fn a_silent_redis_is_a_503_for_all_who_wait_for_it_and_the_next_request_connects_again() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = Server::start(&redis);
    server.post("/emails", &email()).id();
    redis.freeze();
    let post = || server.post("/emails", &email());
    let answers = thread::scope(|scope| [scope.spawn(post), scope.spawn(post)].map(|answer| answer.join().unwrap()));
    for answer in answers {
        assert_eq!(answer.status, 503);
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains("not known whether this was accepted"), "{answer:?}");
    }
    redis.thaw();
    server.post("/emails", &email()).id();
}

/// What Redis counts.
#[derive(Debug)]
struct Counts {
    connections: usize,
    script_calls: usize,
}

impl Counts {
    fn read(observer: &mut redis::Connection) -> Self {
        let info: redis::InfoDict = redis::cmd("INFO").arg("everything").query(observer).unwrap();
        let evalsha: String = info.get("cmdstat_evalsha").unwrap();
        let calls = evalsha.split(',').find_map(|part| part.strip_prefix("calls=")).unwrap();
        Self { connections: info.get("total_connections_received").unwrap(), script_calls: calls.parse().unwrap() }
    }
}
