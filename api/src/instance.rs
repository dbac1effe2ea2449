//! An instance of the API that serves many requests, several at the same time, and what they share: the connection to Redis,
//! group commit, and the memory for large bodies.

mod body;
mod host;
mod redis;

use http::Request;

pub use self::{body::BodyStream, host::Host};
use self::{
    body::InstanceBody,
    redis::{InstanceRedis, RequestRedis},
};
use crate::{budget::Budget, client::Client, response::Response, router};

/// An instance of the API.
///
/// It stays on one thread: its requests share state without locks, and their futures are not `Send`. A native host has an instance
/// for each thread, as an `Rc`, and serves its requests on a
/// [`LocalSet`](https://docs.rs/tokio/latest/tokio/task/struct.LocalSet.html) or a current-thread runtime.
pub struct Instance<H: Host> {
    redis: InstanceRedis<H>,
    budget: Budget<H>,
}

impl<H: Host> Instance<H> {
    /// Connects to nothing yet.
    pub fn new(host: H, redis: H::RedisClient) -> Self {
        Self { redis: InstanceRedis::new(host, redis), budget: Budget::default() }
    }

    /// Answers one request, as [`respond`](router::respond).
    ///
    /// When the future is dropped, because the client went away, the email may or may not have been accepted. Other requests are
    /// not affected.
    ///
    /// The future is deeply nested: a crate that wraps it in several of its own may need `#![recursion_limit = "256"]`.
    pub async fn respond<B: BodyStream>(&self, request: Request<B>, client: &Client) -> Response {
        let request = request.map(|stream| InstanceBody::new(stream, &self.budget));
        router::respond(request, client, async || self.redis.host().settings().await, &RequestRedis::new(&self.redis))
            .await
    }
}
