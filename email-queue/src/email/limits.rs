//! How much of what an email may have.

/// How many addresses each of `to`, `cc`, `bcc` and `reply_to` may have.
pub const MAX_RECIPIENTS: usize = 50;
/// How many header fields of its own an email may have.
pub const MAX_HEADERS: usize = 100;
/// How many tags an email may have.
pub const MAX_TAGS: usize = 100;
/// How many files an email may have.
pub const MAX_ATTACHMENTS: usize = 100;
/// How many bytes all files of an email may have, taken together and decoded: 40 MiB. Where a request may be no larger
/// than 10 MiB, as it is unless the operator says otherwise, that limit comes first, at about 7.4 MiB of files.
pub const MAX_ATTACHMENT_BYTES: usize = 40 * 1024 * 1024;
/// How many characters a subject may have.
pub const MAX_SUBJECT: usize = 998;
