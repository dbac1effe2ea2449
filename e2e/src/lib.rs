//! What the end-to-end tests start besides the servers of [`testkit`]: the API and the worker, as users run them.
//!
//! - [`Api`]: the real component in dev-host or in Spin, and a client for it;
//! - [`Answer`]: what it answers, held against what all its answers have in common;
//! - [`HttpConnection`]: HTTP by hand, for requests that a well-behaved client does not make;
//! - [`Worker`]: the real worker binary;
//! - [`System`]: all of it together, with the [`MailServer`] of a test's choice;
//! - [`Mail`]: an email as it arrived, read by a MIME parser that knows nothing of the worker's;
//! - [`Load`]: clients that post without end, and what they were told;
//! - [`Records`]: what Redis holds of the emails; [`Arrivals`]: what came of them, and how often;
//! - [`fuzz`]: requests of every kind, and what may not come of them;
//! - [`program`]: where a program is that a test runs.
//!
//! `cargo xtask test` builds the programs and says where they are. Everything panics instead of returning errors, because
//! whatever fails here fails the test.

#![forbid(unsafe_code)]

mod answer;
mod api;
mod arrivals;
mod binaries;
pub mod fuzz;
mod host;
mod http;
mod http_stream;
mod load;
mod mail;
mod records;
mod system;
mod worker;

pub use answer::Answer;
pub use api::Api;
pub use arrivals::Arrivals;
pub use binaries::path as program;
pub use http::HttpConnection;
pub use load::{Load, Told};
pub use mail::{Mail, MailFile};
pub use records::Records;
pub use system::{MailServer, System};
pub use worker::Worker;
