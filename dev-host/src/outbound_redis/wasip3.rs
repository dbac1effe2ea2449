//! `spin:redis`: connections that an instance keeps between requests, and on which several commands may be under way.

use std::sync::Arc;

use redis::{Cmd, FromRedisValue};
use wasmtime::component::{Accessor, Resource};

use super::{Connection, HasOutboundRedis, OutboundRedis, cmd, limited, limited_value, open, query, sadd, to_guest};
use crate::{
    bindings::{
        redis as wasip2,
        redis_wasip3::{Error, Host, HostConnection, HostConnectionWithStore, RedisParameter, RedisResult},
    },
    settings::Settings,
};

impl Host for OutboundRedis<'_> {}

impl HostConnection for OutboundRedis<'_> {
    fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        *self.connections = self.connections.saturating_sub(1);
        Ok(())
    }
}

type Host3<T> = Accessor<T, HasOutboundRedis>;
type This = Resource<Connection>;

impl<T: Send + 'static> HostConnectionWithStore<T> for HasOutboundRedis {
    async fn open(host: &Host3<T>, address: String) -> Result<This, Error> {
        let settings = host.with(|mut host| host.get().settings.clone());
        let connection = open(&settings, &address).await?;
        Ok(host.with(|mut host| host.get().keep(connection))?)
    }

    async fn publish(host: &Host3<T>, this: This, channel: String, payload: Vec<u8>) -> Result<(), Error> {
        run(host, this, redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    async fn get(host: &Host3<T>, this: This, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(limited_value(run(host, this, redis::cmd("GET").arg(key)).await?)?)
    }

    async fn set(host: &Host3<T>, this: This, key: String, value: Vec<u8>) -> Result<(), Error> {
        run(host, this, redis::cmd("SET").arg(key).arg(value)).await
    }

    async fn incr(host: &Host3<T>, this: This, key: String) -> Result<i64, Error> {
        run(host, this, redis::cmd("INCR").arg(key)).await
    }

    async fn del(host: &Host3<T>, this: This, keys: Vec<String>) -> Result<u32, Error> {
        run(host, this, redis::cmd("DEL").arg(keys)).await
    }

    async fn sadd(host: &Host3<T>, this: This, key: String, values: Vec<String>) -> Result<u32, Error> {
        let (settings, connection) = connection(host, this)?;
        Ok(sadd(&settings.id, connection, key, values).await?)
    }

    async fn smembers(host: &Host3<T>, this: This, key: String) -> Result<Vec<String>, Error> {
        run(host, this, redis::cmd("SMEMBERS").arg(key)).await
    }

    async fn srem(host: &Host3<T>, this: This, key: String, values: Vec<String>) -> Result<u32, Error> {
        run(host, this, redis::cmd("SREM").arg(key).arg(values)).await
    }

    async fn execute(
        host: &Host3<T>,
        this: This,
        command: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        let cmd = cmd(&command, arguments.into_iter().map(Into::into));
        Ok(limited(run(host, this, &cmd).await?)?.into_iter().map(Into::into).collect())
    }
}

/// Runs a command while the instance goes on: only the look-up of the connection needs its state.
async fn run<T: 'static, R: FromRedisValue>(host: &Host3<T>, this: This, cmd: &Cmd) -> Result<R, Error> {
    let (settings, connection) = connection(host, this)?;
    Ok(query(&settings.id, connection, cmd).await.map_err(to_guest)?)
}

fn connection<T: 'static>(host: &Host3<T>, this: This) -> Result<(Arc<Settings>, Connection), Error> {
    let (settings, connection) = host.with(|mut host| {
        let redis = host.get();
        (redis.settings.clone(), redis.connection(&this))
    });
    Ok((settings, connection?))
}

impl From<wasip2::Error> for Error {
    fn from(error: wasip2::Error) -> Self {
        match error {
            wasip2::Error::InvalidAddress => Self::InvalidAddress,
            wasip2::Error::TooManyConnections => Self::TooManyConnections,
            wasip2::Error::TypeError => Self::TypeError,
            wasip2::Error::Other(text) => Self::Other(text),
        }
    }
}

impl From<RedisParameter> for wasip2::RedisParameter {
    fn from(parameter: RedisParameter) -> Self {
        match parameter {
            RedisParameter::Int64(number) => Self::Int64(number),
            RedisParameter::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<wasip2::RedisResult> for RedisResult {
    fn from(result: wasip2::RedisResult) -> Self {
        match result {
            wasip2::RedisResult::Nil => Self::Nil,
            wasip2::RedisResult::Status(status) => Self::Status(status),
            wasip2::RedisResult::Int64(number) => Self::Int64(number),
            wasip2::RedisResult::Binary(bytes) => Self::Binary(bytes),
        }
    }
}
