//! Authentication ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)): PLAIN (RFC 4616), or LOGIN where the server does not
//! take PLAIN.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{config::Credentials, extensions::Extensions, reply::Reply, session_error::SessionError, wire::Wire};

/// RFC 5321 4.5.3.1.4, without CRLF. By RFC 4954 4 a longer initial response is sent only when the server asks for it.
const MAX_COMMAND: usize = 510;

/// Authenticates. Returns the last reply, or `None` if the server offers neither mechanism.
pub(crate) async fn authenticate(
    wire: &mut Wire,
    extensions: Extensions,
    credentials: &Credentials,
) -> Result<Option<Reply>, SessionError> {
    if !extensions.plain {
        return if extensions.login { login(wire, credentials).await.map(Some) } else { Ok(None) };
    }
    let reply = plain(wire, credentials).await?;
    if extensions.login && refuses_mechanism(&reply) {
        return login(wire, credentials).await.map(Some);
    }
    Ok(Some(reply))
}

async fn plain(wire: &mut Wire, Credentials { username, password }: &Credentials) -> Result<Reply, SessionError> {
    let response = BASE64_STANDARD.encode(format!("\0{username}\0{password}"));
    let command = format!("AUTH PLAIN {response}");
    let reply = wire.command(if command.len() > MAX_COMMAND { "AUTH PLAIN" } else { &command }).await?;
    // Some servers ask for an initial response that they already have.
    if reply.code == 334 { wire.command(&response).await } else { Ok(reply) }
}

async fn login(wire: &mut Wire, Credentials { username, password }: &Credentials) -> Result<Reply, SessionError> {
    let mut reply = wire.command("AUTH LOGIN").await?;
    for response in [username, password] {
        if reply.code == 334 {
            reply = wire.command(&BASE64_STANDARD.encode(response)).await?;
        }
    }
    Ok(reply)
}

/// Whether the mechanism is refused, as unknown (504), too weak (534) or not understood, rather than user and password.
fn refuses_mechanism(reply: &Reply) -> bool {
    matches!(reply.code, 500..=504 | 534)
}
