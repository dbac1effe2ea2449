//! An instance of the API that serves many requests, several at the same time, and what they share: the connection to Redis,
//! group commit, and the memory for large bodies.

mod body;
mod redis;

use std::{
    future::Future,
    rc::Rc,
    time::{Duration, Instant},
};

use http::Request;

pub use self::body::BodyStream;
use self::{body::InstanceBody, redis::InstanceRedis};
use crate::{
    budget::Budget, client::Client, group_commit::GroupCommit, invalid_setting::InvalidSetting,
    redis_client::RedisClient, response::Response, router, runtime::Runtime, settings::Settings,
    shared_connection::SharedConnection,
};

/// What an instance needs of its host, beside a [`Runtime`] and a [`RedisClient`].
///
/// Time comes from `std`, random bytes from [`getrandom`](https://docs.rs/getrandom), and log lines go to the crate
/// [`log`](https://docs.rs/log): a host that wants them installs a logger.
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

/// An instance of the API.
///
/// It stays on one thread: its requests share state without locks, and their futures are not `Send`. A native host has an instance
/// for each thread, as an `Rc`, and serves its requests on a
/// [`LocalSet`](https://docs.rs/tokio/latest/tokio/task/struct.LocalSet.html) or a current-thread runtime.
pub struct Instance<H: Host> {
    host: H,
    connection: SharedConnection<H, H::RedisClient>,
    commit: GroupCommit<H, <H::RedisClient as RedisClient>::Error>,
    budget: Budget<H>,
}

impl<H: Host> Instance<H> {
    /// Connects to nothing yet.
    pub fn new(host: H, redis: H::RedisClient) -> Self {
        Self {
            host,
            connection: SharedConnection::new(redis),
            commit: GroupCommit::default(),
            budget: Budget::default(),
        }
    }

    /// Answers one request, as [`respond`](router::respond).
    ///
    /// When the future is dropped, because the client went away, the email may or may not have been accepted. Other requests are
    /// not affected.
    ///
    /// The future is deeply nested: a crate that wraps it in several of its own may need `#![recursion_limit = "256"]`.
    pub async fn respond<B: BodyStream>(&self, request: Request<B>, client: &Client) -> Response {
        let request = request.map(|stream| InstanceBody::new(stream, &self.budget));
        router::respond(request, client, async || self.host.settings().await, &InstanceRedis::new(self)).await
    }
}
