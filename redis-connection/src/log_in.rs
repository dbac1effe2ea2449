use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisResult, aio::MultiplexedConnection};

use crate::stream::Stream;

/// Identifies the client, and returns the connection with the task that reads and writes. Who sends a command has a deadline
/// for it.
pub(crate) async fn log_in(
    stream: impl Stream + 'static,
    login: &RedisConnectionInfo,
) -> RedisResult<(MultiplexedConnection, impl Future<Output = ()> + Send + 'static)> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    MultiplexedConnection::new_with_config(login, stream, config).await
}
