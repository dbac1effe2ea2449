//! The entry point under WASI 0.3: a thin adapter between Spin and [`router`](api::router).
//!
//! An instance serves many requests, several at the same time. They share one Redis connection, and those that put emails on
//! the queue at the same time share the call.

#![allow(unsafe_code, reason = "the macro of wasip3 exports the entry point by hand")]

mod body;
mod redis;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use api::{
    body::announced,
    clock::{self, Clock},
    error::ApiError,
    kept::Recent,
    response::Response,
    router,
    settings::Settings,
    tasks::Tasks,
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

use self::{body::WasiBody, redis::SpinRedis};
use crate::stderr_log;

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(incoming: types::Request) -> Result<types::Response, ErrorCode> {
        stderr_log::begin();
        let (outbox, outgoing) = oneshot::channel();
        spawn_beside(send(outgoing));
        let response = router::respond(request(incoming), settings, &SpinRedis::new()).await;
        // The host then has the time to do what else it has to do for this request, and sends head and body together.
        GuestTasks::turn().await;
        answer(response, outbox)
    }
}

thread_local! {
    static SETTINGS: Recent<Rc<Settings>> = const { Recent::new() };
    static CLOCK: Rc<Clock<GuestTasks>> = Rc::default();
}

async fn settings() -> Result<Rc<Settings>, ApiError> {
    let now = Instant::now();
    if let Some(settings) = SETTINGS.with(|recent| recent.get(now)) {
        return Ok(settings);
    }
    let mut values = Vec::with_capacity(Settings::VARIABLES.len());
    for name in Settings::VARIABLES {
        values.push((name, variables::get(name).await.ok()));
    }
    let value = |name: &str| values.iter().find(|(known, _)| *known == name)?.1.clone();
    let settings = Rc::new(Settings::from_variables(value)?);
    SETTINGS.with(|recent| recent.keep(now, Rc::clone(&settings)));
    Ok(settings)
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
    // A host may keep this one to itself.
    if !request.headers().contains_key(header::HOST)
        && let Some(host) = incoming.get_authority().and_then(|host| host.parse().ok())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let length = announced(request.headers());
    request.map(|()| WasiBody::new(incoming, length))
}

/// Runs a future to its end beside the request, from its beginning.
///
/// An executor that has polled all its futures wakes itself, and so goes to the host and back for nothing. While the request is
/// waited for there is one more, and with the one that only waits there also is when nothing but this future is left.
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
    // Without one there is no answer either.
    let Ok(Outgoing { body, mut contents, end }) = outgoing.await else { return };
    // What is left over was not wanted: the client went away.
    drop(contents.write_all(body).await);
    drop(contents);
    // Not before: a host that knows that there are no trailers while the body has not come sends the head by itself, and
    // the network may then hold the body back until the client has acknowledged the head.
    drop(end);
}

fn answer(response: Response, outbox: oneshot::Sender<Outgoing>) -> Result<types::Response, ErrorCode> {
    let (parts, body) = response.into_parts();
    let headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    let headers = Fields::from_list(&headers)
        .map_err(|_| ErrorCode::InternalError(Some("an answer had a header that the host refuses".to_owned())))?;
    let (contents, contents_reader) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = types::Response::new(headers, Some(contents_reader), trailers);
    // Refused only for what is no status code.
    let _ = response.set_status_code(parts.status.as_u16());
    // The receiver lives as long as this request.
    let _ = outbox.send(Outgoing { body, contents, end });
    Ok(response)
}

/// The tasks of this instance.
struct GuestTasks;

impl Tasks for GuestTasks {
    type Hold = StreamWriter<u8>;

    fn wait() -> (StreamWriter<u8>, impl Future<Output = ()>) {
        // Nothing is written. The host tells the reader when the writer is gone.
        let (writer, mut reader) = wit_stream::new();
        (writer, async move { assert!(reader.next().await.is_none()) })
    }

    async fn turn() {
        // The executor polls as many futures as a request has, which is two, before it lets the host go on; one that is woken
        // at once may be both.
        yield_async().await;
        yield_async().await;
    }

    fn pause(time: Duration) -> impl Future<Output = ()> {
        CLOCK.with(Rc::clone).pause(time)
    }
}

impl clock::Host for GuestTasks {
    async fn sleep(time: Duration) {
        wait_for(time.as_nanos().try_into().unwrap_or(u64::MAX)).await;
    }

    fn spawn(future: impl Future<Output = ()> + 'static) {
        spawn(future);
    }
}
