//! What each command works with.

use email_queue::{EmailId, Queue, Shards, call::Call};
use redis_connection::{CertificateFiles, RedisServer, RedisUrl};

use crate::{
    output::{Output, Style},
    redis_client::{RedisClient, Unanswered},
};

/// Where the queue is, and how to print.
pub(crate) struct Config {
    pub(crate) redis: RedisUrl,
    pub(crate) files: CertificateFiles,
    pub(crate) shards: Shards,
    pub(crate) style: Style,
}

/// A queue, and where to print.
pub(crate) struct Context {
    pub(crate) redis: RedisClient,
    pub(crate) shards: Shards,
    pub(crate) out: Output,
}

/// A setting, or a file that was named, cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) String);

impl Context {
    /// Does not connect.
    ///
    /// # Errors
    /// [`Unusable`], if certificates cannot be read.
    pub(crate) fn new(config: Config) -> Result<Self, Unusable> {
        let server = RedisServer::new(config.redis, config.files).map_err(|error| Unusable(error.to_string()))?;
        Ok(Self { redis: RedisClient::new(server), shards: config.shards, out: Output::new(config.style) })
    }

    /// Runs a call.
    ///
    /// # Errors
    /// Redis cannot be reached, does not answer in time, or refuses.
    pub(crate) async fn run<T>(&self, call: &Call<T>) -> Result<T, Unanswered> {
        self.redis.run(call).await
    }

    /// Asks the shard that an id says for its email. If that has none, it asks shard 0, where emails are whose ids say no shard:
    /// those of the time when there was one, and those of other programs.
    pub(crate) async fn find<T>(
        &self,
        id: EmailId,
        call: impl Fn(&Queue) -> Call<T>,
        is_known: impl Fn(&T) -> bool,
    ) -> Result<T, Unanswered> {
        let queue = self.shards.queue(self.shards.of(id));
        let answer = self.run(&call(&queue)).await?;
        if is_known(&answer) || queue == *self.shards.first() {
            return Ok(answer);
        }
        self.run(&call(self.shards.first())).await
    }
}
