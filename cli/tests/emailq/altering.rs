//! Redis as it cannot be had here, of another version or with another clock: a proxy that changes lines of what it says.

use std::{
    io::{BufRead, BufReader, Write, copy},
    net::{TcpListener, TcpStream},
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
