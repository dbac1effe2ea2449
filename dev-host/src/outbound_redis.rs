//! `fermyon:spin/redis`: a component's connections to Redis. [`wasip3`] is the same for `spin:redis`.
//!
//! As in Spin each guest connection is a TCP connection of its own, opened when the guest asks and closed when it drops
//! the resource or its instance ends. Addresses are held against the component's `allowed_outbound_hosts`.

mod wasip3;

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, IntoConnectionInfo, RedisError, Value, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use tracing::{debug, warn};
use url::Url;
use wasmtime::component::{HasData, Resource, ResourceTable};

use crate::{
    bindings::redis::{Error, Host, HostConnection, RedisParameter, RedisResult},
    runner::Settings,
};

/// Name look-up, TCP, TLS and AUTH together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// From sending a command to having its reply. With the above, a component whose Redis is silent hears of it in time
/// to answer within 5 seconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How many connections one instance may have open.
const MAX_CONNECTIONS: usize = 256;

/// A guest's connection. A clone is the same connection, and each command gets its own answer.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated module exports it again")]
pub struct Connection(MultiplexedConnection);

/// What the interface needs of an instance's state.
pub(crate) struct OutboundRedis<'a> {
    /// The component's id, for the log, and where it may connect to.
    pub(crate) settings: &'a Arc<Settings>,
    /// The instance's resources.
    pub(crate) table: &'a mut ResourceTable,
    /// How many connections the instance has open.
    pub(crate) connections: &'a mut usize,
}

/// Tells the linker that an [`OutboundRedis`] implements the interface.
pub(crate) struct HasOutboundRedis;

impl HasData for HasOutboundRedis {
    type Data<'a> = OutboundRedis<'a>;
}

impl Host for OutboundRedis<'_> {}

impl HostConnection for OutboundRedis<'_> {
    async fn open(&mut self, address: String) -> Result<Resource<Connection>, Error> {
        let connection = open(self.settings, *self.connections, &address).await?;
        self.keep(connection)
    }

    async fn publish(&mut self, this: Resource<Connection>, channel: String, payload: Vec<u8>) -> Result<(), Error> {
        self.query(&this, redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    async fn get(&mut self, this: Resource<Connection>, key: String) -> Result<Option<Vec<u8>>, Error> {
        self.query(&this, redis::cmd("GET").arg(key)).await
    }

    async fn set(&mut self, this: Resource<Connection>, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.query(&this, redis::cmd("SET").arg(key).arg(value)).await
    }

    async fn incr(&mut self, this: Resource<Connection>, key: String) -> Result<i64, Error> {
        self.query(&this, redis::cmd("INCR").arg(key)).await
    }

    async fn del(&mut self, this: Resource<Connection>, keys: Vec<String>) -> Result<u32, Error> {
        self.query(&this, redis::cmd("DEL").arg(keys)).await
    }

    async fn sadd(&mut self, this: Resource<Connection>, key: String, values: Vec<String>) -> Result<u32, Error> {
        self.query(&this, redis::cmd("SADD").arg(key).arg(values)).await
    }

    async fn smembers(&mut self, this: Resource<Connection>, key: String) -> Result<Vec<String>, Error> {
        self.query(&this, redis::cmd("SMEMBERS").arg(key)).await
    }

    async fn srem(&mut self, this: Resource<Connection>, key: String, values: Vec<String>) -> Result<u32, Error> {
        self.query(&this, redis::cmd("SREM").arg(key).arg(values)).await
    }

    async fn execute(
        &mut self,
        this: Resource<Connection>,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        flat(self.query(&this, &cmd(&command, arguments)).await?)
    }

    async fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        *self.connections = self.connections.saturating_sub(1);
        Ok(())
    }
}

impl OutboundRedis<'_> {
    fn keep(&mut self, connection: Connection) -> Result<Resource<Connection>, Error> {
        let connection = self.table.push(connection).map_err(|_| Error::TooManyConnections)?;
        *self.connections += 1;
        Ok(connection)
    }

    fn connection(&self, this: &Resource<Connection>) -> Result<Connection, Error> {
        self.table.get(this).cloned().map_err(|error| Error::Other(error.to_string()))
    }

    async fn query<T: FromRedisValue>(&mut self, this: &Resource<Connection>, cmd: &Cmd) -> Result<T, Error> {
        query(&self.settings.id, self.connection(this)?, cmd).await
    }
}

