//! How native programs connect to Redis.
//!
//! - [`flags`]: the flags and environment variables that say where Redis is;
//! - [`url`]: its URL, which may hold a password;
//! - [`certificates`]: the files and the system's authorities that TLS needs; `tls` reads them again for each connection, so
//!   that certificates are renewed without a restart;
//! - [`server`]: opens a connection; `stream` is what it goes over, [`connection`] is an open one, `advice` says of an error
//!   of TLS what to do.

#![forbid(unsafe_code)]

mod advice;
pub mod certificates;
pub mod connection;
pub mod flags;
pub mod server;
mod stream;
mod tls;
pub mod url;

pub use certificates::{CertificateFiles, SetupError};
pub use connection::Connection;
pub use flags::RedisFlags;
pub use server::RedisServer;
pub use url::{InvalidUrl, RedisUrl};
