//! The entry point for WASI 0.3. An instance serves many requests, several at the same time.

#![allow(unsafe_code, reason = "the macro of wasip3 exports the entry point by hand")]

mod body;
mod redis;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use api::{
    body::content_length,
    clock::{Clock, ClockHost},
    instance::{Host, Instance},
    invalid_setting::InvalidSetting,
    response::Response,
    runtime::Runtime,
    settings::Settings,
    ttl_cell::TtlCell,
};
use futures_channel::oneshot;
use http::{HeaderName, HeaderValue, Request, header};
use spin_sdk_wasip3::{
    variables,
    wasip3::{
        self,
        clocks::monotonic_clock::wait_for,
        exports::http::handler::Guest,
        http::types::{self, ErrorCode, Fields, Trailers},
        spawn, wit_future, wit_stream,
    },
    wit_bindgen::{FutureWriter, StreamWriter, yield_async},
};

use self::{body::WasiBody, redis::SpinRedisClient};
use crate::{client::client, stderr_log};

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(incoming: types::Request) -> Result<types::Response, ErrorCode> {
        let (outbox, outgoing) = oneshot::channel();
        spawn_beside(send(outgoing));
        let request = request(incoming);
        let client = client(request.headers());
        let response = INSTANCE.with(Rc::clone).respond(request, &client).await;
        // Spin then does what else it has to do for this request, and sends head and body together.
        Spin::yield_now().await;
        answer(response, outbox)
    }
}

thread_local! {
    static INSTANCE: Rc<Instance<Spin>> = {
        stderr_log::begin();
        Rc::new(Instance::new(Spin::default(), SpinRedisClient))
    };
    static CLOCK: Rc<Clock<Spin>> = Rc::default();
}

/// Spin as a host. A change of a variable takes effect within a second.
#[derive(Default)]
struct Spin {
    settings: TtlCell<Rc<Settings>>,
    redis_url: TtlCell<Rc<str>>,
}

impl Host for Spin {
    type RedisClient = SpinRedisClient;

    async fn settings(&self) -> Result<Rc<Settings>, InvalidSetting> {
        let now = Instant::now();
        if let Some(settings) = self.settings.get(now) {
            return Ok(settings);
        }
        let mut values = Vec::with_capacity(Settings::VARIABLES.len());
        for name in Settings::VARIABLES {
            values.push((name, variables::get(name).await.ok()));
        }
        let value = |name: &str| values.iter().find(|(known, _)| *known == name)?.1.clone();
        let settings = Rc::new(Settings::from_variables(value)?);
        self.settings.set(now, Rc::clone(&settings));
        Ok(settings)
    }

    async fn redis_url(&self, now: Instant) -> Rc<str> {
        if let Some(url) = self.redis_url.get(now) {
            return url;
        }
        let url = Rc::from(variables::get("redis_url").await.unwrap_or_default());
        self.redis_url.set(now, Rc::clone(&url));
        url
    }
}

fn request(incoming: types::Request) -> Request<WasiBody> {
    let mut request = Request::new(());
    *request.method_mut() = incoming.get_method().try_into().unwrap_or_default();
    *request.uri_mut() = incoming.get_path_with_query().and_then(|path| path.parse().ok()).unwrap_or_default();
    for (name, value) in incoming.get_headers().copy_all() {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            request.headers_mut().append(name, value);
        }
    }
    // Spin may remove this header.
    if !request.headers().contains_key(header::HOST)
        && let Some(host) = incoming.get_authority().and_then(|host| host.parse().ok())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let length = content_length(request.headers());
    request.map(|()| WasiBody::new(incoming, length))
}

/// Runs a future to its end beside the request, also after the answer.
///
/// An executor that has polled all its futures wakes itself, a useless call to Spin and back. Before the answer the request is
/// another future; after it, the one that only waits for this one is.
fn spawn_beside(future: impl Future<Output = ()> + 'static) {
    let (running, over) = oneshot::channel::<()>();
    spawn(async move {
        future.await;
        drop(running);
    });
    spawn(async move { over.await.unwrap_or_default() });
}

/// A body, and where it goes.
struct Outgoing {
    body: Vec<u8>,
    contents: StreamWriter<u8>,
    end: FutureWriter<Result<Option<Trailers>, ErrorCode>>,
}

async fn send(outgoing: oneshot::Receiver<Outgoing>) {
    // The request was dropped before its answer.
    let Ok(Outgoing { body, mut contents, end }) = outgoing.await else { return };
    // An error means that the client went away.
    drop(contents.write_all(body).await);
    drop(contents);
    // Only now: if Spin gets the trailers before the body, it sends the head by itself, and the network may then hold the body back
    // until the client has acknowledged the head.
    drop(end);
}

fn answer(response: Response, outbox: oneshot::Sender<Outgoing>) -> Result<types::Response, ErrorCode> {
    let (parts, body) = response.into_parts();
    let headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    let headers = Fields::from_list(&headers)
        .map_err(|_| ErrorCode::InternalError(Some("Spin refuses a header of an answer".to_owned())))?;
    let (contents, contents_reader) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = types::Response::new(headers, Some(contents_reader), trailers);
    // Refused only for what is no status code.
    let _ = response.set_status_code(parts.status.as_u16());
    // The receiver lives as long as this request.
    let _ = outbox.send(Outgoing { body, contents, end });
    Ok(response)
}

impl Runtime for Spin {
    type Notify = StreamWriter<u8>;

    fn notify() -> (StreamWriter<u8>, impl Future<Output = ()>) {
        // Nothing is written. Spin wakes the reader when the writer is dropped.
        let (writer, mut reader) = wit_stream::new();
        (writer, async move { assert!(reader.next().await.is_none()) })
    }

    async fn yield_now() {
        // The executor polls two futures, as many as a request has, before it returns to Spin. Both may be this one, if it is woken
        // at once.
        yield_async().await;
        yield_async().await;
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> {
        CLOCK.with(Rc::clone).sleep(time)
    }
}

impl ClockHost for Spin {
    async fn host_sleep(time: Duration) {
        wait_for(time.as_nanos().try_into().unwrap_or(u64::MAX)).await;
    }

    fn spawn(future: impl Future<Output = ()> + 'static) {
        spawn(future);
    }
}
