use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::url::InvalidUrl;

/// A URL of one server.
pub(crate) fn server(url: &str) -> Result<ConnectionInfo, InvalidUrl> {
    // The error of the client crate may quote the URL with its password.
    let info = url.into_connection_info().map_err(|_| InvalidUrl::Malformed)?;
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }
            if host.is_empty() || *port == 0 =>
        {
            Err(InvalidUrl::Malformed)
        }
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(InvalidUrl::Insecure),
        _ if info.redis_settings().db() < 0 => Err(InvalidUrl::Malformed),
        _ => Ok(info),
    }
}
