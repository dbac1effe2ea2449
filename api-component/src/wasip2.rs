//! The entry point under WASI 0.2: a thin adapter between Spin and [`router`](crate::router).
//!
//! An instance lives for one request, so the Redis connection is opened when the first command needs it, and never for
//! a request that needs none.

#![allow(unsafe_code, reason = "the macro of spin-sdk exports the entry point by hand")]

use std::{cell::OnceCell, pin::Pin};

use email_queue::redis::{Command, Redis, Value};
use futures::{Stream, StreamExt};
use http::{HeaderValue, Request, header};
use spin_sdk::{
    http::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam},
    http_component,
    redis::{Connection, RedisParameter},
    variables,
};

use crate::{
    backend::Backend,
    body::{Body, Interrupted, Response},
    router,
    settings::Settings,
    spin_redis::{SpinRedisError, understand},
};

#[http_component]
async fn handle(incoming: IncomingRequest, out: ResponseOutparam) {
    let redis = SpinRedis::default();
    let response = router::respond(request(incoming), async || Settings::from_variables(variable), &redis).await;
    send(response, out).await;
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
    request.map(|()| SpinBody(Box::pin(incoming.into_body_stream().map(|chunk| chunk.map_err(|_| Interrupted)))))
}

struct SpinBody(Pin<Box<dyn Stream<Item = Result<Vec<u8>, Interrupted>>>>);

impl Body for SpinBody {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Interrupted> {
        self.0.next().await.transpose()
    }
}

async fn send(response: Response, out: ResponseOutparam) {
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
    if let Err(error) = out.set_with_body(outgoing, body).await {
        eprintln!("the answer could not be sent: {error:?}");
    }
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
        let opened = Connection::open(&url).map_err(|error| SpinRedisError::new("no connection", error))?;
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

understand!(spin_sdk);
