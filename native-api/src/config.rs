//! The settings of a server.

use std::{net::SocketAddr, time::Duration};

use api::settings::Settings;

/// What a server needs to start.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where Redis is. May hold a password.
    pub(crate) redis_url: String,
    /// What the handlers need.
    pub(crate) settings: Settings,
    /// How many threads serve requests.
    pub(crate) threads: usize,
    /// How many clients may be connected at a time.
    pub(crate) max_connections: usize,
    /// How long requests in progress may take to end when the server is asked to stop.
    pub(crate) grace: Duration,
}
