//! The settings of a server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use api::settings::Settings;
use redis_connection::RedisServer;

use crate::proxies::Proxies;

/// What a server needs to start.
#[derive(Clone)]
pub(crate) struct Config {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where Redis is.
    pub(crate) redis: Arc<RedisServer>,
    /// What the handlers need.
    pub(crate) settings: Settings,
    /// How many threads serve requests.
    pub(crate) threads: usize,
    /// How many clients may be connected at a time.
    pub(crate) max_connections: usize,
    /// Proxies whose X-Forwarded-For is trusted.
    pub(crate) proxies: Proxies,
    /// How long requests in progress may take to end when the server is asked to stop.
    pub(crate) grace: Duration,
}
