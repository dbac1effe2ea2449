//! How native programs connect to Redis.
//!
//! - [`flags`]: the flags and environment variables that say where Redis is;
//! - [`url`]: its URL, which may hold a password; `parse_url` reads it, `server_url` that of one server, `sentinel_url` that of
//!   the sentinels that know where it is;
//! - [`certificates`]: the files and the system's authorities that TLS needs; `tls` reads them again for each connection, so
//!   that certificates are renewed without a restart;
//! - [`server`]: opens a connection, at an [`Address`], which `sentinel` finds out if need be; `stream` is what it goes over,
//!   `log_in` identifies the client, [`connection`] is an open one, `advice` says of an error of TLS what to do.

#![forbid(unsafe_code)]

mod address;
mod advice;
pub mod certificates;
pub mod connection;
pub mod flags;
mod log_in;
mod parse_url;
mod sentinel;
mod sentinel_url;
pub mod server;
mod server_url;
mod stream;
mod tls;
pub mod url;

pub use address::Address;
pub use certificates::{CertificateFiles, SetupError};
pub use connection::Connection;
pub use flags::RedisFlags;
pub use server::RedisServer;
pub use url::{InvalidUrl, RedisUrl};
