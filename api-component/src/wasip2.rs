//! The entry point for WASI 0.2. Spin creates an instance for each request.
//!
//! The first command opens the connection to Redis. A request without one opens none.

#![allow(unsafe_code, reason = "the macro of spin-sdk exports the entry point by hand")]

mod redis;

use std::time::Duration;

use api::{
    body::{Body, BodyError},
    response::Response,
    router,
    settings::Settings,
};
use http::{HeaderValue, Request, header};
use spin_sdk::{
    http::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam},
    http_component, variables,
    wit::wasi::http0_2_0::types::{IncomingBody, OutgoingBody},
};
use wasi::{
    clocks::monotonic_clock,
    io::{
        poll::poll,
        streams::{InputStream, OutputStream, StreamError},
    },
};

use self::redis::SpinRedis;
use crate::{client::client, stderr_log};

/// How much of a body is read at a time, in bytes.
const CHUNK: u64 = 64 * 1024;

#[http_component]
async fn handle(incoming: IncomingRequest, out: ResponseOutparam) {
    stderr_log::begin();
    let request = request(incoming);
    let client = client(request.headers());
    let settings = async || Settings::from_variables(variable);
    let redis = SpinRedis::new(|| variable("redis_url").unwrap_or_default());
    let response = router::respond(request, &client, settings, &redis).await;
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
    // WASI removes the `Host` header.
    if let Some(host) = incoming.authority().and_then(|host| host.parse().ok()) {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    request.map(|()| SpinBody::Unread(incoming))
}

enum SpinBody {
    Unread(IncomingRequest),
    /// The stream must be dropped before its body.
    Reading(InputStream, #[expect(dead_code, reason = "dropped after the stream")] IncomingBody),
}

impl SpinBody {
    fn stream(&mut self) -> Result<&InputStream, BodyError> {
        if let Self::Unread(request) = self {
            let body = request.consume().map_err(|()| BodyError::Incomplete)?;
            let stream = body.stream().map_err(|()| BodyError::Incomplete)?;
            *self = Self::Reading(stream, body);
        }
        match self {
            Self::Reading(stream, _) => Ok(stream),
            Self::Unread(_) => Err(BodyError::Incomplete),
        }
    }
}

impl Body for SpinBody {
    type Chunk = Vec<u8>;

    async fn chunk(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>, BodyError> {
        let stream = self.stream()?;
        let mut timer = None;
        loop {
            match stream.read(CHUNK) {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(Some(chunk)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(_)) => return Err(BodyError::Incomplete),
            }
            // Blocks the instance, which has no other request.
            let timer = timer.get_or_insert_with(|| {
                monotonic_clock::subscribe_duration(timeout.as_nanos().try_into().unwrap_or(u64::MAX))
            });
            poll(&[&stream.subscribe(), timer]);
            if timer.ready() {
                return Err(BodyError::TimedOut);
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
        log::error!("Spin refuses a header of an answer");
        return;
    };
    // Refused only for what is no status code.
    let _ = outgoing.set_status_code(parts.status.as_u16());
    let Ok((contents, stream)) = outgoing.body().and_then(|body| body.write().map(|stream| (body, stream))) else {
        log::error!("Spin gives no body for an answer");
        return;
    };
    // As much as Spin takes before it has the head: it then sends head and body of a small answer together.
    let sent = write_some(&stream, &body);
    out.set(outgoing);
    match sent.and_then(|sent| write_all(&stream, &body[sent..])) {
        Ok(()) => {
            drop(stream);
            if let Err(error) = OutgoingBody::finish(contents, None) {
                log::warn!("Spin did not send an answer: {error:?}");
            }
        }
        // The client went away.
        Err(StreamError::Closed) => {}
        Err(StreamError::LastOperationFailed(error)) => {
            log::warn!("Spin did not send an answer: {}", error.to_debug_string());
        }
    }
}

/// Writes as much as Spin takes at once, and returns how many bytes that is.
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
