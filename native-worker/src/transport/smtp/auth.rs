//! Logging in ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)): AUTH PLAIN (RFC 4616), or LOGIN where that does not do.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{config::Credentials, reply::Reply, session::Extensions, wire::Wire, wire_error::WireError};

/// RFC 5321 4.5.3.1.4, without CRLF. RFC 4954 4 wants a longer response to wait until it is asked for.
const MAX_COMMAND: usize = 510;

/// Gives the last answer, or `None` if the server offers nothing that we know.
pub(super) async fn log_in(
    wire: &mut Wire,
    extensions: Extensions,
    credentials: &Credentials,
) -> Result<Option<Reply>, WireError> {
    if !extensions.plain {
        return if extensions.login { login(wire, credentials).await.map(Some) } else { Ok(None) };
    }
    let reply = plain(wire, credentials).await?;
    if extensions.login && refuses_mechanism(&reply) {
        return login(wire, credentials).await.map(Some);
    }
    Ok(Some(reply))
}

async fn plain(wire: &mut Wire, Credentials { username, password }: &Credentials) -> Result<Reply, WireError> {
    let response = BASE64_STANDARD.encode(format!("\0{username}\0{password}"));
    let command = format!("AUTH PLAIN {response}");
    let reply = wire.command(if command.len() > MAX_COMMAND { "AUTH PLAIN" } else { &command }).await?;
    // There are servers that ask for it though they have it.
    if reply.code == 334 { wire.command(&response).await } else { Ok(reply) }
}

async fn login(wire: &mut Wire, Credentials { username, password }: &Credentials) -> Result<Reply, WireError> {
    let mut reply = wire.command("AUTH LOGIN").await?;
    for response in [username, password] {
        if reply.code == 334 {
            reply = wire.command(&BASE64_STANDARD.encode(response)).await?;
        }
    }
    Ok(reply)
}

/// Whether it is the mechanism that is refused, as unknown (504), too weak (534) or not understood, and not the login.
fn refuses_mechanism(reply: &Reply) -> bool {
    matches!(reply.code, 500..=504 | 534)
}
