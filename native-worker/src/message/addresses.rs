//! Fields that hold addresses.

use std::borrow::Cow;

use email_queue::{
    email::Mailbox,
    field::{Folded, looks_encoded},
};
use lettre::Address;

/// Writes a field of mailboxes (RFC 5322 3.4); none, if there are none.
pub(super) fn write(message: &mut Vec<u8>, name: &str, mailboxes: &[Mailbox]) {
    if mailboxes.is_empty() {
        return;
    }
    let mut field = Folded::new(message, name);
    let last = mailboxes.len() - 1;
    for (place, mailbox) in mailboxes.iter().enumerate() {
        let comma = if place == last { "" } else { "," };
        let address = ascii_domain(mailbox.address());
        let Some(name) = mailbox.name() else {
            field.word(" ", &format!("{address}{comma}"));
            continue;
        };
        if is_plain(name) {
            field.word(" ", &phrase(name));
        } else {
            field.encoded(name);
        }
        field.word(" ", &format!("<{address}>{comma}"));
    }
    field.end();
}

/// An address for headers and envelope: the domain in its ASCII form (RFC 5891), so that only a non-ASCII local part
/// needs a server with SMTPUTF8.
pub(crate) fn ascii_domain(address: &Address) -> Cow<'_, Address> {
    if !address.domain().is_ascii()
        && address.user().is_ascii()
        && let Ok(domain) = idna::domain_to_ascii(address.domain())
        && let Ok(ascii) = Address::new(address.user(), domain)
    {
        return Cow::Owned(ascii);
    }
    Cow::Borrowed(address)
}

/// Whether a name can stand as it is, in quotes where need be.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !looks_encoded(name)
}

/// A name as atoms or as a quoted string, never folded inside (RFC 5322 3.2.4, 3.2.5).
fn phrase(name: &str) -> Cow<'_, str> {
    let is_atom = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    if name.split(' ').all(is_atom) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")))
}
