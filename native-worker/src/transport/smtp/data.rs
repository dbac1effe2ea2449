//! The bytes of a message ([RFC 5321 section 4.5.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.2)).

use super::{reply::Reply, session::Session, wire_error::WireError};
use crate::message::Message;

/// What became of a message that was to be sent.
pub(super) enum Sent {
    /// The server has answered to it.
    Answered(Reply),
    /// The session was lost before the end of the message, without which it is none: the server cannot have taken it.
    Cut(WireError),
    /// The message was sent, and not answered.
    Unanswered(WireError),
}

/// Sends a message after DATA, chunk by chunk, and waits for the answer.
pub(super) async fn send(session: &mut Session, message: &Message<'_>) -> Sent {
    let mut data = message.data();
    while let Some(chunk) = data.next() {
        match session.send(chunk.bytes).await {
            Ok(()) => {}
            // From here on the server may have it all.
            Err(error) if chunk.is_last => return Sent::Unanswered(error),
            Err(error) => {
                return match session.last_words().await {
                    Some(refusal) => Sent::Answered(refusal),
                    None => Sent::Cut(error),
                };
            }
        }
    }
    match session.reply_to_message().await {
        Ok(reply) => Sent::Answered(reply),
        Err(error) => Sent::Unanswered(error),
    }
}
