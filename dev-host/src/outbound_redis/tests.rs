//! The interface against a Redis server of the tests' own.

use std::{
    env, io,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use super::*;
use crate::{allowed_hosts::AllowedHosts, variables::ComponentVariables};

/// A Redis server, stopped when dropped.
struct Server {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts a server that demands a password, on a port that was free a moment ago.
    fn start() -> Self {
        loop {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let folder = tempfile::tempdir().unwrap();
            let program = env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
            let mut process = Command::new(program)
                .args(["--bind", "127.0.0.1", "--save", "", "--requirepass", "secret"])
                .args(["--port", &port.to_string()])
                .arg("--dir")
                .arg(folder.path())
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is needed on the PATH, or another one in REDIS_SERVER");
            // It exits if someone else has taken the port meanwhile.
            while process.try_wait().unwrap().is_none() {
                if redis::Client::open(url(port)).unwrap().get_connection().is_ok() {
                    return Self { process, port, _folder: folder };
                }
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn url(port: u16) -> String {
    format!("redis://:secret@127.0.0.1:{port}")
}

/// The state of one request of a component that may connect to these hosts.
struct Request {
    settings: Arc<Settings>,
    table: ResourceTable,
    connections: usize,
}

impl Request {
    fn allowed_to(host: &str) -> Self {
        let settings = Settings {
            id: "test".to_owned(),
            variables: ComponentVariables::default(),
            allowed_hosts: AllowedHosts::parse(&[host]).unwrap(),
            quiet: true,
        };
        Self { settings: Arc::new(settings), table: ResourceTable::new(), connections: 0 }
    }

    fn redis(&mut self) -> OutboundRedis<'_> {
        OutboundRedis { settings: &self.settings, table: &mut self.table, connections: &mut self.connections }
    }

    /// Opens a connection. What it returns stands for the same connection however often it is copied.
    async fn open(&mut self, address: String) -> Result<impl Fn() -> Resource<Connection> + use<>, Error> {
        let id = self.redis().open(address).await?.rep();
        Ok(move || Resource::new_borrow(id))
    }
}

fn message(error: Error) -> String {
    match error {
        Error::Other(message) => message,
        error => panic!("expected a message, not {error:?}"),
    }
}

#[tokio::test]
async fn every_operation_does_what_its_name_says() {
    let server = Server::start();
    let mut request = Request::allowed_to("redis://127.0.0.1:*");
    let this = request.open(url(server.port)).await.unwrap();
    let mut redis = request.redis();
    let (key, set) = (|| "key".to_owned(), || "set".to_owned());

    assert_eq!(redis.get(this(), key()).await.unwrap(), None);
    redis.set(this(), key(), b"41".to_vec()).await.unwrap();
    assert_eq!(redis.incr(this(), key()).await.unwrap(), 42);
    assert_eq!(redis.get(this(), key()).await.unwrap().unwrap(), b"42");
    assert_eq!(redis.sadd(this(), set(), vec!["a".into(), "b".into(), "a".into()]).await.unwrap(), 2);
    assert_eq!(redis.srem(this(), set(), vec!["a".into(), "c".into()]).await.unwrap(), 1);
    assert_eq!(redis.smembers(this(), set()).await.unwrap(), ["b"]);
    redis.publish(this(), "channel".into(), b"payload".to_vec()).await.unwrap();
    assert_eq!(redis.del(this(), vec![key(), set(), "other".into()]).await.unwrap(), 2);
}

#[tokio::test]
async fn execute_takes_numbers_and_bytes_and_flattens_the_reply() {
    let server = Server::start();
    let mut request = Request::allowed_to("redis://127.0.0.1:*");
    let this = request.open(url(server.port)).await.unwrap();
    let script = "return {ARGV[1], {tonumber(ARGV[2]), {false}}, redis.status_reply('FINE')}";
    let arguments = vec![
        RedisParameter::Binary(script.into()),
        RedisParameter::Int64(0),
        RedisParameter::Binary(b"\xff\0".to_vec()),
        RedisParameter::Int64(-7),
    ];
    let reply = request.redis().execute(this(), "EVAL".into(), arguments).await.unwrap();
    assert!(matches!(
        reply.as_slice(),
        [RedisResult::Binary(bytes), RedisResult::Int64(-7), RedisResult::Nil, RedisResult::Status(status)]
            if bytes == b"\xff\0" && status == "FINE"
    ));
}

#[tokio::test]
async fn the_message_of_a_server_error_begins_with_its_code() {
    let server = Server::start();
    let mut request = Request::allowed_to("redis://127.0.0.1:*");
    let this = request.open(url(server.port)).await.unwrap();
    let mut redis = request.redis();

    let arguments = vec![RedisParameter::Binary(b"0123".to_vec()), RedisParameter::Int64(0)];
    let error = redis.execute(this(), "EVALSHA".into(), arguments).await.unwrap_err();
    assert_eq!(message(error), "NOSCRIPT No matching script. Please use EVAL.");

    redis.set(this(), "key".into(), b"text".to_vec()).await.unwrap();
    let error = redis.sadd(this(), "key".into(), vec!["member".into()]).await.unwrap_err();
    assert_eq!(message(error), "WRONGTYPE Operation against a key holding the wrong kind of value");

    let error = redis.incr(this(), "key".into()).await.unwrap_err();
    assert_eq!(message(error), "ERR value is not an integer or out of range");
}

#[tokio::test]
async fn a_value_that_is_not_text_is_a_type_error_where_text_is_promised() {
    let server = Server::start();
    let mut request = Request::allowed_to("redis://127.0.0.1:*");
    let this = request.open(url(server.port)).await.unwrap();
    let mut redis = request.redis();
    let arguments = vec![RedisParameter::Binary(b"set".to_vec()), RedisParameter::Binary(b"\xff".to_vec())];
    redis.execute(this(), "SADD".into(), arguments).await.unwrap();
    assert!(matches!(redis.smembers(this(), "set".into()).await, Err(Error::TypeError)));
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_an_invalid_address() {
    let server = Server::start();
    let mut request = Request::allowed_to("redis://127.0.0.1:1");
    for address in [url(server.port), "127.0.0.1:1".into(), "http://127.0.0.1:1".into(), "".into(), "::".into()] {
        assert!(matches!(request.open(address.clone()).await.err(), Some(Error::InvalidAddress)), "{address}");
    }
}

#[tokio::test]
async fn an_allowed_host_of_another_protocol_is_an_invalid_address() {
    let mut request = Request::allowed_to("*://*:*");
    let address = "http://127.0.0.1:1".to_owned();
    assert!(matches!(request.open(address).await.err(), Some(Error::InvalidAddress)));
}

#[tokio::test]
async fn a_wrong_password_is_an_error_without_the_password() {
    let server = Server::start();
    let mut request = Request::allowed_to("redis://127.0.0.1:*");
    let address = format!("redis://:guess@127.0.0.1:{}", server.port);
    let message = message(request.open(address).await.err().unwrap());
    assert!(!message.contains("guess"), "{message}");
}

#[tokio::test]
async fn connections_are_limited_and_dropping_one_makes_room() {
    let server = Server::start();
    let mut request = Request::allowed_to("redis://127.0.0.1:*");
    let first = request.redis().open(url(server.port)).await.unwrap();
    request.connections = MAX_CONNECTIONS;
    assert!(matches!(request.open(url(server.port)).await.err(), Some(Error::TooManyConnections)));
    request.redis().drop(first).await.unwrap();
    assert!(request.open(url(server.port)).await.is_ok());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    // The system accepts connections for a listener that does not.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let begin = Instant::now();
    let mut request = Request::allowed_to("redis://127.0.0.1:*");
    let this = request.open(address).await.unwrap();
    let error = request.redis().execute(this(), "PING".into(), vec![]).await.unwrap_err();
    assert_eq!(message(error), "timed out");
    assert!(begin.elapsed() < CONNECT_TIMEOUT + RESPONSE_TIMEOUT);
}

#[test]
fn a_reply_without_a_counterpart_in_the_interface_is_an_error() {
    let error = flat(Value::Array(vec![Value::Int(1), Value::Map(vec![])])).unwrap_err();
    assert_eq!(message(error), "replies of type map are not supported");
}

#[test]
fn an_error_that_is_not_the_servers_keeps_its_text() {
    let error = RedisError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
    assert_eq!(message(to_guest(&error)), "connection refused");
}
