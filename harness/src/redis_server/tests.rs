use redis::TypedCommands;

use super::*;

#[test]
fn what_was_written_survives_kill_and_start_again_on_the_same_port() {
    let mut server = RedisServer::start();
    let port = server.port();
    server.connection().lpush("list", "kept").unwrap();

    server.kill_now();
    assert!(server.try_connection(Duration::from_secs(1)).is_err());

    server.start_again();
    assert_eq!(server.port(), port);
    let kept: String = redis::cmd("RPOP").arg("list").query(&mut server.connection()).unwrap();
    assert_eq!(kept, "kept");
}

#[test]
fn without_persistence_a_restart_forgets() {
    let mut server = RedisServer::builder().without_persistence().start();
    server.connection().set("key", "value").unwrap();
    server.kill_now();
    server.start_again();
    assert_eq!(server.connection().get("key").unwrap(), None);
}

#[test]
fn a_frozen_server_answers_nothing_until_it_is_thawed() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    server.freeze();
    connection.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(connection.ping().is_err());
    server.thaw();
    assert_eq!(server.connection().ping().unwrap(), "PONG");
}

#[test]
fn settings_and_password_apply() {
    let server = RedisServer::builder().password("secret").setting("maxmemory-policy", "allkeys-lru").start();
    let policy: Vec<String> =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query(&mut server.connection()).unwrap();
    assert_eq!(policy, ["maxmemory-policy", "allkeys-lru"]);

    let stranger = redis::Client::open(format!("redis://{}", server.address())).unwrap();
    let refused = stranger.get_connection().and_then(|mut connection| redis::cmd("PING").exec(&mut connection));
    assert!(refused.is_err());
}

#[test]
fn a_port_in_use_is_reported_instead_of_taken_for_our_server() {
    let first = RedisServer::start();
    let (options, directory) = (RedisServerBuilder::default(), TempDir::new().unwrap());
    let process = options.spawn(first.port(), &directory).unwrap();
    let second = RedisServer { options, port: first.port(), process, directory };
    assert!(second.wait_until_ready().unwrap_err().to_string().contains("has ended by itself"));
}

#[test]
fn servers_started_at_the_same_time_do_not_meet() {
    let servers: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..4).map(|_| scope.spawn(|| RedisServer::builder().without_persistence().start())).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (number, server) in servers.iter().enumerate() {
        server.connection().set("number", number).unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        assert_eq!(server.connection().get("number").unwrap(), Some(number.to_string()));
    }
}
