//! Size and count limits of an email.

/// How many addresses each of `to`, `cc`, `bcc` and `reply_to` may have.
pub const MAX_RECIPIENTS: usize = 50;
/// How many header fields of its own an email may have.
pub const MAX_HEADERS: usize = 100;
/// How many tags an email may have.
pub const MAX_TAGS: usize = 100;
/// How many files an email may have.
pub const MAX_ATTACHMENTS: usize = 100;
/// The decoded size of all attachments of an email together: 40 MiB. The default request limit of 10 MiB is reached
/// first, at about 7.4 MiB of attachments.
pub const MAX_ATTACHMENT_BYTES: usize = 40 * 1024 * 1024;
/// How many characters a subject may have.
pub const MAX_SUBJECT: usize = 998;
