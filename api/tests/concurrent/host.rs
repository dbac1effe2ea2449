use std::{
    convert::Infallible,
    net::Ipv4Addr,
    rc::Rc,
    time::{Duration, Instant},
};

use api::{
    body::BodyError,
    client::Client,
    instance::{BodyStream, Host, Instance},
    invalid_setting::InvalidSetting,
    runtime::Runtime,
    settings::Settings,
};
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use tokio::{
    sync::oneshot,
    task::{LocalSet, yield_now},
    time::sleep,
};

use crate::redis_client::RedisRs;

/// A host, with fixed settings.
struct Tokio {
    settings: Rc<Settings>,
    redis_url: Rc<str>,
}

impl Runtime for Tokio {
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

impl Host for Tokio {
    type RedisClient = RedisRs;

    // As the native server has it.
    const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

    async fn settings(&self) -> Result<Rc<Settings>, InvalidSetting> {
        Ok(Rc::clone(&self.settings))
    }

    async fn redis_url(&self, _now: Instant) -> Rc<str> {
        Rc::clone(&self.redis_url)
    }
}

/// A body that comes in small pieces, each of which lets other tasks run first.
struct Pieces(std::vec::IntoIter<Vec<u8>>);

impl BodyStream for Pieces {
    type Chunk = Vec<u8>;

    async fn next(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        yield_now().await;
        Ok(self.0.next())
    }
}

/// The API, open to programs on this machine.
#[derive(Clone)]
pub(crate) struct Server(Rc<Instance<Tokio>>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Server {
    pub(crate) fn new(redis_url: &str) -> Self {
        let settings = Settings::from_variables(|name| (name == "open").then(|| "loopback".to_owned())).unwrap();
        let host = Tokio { settings: Rc::new(settings), redis_url: redis_url.into() };
        Self(Rc::new(Instance::new(host, RedisRs)))
    }

    pub(crate) async fn post(&self, path: &str, json: Value) -> Answer {
        self.send(Method::POST, path, json.to_string().into_bytes()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Answer {
        let pieces: Vec<_> = body.chunks(10_000).map(<[u8]>::to_vec).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost:3000")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Pieces(pieces.into_iter()))
            .unwrap();
        let response = self.0.respond(request, &Client::at(Ipv4Addr::LOCALHOST.into())).await;
        Answer { status: response.status(), body: serde_json::from_slice(response.body()).unwrap() }
    }
}

/// Runs what is not `Send`, as a native server does on each of its threads.
pub(crate) fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}
