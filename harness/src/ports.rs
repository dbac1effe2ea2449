//! Free ports, for servers that cannot choose one themselves.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Where [`free_port`] looks.
///
/// These lie below Linux's ephemeral range (32768 and up). While a server with a port of that range is restarted, an
/// outgoing connection may be given the port, or a client that reconnects may even be connected to itself.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A free port on 127.0.0.1.
///
/// Another process may take it first: bind soon, and try another port if that fails. Binding may fail for a moment even
/// if nobody listens, because a process that is being started inherits the socket that tried the port.
///
/// # Panics
/// When no port can be bound.
pub fn free_port() -> u16 {
    // Many processes look at the same time: each begins at random, so that they rarely collide.
    let offset = (RandomState::new().hash_one(()) % RANGE.len() as u64) as u16;
    let (before, after) = (RANGE.start..RANGE.start + offset, RANGE.start + offset..RANGE.end);
    first_free(after.chain(before)).unwrap_or_else(|| panic!("no free port on 127.0.0.1 in {RANGE:?}"))
}

/// The first free one of these ports on 127.0.0.1.
pub fn first_free(mut ports: impl Iterator<Item = u16>) -> Option<u16> {
    ports.find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{DEADLINE, eventually};

    #[test]
    fn a_free_port_can_be_bound_and_lies_outside_the_ephemeral_range() {
        let port = free_port();
        assert!((20_000..32_000).contains(&port));
        // Not at once: a process that another test starts at this moment inherits our socket until its exec.
        eventually(DEADLINE, "the port to be free", || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn a_taken_port_is_skipped() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(first_free(port..=u16::MAX).is_none_or(|free| free > port));
    }
}
