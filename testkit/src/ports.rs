//! Free ports: for servers that cannot choose one themselves, and for servers that are down.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

pub use harness::ports::free_port;

/// A port on 127.0.0.1 that refuses connections as long as this exists: it is bound, but does not listen.
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

    /// The address that refuses connections.
    ///
    /// # Panics
    /// When the system does not return the address.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or_else(|error| panic!("the reserved port has no address: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_closed_port_refuses_connections_and_cannot_be_taken() {
        let closed = ClosedPort::reserve();
        let refusal = std::net::TcpStream::connect(closed.address()).unwrap_err();
        assert_eq!(refusal.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(TcpListener::bind(closed.address()).is_err());
    }
}
