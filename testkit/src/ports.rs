//! Ports that nobody listens on: for servers that must be told theirs, and for servers that are away.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// Where the ports that we hand out begin, and how many follow.
///
/// They lie below Linux's ephemeral range (32768 and up). A port from that range is a trap for a server that is
/// killed and started again: while it is away, some client's outgoing connection may be given the port, or a client
/// that keeps trying to reconnect may even be connected to itself.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port on 127.0.0.1 that nobody listens on at this moment.
///
/// Somebody else may take it before the caller does: bind soon, and try another one if that fails. It may fail for a
/// moment even if nobody does, because a process being started meanwhile inherits the socket that tried the port.
///
/// # Panics
/// When no port could be bound at all.
pub fn free_port() -> u16 {
    // Tests run in parallel, in many processes: begin anywhere, so that they rarely meet.
    let offset = (RandomState::new().hash_one(()) % u64::from(COUNT)) as u16;
    (0..COUNT)
        .map(|step| FIRST + (offset + step) % COUNT)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .unwrap_or_else(|| panic!("no free port on 127.0.0.1 from {FIRST} to {}", FIRST + (COUNT - 1)))
}

/// A port on 127.0.0.1 that refuses connections for as long as this lives: it is taken, so that nobody else can listen
/// on it, but does not listen itself.
#[derive(Debug)]
pub struct ClosedPort {
    socket: TcpSocket,
}

impl ClosedPort {
    /// # Panics
    /// When no port can be bound.
    pub fn reserve() -> Self {
        let reserve = || {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            Ok::<_, std::io::Error>(Self { socket })
        };
        reserve().unwrap_or_else(|error| panic!("cannot reserve a port: {error}"))
    }

    /// Where nobody listens.
    ///
    /// # Panics
    /// When the system does not know the address it gave.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or_else(|error| panic!("the reserved port has no address: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{DEADLINE, eventually_blocking};

    #[test]
    fn a_free_port_can_be_bound_and_lies_outside_the_ephemeral_range() {
        let port = free_port();
        assert!((20_000..32_000).contains(&port));
        // Not at once: a process that another test starts at this moment inherits our socket until its exec.
        eventually_blocking(DEADLINE, "the port to be free", || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn a_closed_port_refuses_connections_and_cannot_be_taken() {
        let closed = ClosedPort::reserve();
        let refusal = std::net::TcpStream::connect(closed.address()).unwrap_err();
        assert_eq!(refusal.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(TcpListener::bind(closed.address()).is_err());
    }
}
