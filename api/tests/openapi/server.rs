use std::{cell::RefCell, collections::HashMap, fmt, net::Ipv4Addr, time::Duration};

use api::{
    backend::{Backend, Effect, Failure},
    body::{Body, BodyError},
    client::Client,
    response::Response,
    router::respond,
    settings::Settings,
};
use email_queue::call::{Call, Command, Redis, Value};
use http::Request;
use testkit::RedisServer;

/// The handlers on a Redis of the test's own.
pub(crate) struct Api {
    server: RedisServer,
    redis: Connection,
    variables: HashMap<&'static str, String>,
}

/// A request, with what tests change about it.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) client: Client,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body breaks off at its end.
    pub(crate) interrupted: Option<BodyError>,
}

impl Ask {
    /// A request of a client on this machine.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let client = Client::at(Ipv4Addr::LOCALHOST.into()).with_url(format!("http://127.0.0.1:3000{target}"));
        let headers = vec![("host", "127.0.0.1:3000".to_owned())];
        let (method, target) = (method.to_uppercase(), target.to_owned());
        Self { method, target, client, headers, body: Vec::new(), interrupted: None }
    }

    pub(crate) fn json(mut self, body: impl ToString) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Api {
    pub(crate) fn start() -> Self {
        let server = RedisServer::builder().without_persistence().start();
        let redis = Connection::Open(RefCell::new(server.connection()));
        Self { server, redis, variables: HashMap::from([("open", "loopback".to_owned())]) }
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.variables.insert(name, value.to_owned());
    }

    /// The same Redis, with a variable set.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> ApiWith<'_> {
        let mut variables = self.variables.clone();
        variables.insert(name, value.to_owned());
        ApiWith { redis: &self.redis, variables }
    }

    pub(crate) fn ask(&self, ask: Ask) -> Response {
        answer(&self.redis, &self.variables, ask)
    }

    /// The answer while Redis is unreachable.
    pub(crate) fn ask_without_redis(&self, ask: Ask) -> Response {
        answer(&Connection::Unreachable, &self.variables, ask)
    }

    /// A transition, as a worker makes it.
    pub(crate) fn run<T>(&self, call: &Call<T>) -> T {
        pollster::block_on(call.run(&self.redis)).map_err(|error| error.to_string()).unwrap()
    }

    /// Takes an email unreachable, as the end of its retention does.
    pub(crate) fn forget(&self, email: &str) {
        let record = format!("emails:email:{email}");
        let forgotten: u32 = redis::cmd("DEL").arg(record).query(&mut self.server.connection()).unwrap();
        assert_eq!(forgotten, 1);
    }

    /// What another program puts on the list.
    pub(crate) fn push(&self, entry: &str) {
        let () = redis::cmd("LPUSH").arg("emails").arg(entry).query(&mut self.server.connection()).unwrap();
    }
}

/// The API with other settings.
pub(crate) struct ApiWith<'a> {
    redis: &'a Connection,
    variables: HashMap<&'static str, String>,
}

impl ApiWith<'_> {
    pub(crate) fn ask(&self, ask: Ask) -> Response {
        answer(self.redis, &self.variables, ask)
    }
}

fn answer(redis: &Connection, variables: &HashMap<&str, String>, ask: Ask) -> Response {
    let mut request = Request::builder().method(ask.method.as_str()).uri(ask.target);
    for (name, value) in ask.headers {
        request = request.header(name, value);
    }
    let body = Whole { bytes: Some(ask.body), interrupted: ask.interrupted };
    let variable = |name: &str| variables.get(name).cloned();
    let settings = async || Settings::from_variables(variable);
    pollster::block_on(respond(request.body(body).unwrap(), &ask.client, settings, redis))
}

struct Whole {
    bytes: Option<Vec<u8>>,
    interrupted: Option<BodyError>,
}

impl Body for Whole {
    type Chunk = Vec<u8>;

    async fn chunk(&mut self, _timeout: Duration) -> Result<Option<Vec<u8>>, BodyError> {
        match self.bytes.take() {
            None => self.interrupted.map_or(Ok(None), Err),
            bytes => Ok(bytes),
        }
    }
}

enum Connection {
    Open(RefCell<redis::Connection>),
    Unreachable,
}

#[derive(Debug)]
enum ConnectionError {
    Redis(redis::RedisError),
    Unreachable,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionError::Redis(error) => error.fmt(f),
            ConnectionError::Unreachable => f.write_str("unreachable"),
        }
    }
}

impl Failure for ConnectionError {
    fn effect(&self) -> Effect {
        match self {
            ConnectionError::Redis(_) => Effect::Refused,
            ConnectionError::Unreachable => Effect::NotSent,
        }
    }

    fn after_lost_answer(self) -> Self {
        self
    }
}

impl Backend for Connection {}

impl Redis for Connection {
    type Error = ConnectionError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, ConnectionError> {
        let Connection::Open(connection) = self else { return Err(ConnectionError::Unreachable) };
        let answer = redis_calls::cmd(&command).query(&mut *connection.borrow_mut());
        answer.and_then(redis_calls::values).map_err(ConnectionError::Redis)
    }

    fn is_unknown_script(error: &ConnectionError) -> bool {
        matches!(error, ConnectionError::Redis(error) if redis_calls::is_unknown_script(error))
    }
}
