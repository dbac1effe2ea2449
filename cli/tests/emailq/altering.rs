//! Redis as it cannot be had here, of another version or with another clock, or lost at a moment that can be told: a proxy that changes
//! lines of what it says, or cuts the connection.

use std::{
    io::{BufRead, BufReader, Read, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

/// A URL at which a Redis answers, each line of its replies changed so. It ends with the process.
pub(crate) fn redis(port: u16, change: fn(&[u8]) -> Option<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || copy(&mut from_client, &mut to_server));
            thread::spawn(move || replies(server, client, change));
        }
    });
    url
}

fn replies(server: TcpStream, mut client: TcpStream, change: fn(&[u8]) -> Option<Vec<u8>>) {
    let mut server = BufReader::new(server);
    let mut line = Vec::new();
    while server.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let changed = change(&line);
        if client.write_all(changed.as_deref().unwrap_or(&line)).is_err() {
            return;
        }
        line.clear();
    }
}

/// A URL at which a Redis answers until this is so, which is asked before each reply. From then on connections are cut.
pub(crate) fn cut(port: u16, is_over: fn(&mut redis::Connection) -> bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || copy(&mut from_client, &mut to_server));
            thread::spawn(move || {
                let mut redis =
                    redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap().get_connection().unwrap();
                let mut reply = [0; 1 << 16];
                while let Ok(length @ 1..) = server.read(&mut reply) {
                    if is_over(&mut redis) || client.write_all(&reply[..length]).is_err() {
                        break;
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    url
}