/// Connects to an allowed address for a component that has `open` connections already.
async fn open(settings: &Settings, open: usize, address: &str) -> Result<Connection, Error> {
    // The same parsed URL is checked and connected to: two parsers could see two hosts.
    let url = Url::parse(address).map_err(|_| Error::InvalidAddress)?;
    if !settings.allowed_hosts.allows(&url) {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        warn!(
            "component `{}` may not connect to {}://{}{port}: its allowed_outbound_hosts do not include it",
            settings.id,
            url.scheme(),
            url.host_str().unwrap_or_default(),
        );
        return Err(Error::InvalidAddress);
    }
    if open >= MAX_CONNECTIONS {
        return Err(Error::TooManyConnections);
    }
    connect(url).await
}

/// Runs a command whose reply has to be convertible to `T`.
async fn query<T: FromRedisValue>(component: &str, mut connection: Connection, cmd: &Cmd) -> Result<T, Error> {
    let reply: Value = cmd.query_async(&mut connection.0).await.map_err(|error| {
        debug!("component `{component}`: Redis: {error}");
        to_guest(&error)
    })?;
    redis::from_redis_value(reply).map_err(|_| Error::TypeError)
}

fn cmd(command: &str, arguments: impl IntoIterator<Item = RedisParameter>) -> Cmd {
    let mut cmd = redis::cmd(command);
    for argument in arguments {
        match argument {
            RedisParameter::Int64(number) => cmd.arg(number),
            RedisParameter::Binary(bytes) => cmd.arg(bytes),
        };
    }
    cmd
}

async fn connect(url: Url) -> Result<Connection, Error> {
    let info = url.into_connection_info().map_err(|_| Error::InvalidAddress)?;
    // No CLIENT SETINFO: a connection without password or database number then costs no round trip.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let info = info.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let client = redis::Client::open(info).map_err(|_| Error::InvalidAddress)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    let connection =
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| to_guest(&error))?;
    Ok(Connection(connection))
}

/// The error as the guest sees it. A server's error begins with its own code, as in `NOSCRIPT No matching script`.
fn to_guest(error: &RedisError) -> Error {
    Error::Other(match error.code() {
        Some(code) => format!("{code} {}", error.detail().unwrap_or_default()),
        None => error.to_string(),
    })
}

fn flat(reply: Value) -> Result<Vec<RedisResult>, Error> {
    let mut flat = Vec::new();
    flatten(reply, &mut flat)?;
    Ok(flat)
}

/// Appends `value` to `flat`, arrays element by element, their order kept.
fn flatten(value: Value, flat: &mut Vec<RedisResult>) -> Result<(), Error> {
    flat.push(match value {
        Value::Nil => RedisResult::Nil,
        Value::Int(number) => RedisResult::Int64(number),
        Value::Boolean(flag) => RedisResult::Int64(flag.into()),
        Value::Okay => RedisResult::Status("OK".to_owned()),
        Value::SimpleString(status) => RedisResult::Status(status),
        Value::BulkString(bytes) => RedisResult::Binary(bytes),
        Value::Double(number) => RedisResult::Binary(number.to_string().into_bytes()),
        Value::BigNumber(digits) => RedisResult::Binary(digits),
        Value::Array(values) | Value::Set(values) => {
            return values.into_iter().try_for_each(|value| flatten(value, flat));
        }
        Value::ServerError(error) => return Err(to_guest(&error.into())),
        // What only RESP3 has and Spin does not pass on either.
        unsupported => {
            let kind = match unsupported {
                Value::Map(_) => "map",
                Value::Attribute { .. } => "attribute",
                Value::VerbatimString { .. } => "verbatim string",
                Value::Push { .. } => "push",
                _ => "unknown",
            };
            return Err(Error::Other(format!("replies of type {kind} are not supported")));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests;
