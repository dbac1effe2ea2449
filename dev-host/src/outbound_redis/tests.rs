//! The interface against a Redis server of the tests' own.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use harness::{DEADLINE, Output, Persistence, Process, ports::free_port, redis_command};
use redis::io::tcp::TcpSettings;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net, time,
};

use super::*;
use crate::{allowed_hosts::AllowedHosts, variables::ComponentVariables};

/// A Redis server that demands a password, killed when dropped.
struct Server {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        loop {
            let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
            let mut command = redis_command(Path::new(&program), port, folder.path(), Persistence::None);
            let process = Process::start(command.args(["--requirepass", "secret"]), Output::Lines(9, None)).unwrap();
            let answers = || Ok(redis::Client::open(url(port)).unwrap().get_connection().ok());
            // It ends if another process has taken the port meanwhile.
            if process.wait_for("an answer", DEADLINE, answers).is_ok() {
                return Self { _process: process, port, _folder: folder };
            }
        }
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
    fn allowed_to(port: u16) -> Self {
        let settings = Settings {
            id: "test".to_owned(),
            variables: ComponentVariables::default(),
            allowed_hosts: AllowedHosts::parse(&[format!("redis://127.0.0.1:{port}")]).unwrap(),
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
    let mut request = Request::allowed_to(server.port);
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
    let mut request = Request::allowed_to(server.port);
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
async fn an_error_of_the_server_is_in_the_words_of_the_client() {
    let server = Server::start();
    let mut request = Request::allowed_to(server.port);
    let this = request.open(url(server.port)).await.unwrap();
    let mut redis = request.redis();

    // A code that the client has a name for gets that.
    let arguments = vec![RedisParameter::Binary(b"0123".to_vec()), RedisParameter::Int64(0)];
    let error = redis.execute(this(), "EVALSHA".into(), arguments).await.unwrap_err();
    let known = "An error was signalled by the server - NoScriptError: No matching script. Please use EVAL.";
    assert_eq!(message(error), known);
    let error = redis.execute(this(), "INCR".into(), vec![]).await.unwrap_err();
    let wrong = "An error was signalled by the server - ResponseError: wrong number of arguments for 'incr' command";
    assert_eq!(message(error), wrong);

    // Another code stands first.
    redis.set(this(), "key".into(), b"text".to_vec()).await.unwrap();
    let error = redis.sadd(this(), "key".into(), vec!["member".into()]).await.unwrap_err();
    assert_eq!(message(error), "WRONGTYPE: Operation against a key holding the wrong kind of value");
    let config = ["SET", "maxmemory", "1"].map(|word| RedisParameter::Binary(word.into())).to_vec();
    redis.execute(this(), "CONFIG".into(), config).await.unwrap();
    let error = redis.set(this(), "key".into(), b"text".to_vec()).await.unwrap_err();
    assert_eq!(message(error), "OOM: command not allowed when used memory > 'maxmemory'.");
}

#[tokio::test]
async fn a_value_that_is_not_text_is_an_error_where_text_is_promised() {
    let server = Server::start();
    let mut request = Request::allowed_to(server.port);
    let this = request.open(url(server.port)).await.unwrap();
    let mut redis = request.redis();
    let arguments = vec![RedisParameter::Binary(b"set".to_vec()), RedisParameter::Binary(b"\xff".to_vec())];
    redis.execute(this(), "SADD".into(), arguments).await.unwrap();
    let error = redis.smembers(this(), "set".into()).await.unwrap_err();
    assert_eq!(message(error), "Cannot convert from UTF-8- TypeError");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_an_invalid_address() {
    let server = Server::start();
    let mut request = Request::allowed_to(1);
    for address in [url(server.port), "127.0.0.1:1".into(), "http://127.0.0.1:1".into(), "".into(), "::".into()] {
        assert!(matches!(request.open(address.clone()).await.err(), Some(Error::InvalidAddress)), "{address}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_error_without_the_password() {
    let server = Server::start();
    let mut request = Request::allowed_to(server.port);
    let address = format!("redis://:guess@127.0.0.1:{}", server.port);
    let error = request.open(address).await.err().unwrap();
    assert_eq!(message(error), "Password authentication failed- AuthenticationFailed");
}

#[tokio::test]
async fn connections_are_limited_and_dropping_one_makes_room() {
    let server = Server::start();
    let mut request = Request::allowed_to(server.port);
    let first = request.redis().open(url(server.port)).await.unwrap();
    request.connections = MAX_CONNECTIONS;
    assert!(matches!(request.open(url(server.port)).await.err(), Some(Error::TooManyConnections)));
    request.redis().drop(first).await.unwrap();
    assert!(request.open(url(server.port)).await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_once_and_one_that_has_gone_at_the_next_command() {
    // Port 1 is TCPMUX, which nothing on a machine of today serves.
    let mut request = Request::allowed_to(1);
    let error = request.open("redis://127.0.0.1:1".to_owned()).await.err().unwrap();
    assert_eq!(message(error), "Connection refused (os error 111)");

    let server = Server::start();
    let mut request = Request::allowed_to(server.port);
    let this = request.open(url(server.port)).await.unwrap();
    drop(server);
    let ping = request.redis().execute(this(), "PING".into(), vec![]).await.unwrap_err();
    let again = request.redis().execute(this(), "PING".into(), vec![]).await.unwrap_err();
    assert_eq!((message(ping), message(again)), ("broken pipe".to_owned(), "broken pipe".to_owned()));
}

#[tokio::test]
async fn a_connection_is_open_once_the_server_has_heard_who_the_client_is() {
    let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (address, mut request) = (format!("redis://127.0.0.1:{port}"), Request::allowed_to(port));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = Vec::new();
        while !greeting.ends_with(b"LIB-VER\r\n$6\r\n0.32.7\r\n") {
            assert_ne!(stream.read_buf(&mut greeting).await.unwrap(), 0);
        }
        stream.write_all(b"+OK\r\n-ERR unknown subcommand\r\n").await.unwrap();
        String::from_utf8(greeting).unwrap()
    };
    let (connection, greeting) = tokio::join!(request.open(address), serve);
    assert!(connection.is_ok());
    let name = "*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n$8\r\nredis-rs\r\n";
    let version = "*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$7\r\nLIB-VER\r\n$6\r\n0.32.7\r\n";
    assert_eq!(greeting, format!("{name}{version}"));
}

#[test]
fn sockets_are_as_the_client_has_them() {
    assert!(format!("{:?}", TcpSettings::default()).starts_with("TcpSettings { nodelay: false, keepalive: None"));
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_as_long_as_it_takes() {
    // Twice a usual timeout, and a tenth of what is promised.
    const LONG: Duration = Duration::from_secs(5);
    let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (address, mut request) = (format!("redis://127.0.0.1:{port}"), Request::allowed_to(port));
    assert!(time::timeout(LONG, request.open(address)).await.is_err());
}
