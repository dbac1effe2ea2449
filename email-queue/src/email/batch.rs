//! Several emails in one request.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{Invalid, InvalidKind, Mailbox, Submission, wire};

/// How many emails a batch may have.
pub const MAX_BATCH: usize = 100;

/// Reads a list of 1 to 100 emails, each by the rules of [`Submission::from_request`] and without regard to the others.
///
/// # Errors
/// The JSON is not such a list. An invalid email is an error at its index in the result; its field begins with the
/// index, as in `[2].to`.
pub fn read(
    json: &[u8],
    default_from: Option<&Mailbox>,
    now: Timestamp,
) -> Result<Vec<Result<Submission, Invalid>>, Invalid> {
    let json = wire::prepare(json)?;
    let wire::AtMost::<MAX_BATCH, &RawValue>(emails) =
        serde_json::from_slice(&json).map_err(|error| match error.is_data() {
            true => Invalid::value("", "expected a list of emails"),
            false => Invalid { kind: InvalidKind::NotJson, field: String::new(), reason: error.to_string() },
        })?;
    if emails.is_empty() || emails.len() > MAX_BATCH {
        return Err(Invalid::value("", format!("a batch has 1 to {MAX_BATCH} emails")));
    }
    let email = |(place, email): (usize, &RawValue)| {
        Submission::from_request(email.get().as_bytes(), default_from, now).map_err(|invalid| {
            let dot = if invalid.field.is_empty() { "" } else { "." };
            Invalid { field: format!("[{place}]{dot}{}", invalid.field), ..invalid }
        })
    };
    Ok(emails.into_iter().enumerate().map(email).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"from":"a@b.c","to":"a@b.c","subject":"s","text":"t"}"#;

    fn read(json: &str) -> Result<Vec<Result<Submission, Invalid>>, Invalid> {
        super::read(json.as_bytes(), None, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_batch_has_1_to_100_emails() {
        let batch = |count| format!("[{}]", vec![GOOD; count].join(","));
        assert_eq!(read(&batch(100)).unwrap().len(), 100);
        assert!(read(&batch(101)).is_err());
        assert!(read("[]").is_err());
    }

    #[test]
    fn a_bad_email_is_named_by_its_place() {
        let emails = read(&format!(r#"[{GOOD}, {{"to":"nobody"}}, 7]"#)).unwrap();
        assert!(emails[0].is_ok());
        assert_eq!(emails[1].as_ref().unwrap_err().field, "[1].from");
        assert_eq!(emails[2].as_ref().unwrap_err().field, "[2]");
    }

    #[test]
    fn what_is_no_list_is_refused_as_a_whole() {
        assert_eq!(read(GOOD).unwrap_err().kind, InvalidKind::Value);
        assert_eq!(read("[{]").unwrap_err().kind, InvalidKind::NotJson);
    }
}
