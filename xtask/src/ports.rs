//! Looking for free ports on this machine.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, bail};

/// How many ports to try before giving up.
const TRIES: u16 = 100;

/// Checks that the API can listen there, before anything long is done. Port 0 becomes a free one.
///
/// # Errors
/// The port is taken, or needs more rights; the address is not one of this machine.
pub(crate) fn reserve(listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    match TcpListener::bind(listen) {
        Ok(listener) => listener.local_addr().context("cannot read the address of a socket"),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "{listen} is taken by another program: stop it, or choose another address with `--listen {}`",
            SocketAddr::new(listen.ip(), listen.port().checked_add(1).unwrap_or(3000)),
        ),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!(
            "listening on {listen} needs more rights: choose a port of 1024 or above with `--listen {}`",
            SocketAddr::new(listen.ip(), 3000),
        ),
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen on {listen}: choose another address with `--listen 127.0.0.1:3000`")
        }),
    }
}

/// The first free port of the loopback interface, from `first` on.
///
/// # Errors
/// A hundred ports in a row are taken.
pub(crate) fn first_free(first: u16) -> anyhow::Result<u16> {
    harness::ports::first_free(first..=first.saturating_add(TRIES))
        .with_context(|| format!("no port from {first} on is free for Redis: name a server with --redis-url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn an_address_in_use_is_refused_with_the_option_that_helps() {
        let (_listener, address) = taken();
        let error = reserve(address).unwrap_err().to_string();
        assert!(error.contains("taken") && error.contains("--listen"), "{error}");
    }

    #[test]
    fn port_zero_becomes_a_real_port() {
        assert_ne!(reserve("127.0.0.1:0".parse().unwrap()).unwrap().port(), 0);
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_a_way_out() {
        let error = format!("{:#}", reserve("192.0.2.1:3000".parse().unwrap()).unwrap_err());
        assert!(error.contains("--listen"), "{error}");
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        let (_listener, address) = taken();
        assert!(first_free(address.port()).unwrap() > address.port());
    }
}
