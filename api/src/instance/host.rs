//! What an instance needs of its host.

use std::{
    future::Future,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{invalid_setting::InvalidSetting, redis_client::RedisClient, runtime::Runtime, settings::Settings};

/// What an instance needs of its host, beside a [`Runtime`] and a [`RedisClient`].
///
/// Time comes from `std`, random bytes from [`getrandom`](https://docs.rs/getrandom), and log lines go to the crate
/// [`log`](https://docs.rs/log): a host that writes them installs a logger.
pub trait Host: Runtime {
    /// How its connections to Redis are made.
    type RedisClient: RedisClient;

    /// How long a request waits for Redis, all its commands together. A network that has lost a connection never answers. Longer than
    /// a healthy Redis takes for anything.
    const REDIS_TIMEOUT: Duration = Duration::from_secs(4);

    /// The settings as they are now. Called once for nearly every request.
    ///
    /// # Errors
    /// The first setting that cannot be used: the request then gets a 500.
    fn settings(&self) -> impl Future<Output = Result<Rc<Settings>, InvalidSetting>>;

    /// The URL of Redis at this moment. Called for every command. If it changes, the next command opens a connection to the new one.
    fn redis_url(&self, now: Instant) -> impl Future<Output = Rc<str>>;
}
