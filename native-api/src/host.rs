//! What the handlers need of a host, from tokio and the settings.

use std::{
    convert::Infallible,
    future::Future,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use api::{
    instance::{Host, Instance},
    invalid_setting::InvalidSetting,
    runtime::Runtime,
    settings::Settings,
};
use redis_connection::RedisServer;
use tokio::{sync::oneshot, task::yield_now, time::sleep};

use crate::redis_client::TokioRedis;

/// A thread of the server, whose connections are tasks of its [`LocalSet`](tokio::task::LocalSet).
pub(crate) struct Thread {
    settings: Rc<Settings>,
    redis_address: Rc<str>,
}

impl Thread {
    /// An instance of the API for this thread.
    pub(crate) fn instance(settings: Settings, redis: Arc<RedisServer>) -> Rc<Instance<Self>> {
        let thread = Self { settings: Rc::new(settings), redis_address: redis.url().to_string().into() };
        Rc::new(Instance::new(thread, TokioRedis(redis)))
    }
}

impl Host for Thread {
    type RedisClient = TokioRedis;

    const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

    async fn settings(&self) -> Result<Rc<Settings>, InvalidSetting> {
        Ok(Rc::clone(&self.settings))
    }

    /// The client knows the rest, and it never changes.
    async fn redis_url(&self, _now: Instant) -> Rc<str> {
        Rc::clone(&self.redis_address)
    }
}

impl Runtime for Thread {
    type Notify = oneshot::Sender<Infallible>;

    fn notify() -> (Self::Notify, impl Future<Output = ()>) {
        let (sender, receiver) = oneshot::channel();
        (sender, async { drop(receiver.await) })
    }

    fn yield_now() -> impl Future<Output = ()> {
        yield_now()
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> {
        sleep(time)
    }
}
