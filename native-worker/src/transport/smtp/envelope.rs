//! An email as the server gets it.

use std::borrow::Cow;

use super::{downgrade, session::Extensions};
use crate::message::Message;

/// Someone an email goes to. `K` is how the caller knows them, and gets their verdict back.
pub(crate) struct Recipient<K> {
    pub(crate) key: K,
    pub(crate) address: String,
}

/// The sender and the message of an email.
///
/// Addresses are ASCII but for the part before the @, which then needs SMTPUTF8
/// ([RFC 6531](https://www.rfc-editor.org/rfc/rfc6531)). The message has no CR or LF but in CRLF, and is ASCII but for
/// such addresses in its headers.
pub(crate) struct Envelope<'a> {
    pub(crate) sender: String,
    pub(crate) message: &'a Message<'a>,
}

impl<'a> Envelope<'a> {
    /// The message for a server with these extensions.
    pub(super) fn message_for(&self, extensions: &Extensions) -> Cow<'a, Message<'a>> {
        if extensions.smtputf8 { Cow::Borrowed(self.message) } else { self.message.map_fields(downgrade::to_ascii) }
    }

    /// MAIL with its parameters.
    pub(super) fn mail<K>(
        &self,
        message: &Message<'_>,
        recipients: &[Recipient<K>],
        extensions: &Extensions,
    ) -> String {
        let mut mail = format!("MAIL FROM:<{}>", self.sender);
        if extensions.size.is_some() {
            mail.push_str(&format!(" SIZE={}", message.len()));
        }
        let ascii = self.sender.is_ascii() && recipients.iter().all(|recipient| recipient.address.is_ascii());
        if !ascii || !message.is_ascii() {
            if extensions.eight_bit_mime && !message.is_ascii() {
                mail.push_str(" BODY=8BITMIME");
            }
            mail.push_str(" SMTPUTF8");
        }
        mail
    }
}
