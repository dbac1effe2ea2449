//! The entry point under WASI 0.3: a thin adapter between Spin and [`router`](crate::router).
//!
//! An instance serves many requests, several at the same time. They share one Redis connection, and those that put emails on
//! the queue at the same time share the call.

#![allow(unsafe_code, reason = "the macro of wasip3 exports the entry point by hand")]

use std::{rc::Rc, time::Instant};

use email_queue::{
    Queue,
    redis::{CallError, Command, Redis, Value},
    transition::{Enqueue, Enqueued},
};
use http::{HeaderName, HeaderValue, Request, header};
use spin_sdk_wasip3::{
    redis::{Connection, RedisParameter},
    variables,
    wasip3::{
        self,
        exports::http::handler::Guest,
        http::types::{self, ErrorCode, Fields, Trailers},
        spawn, wit_future, wit_stream,
    },
    wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter, yield_async},
};

use crate::{
    backend::Backend,
    body::{Body, Interrupted, Response},
    error::ApiError,
    group_commit::GroupCommit,
    kept::{Connect, KeptConnection, Recent},
    router,
    settings::Settings,
    spin_redis::{SpinRedisError, understand},
    tasks::Tasks,
};

/// How much of a body is read at a time, in bytes.
const CHUNK: usize = 64 * 1024;

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(incoming: types::Request) -> Result<types::Response, ErrorCode> {
        answer(router::respond(request(incoming), settings, &SpinRedis).await)
    }
}

thread_local! {
    static SETTINGS: Recent<Rc<Settings>> = const { Recent::new() };
    static REDIS_URL: Recent<Rc<str>> = const { Recent::new() };
    static CONNECTION: Rc<KeptConnection<Client>> = Rc::new(KeptConnection::new(Client));
    static COMMIT: Rc<GroupCommit<GuestTasks, SpinRedisError>> = Rc::default();
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

async fn redis_url() -> Rc<str> {
    let now = Instant::now();
    if let Some(url) = REDIS_URL.with(|recent| recent.get(now)) {
        return url;
    }
    let url = Rc::from(variables::get("redis_url").await.unwrap_or_default());
    REDIS_URL.with(|recent| recent.keep(now, Rc::clone(&url)));
    url
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
    // The host is not among the headers that WASI hands on.
    if let Some(host) = incoming.get_authority().and_then(|host| host.parse().ok()) {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    request.map(|()| WasiBody { part: Part::Unread(incoming), remaining: length })
}

struct WasiBody {
    part: Part,
    /// How many bytes are still to come, if the request has said.
    remaining: Option<u64>,
}

enum Part {
    Unread(types::Request),
    Reading(StreamReader<u8>, FutureReader<Result<Option<Trailers>, ErrorCode>>),
    Read,
}

impl Body for WasiBody {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Interrupted> {
        // Then there is no more, and the host need not be asked.
        if self.remaining == Some(0) {
            return Ok(None);
        }
        let (mut stream, trailers) = match std::mem::replace(&mut self.part, Part::Read) {
            Part::Unread(request) => types::Request::consume_body(request, wit_future::new(|| Ok(())).1),
            Part::Reading(stream, trailers) => (stream, trailers),
            Part::Read => return Ok(None),
        };
        let expected = self.remaining.and_then(|remaining| usize::try_from(remaining).ok());
        let (result, chunk) = stream.read(Vec::with_capacity(expected.map_or(CHUNK, |bytes| bytes.min(CHUNK)))).await;
        if chunk.is_empty() && result == StreamResult::Dropped {
            // Says whether that was the end.
            return trailers.await.map(|_| None).map_err(|_| Interrupted);
        }
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(chunk.len() as u64));
        self.part = Part::Reading(stream, trailers);
        Ok(Some(chunk))
    }
}

fn answer(response: Response) -> Result<types::Response, ErrorCode> {
    let (parts, body) = response.into_parts();
    let headers: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    let headers = Fields::from_list(&headers)
        .map_err(|_| ErrorCode::InternalError(Some("an answer had a header that the host refuses".to_owned())))?;
    let (mut writer, contents) = wit_stream::new();
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = types::Response::new(headers, Some(contents), trailers);
    // Refused only for what is no status code.
    let _ = response.set_status_code(parts.status.as_u16());
    // What is left over was not wanted: the client went away.
    spawn(async move { drop(writer.write_all(body).await) });
    Ok(response)
}

/// Spin's outbound Redis, by the connection of this instance.
struct SpinRedis;

impl Redis for SpinRedis {
    type Error = SpinRedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        CONNECTION.with(Rc::clone).execute(&redis_url().await, &command).await
    }

    fn is_unknown_script(error: &SpinRedisError) -> bool {
        error.is_unknown_script()
    }
}

impl Backend for SpinRedis {
    async fn enqueue(&self, queue: &Queue, emails: Enqueue<'_>) -> Result<Enqueued, CallError<SpinRedisError>> {
        COMMIT.with(Rc::clone).enqueue(self, queue, emails).await
    }
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
        yield_async().await;
    }
}

struct Client;

impl Connect for Client {
    type Tasks = GuestTasks;
    type Connection = Connection;
    type Error = SpinRedisError;

    async fn open(&self, url: &str) -> Result<Connection, SpinRedisError> {
        Connection::open(url).await.map_err(|error| SpinRedisError::new("no connection", error))
    }

    async fn execute(&self, connection: &Connection, command: &Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        let arguments = command.arguments.iter().map(|argument| RedisParameter::Binary(argument.to_vec()));
        let answer = connection.execute(command.name, arguments).await;
        let answer = answer.map_err(|error| SpinRedisError::new(command.name, error))?;
        Ok(answer.into_iter().map(value).collect())
    }

    fn is_answer(error: &SpinRedisError) -> bool {
        error.is_unknown_script()
    }
}

understand!(spin_sdk_wasip3);
