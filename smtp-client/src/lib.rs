//! Sends messages by SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)), with an outcome for each recipient.
//!
//! A [`Connector`] opens sessions with one server; a [`Session`] sends messages, one after the other; a [`Transaction`]
//! has the outcome of a message and of each recipient. The caller decides when to retry, how many sessions to open, and
//! whose fault a refusal is. The client has no queue, no pool and no retries. It runs on tokio.
//!
//! ```
//! use smtp_client::{Config, Connector, Envelope, Options, RecipientOutcome};
//!
//! async fn send(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     let connector = Connector::new(&Config::parse(url, Options::default())?)?;
//!     let mut session = connector.connect().await?;
//!     let envelope = Envelope { sender: "ada@shop.example", recipients: &["bob@mail.example", "eve@mail.example"] };
//!     let message = b"From: ada@shop.example\r\nTo: bob@mail.example\r\nSubject: Hi\r\n\r\nHello\r\n";
//!     let transaction = session.send(&envelope, message.as_slice(), &|_| {}).await;
//!     for (recipient, outcome) in envelope.recipients.iter().zip(&transaction.recipients) {
//!         match outcome {
//!             RecipientOutcome::Accepted => println!("{recipient} is served"),
//!             RecipientOutcome::Refused(reply) => println!("{recipient} is refused: {reply}"),
//!             other => println!("{recipient}: {other:?}, {:?}", transaction.end),
//!         }
//!     }
//!     session.quit().await;
//!     Ok(())
//! }
//! ```
//!
//! The server's certificate is verified whenever TLS is used ([`TlsMode`]). All replies are read to their end, up to a
//! MiB, and count by their code, whatever their encoding. Passwords are in no error, log or reply.
//!
//! It exists because an email queue needs what other clients hide: which recipients were accepted when another was refused,
//! whether the end of a message was sent when the connection broke, and whether the server had accepted it by then. The
//! client in lettre 0.11 stops at the first refused recipient, reads lines of any length, takes a reply that is not UTF-8
//! for a lost connection, and keeps bytes that arrived before STARTTLS for the encrypted session.
//!
//! In reading order: `config` is the URL, `flags` what it may leave out; `connect` opens sessions, `auth` authenticates, `tls` has the trusted
//! certificates, `expiry` notes until when, `connect_error` the errors; `session` and `extensions` are an open session; `transaction` sends a
//! message in it, `outcome` is the result, `message` the message in pieces, `data` its bytes after `DATA`; `wire` has a
//! deadline for each step, `reply` parses replies, `redact` removes passwords from them.

#![forbid(unsafe_code)]

mod auth;
mod config;
mod connect;
mod connect_error;
mod data;
mod expiry;
mod extensions;
#[cfg(feature = "flags")]
mod flags;
mod message;
mod outcome;
mod redact;
mod reply;
mod session;
mod session_error;
mod tls;
mod transaction;
mod wire;

/// The target of the spans of [`tracing`](https://docs.rs/tracing) in which each phase of a session runs, at level `TRACE`. They
/// name no address and hold no text of the server.
pub const TRACE: &str = "smtp_client::trace";

pub use config::{Config, Credentials, InvalidUrl, Options, TlsMode};
pub use connect::Connector;
pub use connect_error::{ConnectError, Step};
pub use expiry::Expiry;
#[cfg(feature = "flags")]
pub use flags::SmtpFlags;
pub use message::{Message, Piece, lines};
pub use outcome::{End, Milestone, RecipientOutcome, Transaction, Unsupported};
pub use reply::{Reply, Severity};
pub use session::Session;
pub use session_error::SessionError;
pub use tls::SetupError;
pub use transaction::Envelope;
