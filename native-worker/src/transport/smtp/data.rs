//! The bytes of a message ([RFC 5321 section 4.5.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.2)).

use super::{reply::Reply, session::Session, wire::WireError};

/// How much of a message is sent at once.
const CHUNK: usize = 64 * 1024;

/// What became of a message that was to be sent.
pub(super) enum Sent {
    /// The server has answered to it.
    Answered(Reply),
    /// The session was lost before the end of the message, without which it is none: the server cannot have taken it.
    Cut(WireError),
    /// The message was sent, and not answered.
    Unanswered(WireError),
}

/// Sends a message after DATA, and waits for the answer.
pub(super) async fn send(session: &mut Session, message: &[u8]) -> Sent {
    let data = stuffed(message);
    let (beginning, end) = data.split_at((data.len() - 1) / CHUNK * CHUNK);
    for chunk in beginning.chunks(CHUNK) {
        if let Err(error) = session.send(chunk).await {
            return match session.last_words().await {
                Some(refusal) => Sent::Answered(refusal),
                None => Sent::Cut(error),
            };
        }
    }
    // From here on the server may have it all.
    let answer = match session.send(end).await {
        Ok(()) => session.reply_to_message().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(reply) => Sent::Answered(reply),
        Err(error) => Sent::Unanswered(error),
    }
}

/// A message as it goes over the wire, with the dots doubled and the one that ends it. It holds no CR or LF but in CRLF.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_a_dot_does_not_end_the_message() {
        let check = |message: &[u8], expected: &[u8]| assert_eq!(stuffed(message), expected);
        check(b".\r\n", b"..\r\n.\r\n");
        check(b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n");
        check(b"a.\r\n", b"a.\r\n.\r\n");
        check(b"a", b"a\r\n.\r\n");
        check(b"", b"\r\n.\r\n");
    }
}
