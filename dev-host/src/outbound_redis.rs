//! `fermyon:spin/redis`: a component's connections to Redis. [`wasip3`] is the same for `spin:redis`.
//!
//! As in Spin each guest connection is a separate TCP connection, opened by the guest and closed when it drops the
//! resource or its instance ends. Addresses are checked against the component's `allowed_outbound_hosts`. The client is
//! the same crate with its default settings: no timeouts, and no `TCP_NODELAY`.
//! <https://github.com/spinframework/spin/blob/main/crates/factor-outbound-redis/src/host.rs>

pub(crate) mod connection;
mod reply;
mod wasip3;

use std::sync::Arc;

use redis::{AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError};
use tracing::{debug, warn};
use url::Url;
use wasmtime::component::{HasData, Resource, ResourceTable};

use self::{connection::Connection, reply::limited};
use crate::{
    bindings::redis::{Error, Host, HostConnection, RedisParameter, RedisResult},
    settings::Settings,
};

/// How many connections one instance may have open.
const MAX_CONNECTIONS: usize = 1024;

/// What the interface needs of an instance's state.
pub(crate) struct OutboundRedis<'a> {
    /// The component's id, for the log, and where it may connect to.
    pub(crate) settings: &'a Arc<Settings>,
    /// The instance's resources.
    pub(crate) table: &'a mut ResourceTable,
    /// How many connections the instance has open.
    pub(crate) connections: &'a mut usize,
}

/// For the linker: an [`OutboundRedis`] implements the interface.
pub(crate) struct HasOutboundRedis;

impl HasData for HasOutboundRedis {
    type Data<'a> = OutboundRedis<'a>;
}

impl Host for OutboundRedis<'_> {}

impl HostConnection for OutboundRedis<'_> {
    async fn open(&mut self, address: String) -> Result<Resource<Connection>, Error> {
        let connection = open(self.settings, &address).await?;
        self.keep(connection)
    }

    async fn publish(&mut self, this: Resource<Connection>, channel: String, payload: Vec<u8>) -> Result<(), Error> {
        self.query(&this, redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    async fn get(&mut self, this: Resource<Connection>, key: String) -> Result<Option<Vec<u8>>, Error> {
        limited_value(self.query(&this, redis::cmd("GET").arg(key)).await?)
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
        sadd(&self.settings.id, self.connection(&this)?, key, values).await
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
        limited(self.query(&this, &cmd(&command, arguments)).await?)
    }

    async fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        *self.connections = self.connections.saturating_sub(1);
        Ok(())
    }
}

impl OutboundRedis<'_> {
    fn keep(&mut self, connection: Connection) -> Result<Resource<Connection>, Error> {
        if *self.connections >= MAX_CONNECTIONS {
            return Err(Error::TooManyConnections);
        }
        let connection = self.table.push(connection).map_err(|_| Error::TooManyConnections)?;
        *self.connections += 1;
        Ok(connection)
    }

    fn connection(&self, this: &Resource<Connection>) -> Result<Connection, Error> {
        self.table.get(this).cloned().map_err(|error| Error::Other(error.to_string()))
    }

    async fn query<T: FromRedisValue>(&mut self, this: &Resource<Connection>, cmd: &Cmd) -> Result<T, Error> {
        query(&self.settings.id, self.connection(this)?, cmd).await.map_err(to_guest)
    }
}

/// Connects to an allowed address.
async fn open(settings: &Settings, address: &str) -> Result<Connection, Error> {
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
    let info = url.into_connection_info().map_err(|_| Error::InvalidAddress)?;
    let client = redis::Client::open(info).map_err(|_| Error::InvalidAddress)?;
    let config = AsyncConnectionConfig::new();
    client.get_multiplexed_async_connection_with_config(&config).await.map(Connection).map_err(to_guest)
}

/// Runs a command whose reply has to be convertible to `T`.
async fn query<T: FromRedisValue>(component: &str, mut connection: Connection, cmd: &Cmd) -> Result<T, RedisError> {
    cmd.query_async(&mut connection.0).await.inspect_err(|error| debug!("component `{component}`: Redis: {error}"))
}

/// The only operation that distinguishes a reply of an unexpected type from other errors.
async fn sadd(component: &str, connection: Connection, key: String, values: Vec<String>) -> Result<u32, Error> {
    query(component, connection, redis::cmd("SADD").arg(key).arg(values)).await.map_err(|error| match error.kind() {
        ErrorKind::TypeError => Error::TypeError,
        _ => to_guest(error),
    })
}

fn limited_value(value: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Error> {
    let length = value.as_ref().map_or(0, Vec::len);
    reply::check_size(size_of::<Option<Vec<u8>>>() + length).map(|()| value)
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

/// The error as the guest sees it: in the words of the client.
fn to_guest(error: RedisError) -> Error {
    Error::Other(error.to_string())
}

#[cfg(test)]
mod tests;
