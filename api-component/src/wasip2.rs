//! The entry point under WASI 0.2: a thin adapter between Spin and [`router`](api::router).
//!
//! An instance lives for one request, so the Redis connection is opened when the first command needs it, and never for
//! a request that needs none.

#![allow(unsafe_code, reason = "the macro of spin-sdk exports the entry point by hand")]

use std::{cell::OnceCell, time::Duration};

use api::{
    backend::Backend,
    body::{Body, Interrupted},
    response::Response,
    router,
    settings::Settings,
};
use email_queue::call::{Command, Redis, Value};
use http::{HeaderValue, Request, header};
use spin_sdk::{
    http::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam},
    http_component,
    redis::{Connection, RedisParameter},
    variables,
    wit::wasi::http0_2_0::types::{IncomingBody, OutgoingBody},
};
use wasi::{
    clocks::monotonic_clock,
    io::{
        poll::poll,
        streams::{InputStream, OutputStream, StreamError},
    },
};

use crate::{
    spin_redis::{SpinRedisError, impl_conversions},
    stderr_log,
};

/// How much of a body is read at a time, in bytes.
const CHUNK: u64 = 64 * 1024;

#[http_component]
async fn handle(incoming: IncomingRequest, out: ResponseOutparam) {
    stderr_log::begin();
    let redis = SpinRedis::default();
    let response = router::respond(request(incoming), async || Settings::from_variables(variable), &redis).await;
    send(response, out);
}

fn variable(name: &str) -> Option<String> {
    variables::get(name).ok()
}

fn request(incoming: IncomingRequest) -> Request<SpinBody> {
    let mut request = Request::new(());
    *request.method_mut() = incoming.method().to_string().parse().unwrap_or_default();
    *request.uri_mut() = incoming.path_with_query().and_then(|path| path.parse().ok()).unwrap_or_default();
    for (name, value) in incoming.headers().entries() {
        if let (Ok(name), Ok(value)) = (name.parse::<header::HeaderName>(), HeaderValue::try_from(value)) {
            request.headers_mut().append(name, value);
        }
    }
    // The host is not among the headers that WASI hands on.
    if let Some(host) = incoming.authority().and_then(|host| host.parse().ok()) {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    request.map(|()| SpinBody::Unread(incoming))
}

enum SpinBody {
    Unread(IncomingRequest),
    /// The stream goes before the body that it is of.
    Reading(InputStream, #[expect(dead_code, reason = "kept until the stream is gone")] IncomingBody),
}

impl SpinBody {
    fn stream(&mut self) -> Result<&InputStream, Interrupted> {
        if let Self::Unread(request) = self {
            let body = request.consume().map_err(|()| Interrupted::CutOff)?;
            let stream = body.stream().map_err(|()| Interrupted::CutOff)?;
            *self = Self::Reading(stream, body);
        }
        match self {
            Self::Reading(stream, _) => Ok(stream),
            Self::Unread(_) => Err(Interrupted::CutOff),
        }
    }
}

impl Body for SpinBody {
    async fn chunk(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
        let stream = self.stream()?;
        let mut clock = None;
        loop {
            match stream.read(CHUNK) {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(Some(chunk)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(_)) => return Err(Interrupted::CutOff),
            }
            // An instance has one request, so that nobody else waits here.
            let clock = clock.get_or_insert_with(|| {
                monotonic_clock::subscribe_duration(patience.as_nanos().try_into().unwrap_or(u64::MAX))
            });
            poll(&[&stream.subscribe(), clock]);
            if clock.ready() {
                return Err(Interrupted::Silent);
            }
        }
    }
}

fn send(response: Response, out: ResponseOutparam) {
    let (parts, body) = response.into_parts();
    let headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let outgoing = Fields::from_list(&headers).map(OutgoingResponse::new);
    let Ok(outgoing) = outgoing else {
        eprintln!("an answer had a header that the host refuses");
        return;
    };
    // Refused only for what is no status code.
    let _ = outgoing.set_status_code(parts.status.as_u16());
    let Ok((contents, stream)) = outgoing.body().and_then(|body| body.write().map(|stream| (body, stream))) else {
        eprintln!("the host has no body for an answer");
        return;
    };
    // As much as the host takes before it knows the answer: head and body of a small one then go out together.
    let sent = write_some(&stream, &body);
    out.set(outgoing);
    match sent.and_then(|sent| write_all(&stream, &body[sent..])) {
        Ok(()) => {
            drop(stream);
            if let Err(error) = OutgoingBody::finish(contents, None) {
                eprintln!("the answer could not be sent: {error:?}");
            }
        }
        // The client went away.
        Err(StreamError::Closed) => {}
        Err(StreamError::LastOperationFailed(error)) => {
            eprintln!("the answer could not be sent: {}", error.to_debug_string());
        }
    }
}

/// Writes what the host takes at once, and says how many bytes that is.
fn write_some(stream: &OutputStream, bytes: &[u8]) -> Result<usize, StreamError> {
    let taken = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX).min(bytes.len());
    if taken > 0 {
        stream.write(&bytes[..taken])?;
    }
    Ok(taken)
}

fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        stream.subscribe().block();
        bytes = &bytes[write_some(stream, bytes)?..];
    }
    Ok(())
}

/// Spin's outbound Redis. An instance has one request, and nothing to share a call with.
#[derive(Default)]
struct SpinRedis {
    connection: OnceCell<Connection>,
}

impl SpinRedis {
    fn connection(&self) -> Result<&Connection, SpinRedisError> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection);
        }
        let url = variable("redis_url").unwrap_or_default();
        let opened = Connection::open(&url).map_err(SpinRedisError::no_connection)?;
        Ok(self.connection.get_or_init(|| opened))
    }
}

impl Redis for SpinRedis {
    type Error = SpinRedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        let arguments: Vec<_> =
            command.arguments.iter().map(|argument| RedisParameter::Binary(argument.to_vec())).collect();
        let answer = self
            .connection()?
            .execute(command.name, &arguments)
            .map_err(|error| SpinRedisError::new(command.name, error))?;
        Ok(answer.into_iter().map(value).collect())
    }

    fn is_unknown_script(error: &SpinRedisError) -> bool {
        error.is_unknown_script()
    }
}

impl Backend for SpinRedis {}

impl_conversions!(spin_sdk);
