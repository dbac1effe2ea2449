//! Shared by the tests of this workspace: real servers, a faulty network and real processes, each started for one test
//! and stopped with it.
//!
//! It does not depend on the crates under test. In reading order:
//!
//! - [`wait`]: waiting for a condition instead of sleeping; [`DEADLINE`] is how long everything here waits.
//! - [`ports`]: free ports, for servers that cannot choose one themselves.
//! - [`RedisServer`]: a Redis server for one test, which can be killed, restarted and frozen; [`RedisCluster`] and
//!   [`RedisSentinel`]: several that replace each other.
//! - [`mod@record`]: an email's record in Redis.
//! - [`proxy`]: a TCP proxy that goes silent or cuts connections, as networks do.
//! - [`process`]: a child process whose output is captured and can be waited for.
//! - [`received`]: an email as a server received it, whichever of the two servers below that was.
//! - [`smtp_server`]: an SMTP server in this process, scripted to refuse, hang, drop and be slow.
//! - [`aiosmtpd`]: an independent SMTP server, against a common misreading of the standard.
//! - [`postfix`]: Postfix, with its limits.
//! - [`prometheus`]: `promtool`, which judges metrics and rules.
//! - [`authority`]: a certificate authority, and certificates in files; [`certificates`]: what the SMTP servers show to clients
//!   over TLS.
//! - [`tls_redis`]: a Redis server that speaks TLS.
//!
//! The program `catch-all` is that SMTP server for people who try a recipe.
//!
//! Functions panic instead of returning errors, which fails the test; the message names the awaited condition. Dropping
//! a future only ends the waiting.

#![forbid(unsafe_code)]

pub mod aiosmtpd;
pub mod authority;
pub mod certificates;
pub mod ports;
pub mod postfix;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod received;
pub mod record;
#[cfg(test)]
mod smtp_client;
pub mod smtp_server;
pub mod tls_redis;
pub mod wait;

pub use aiosmtpd::Aiosmtpd;
pub use authority::{Authority, CertificateFiles};
pub use harness::{RedisCluster, RedisSentinel, RedisServer};
pub use postfix::Postfix;
pub use process::Process;
pub use proxy::TcpProxy;
pub use received::Received;
pub use smtp_server::{Action, Rules, SmtpServer, Stage};
pub use tls_redis::TlsRedis;
pub use wait::{DEADLINE, eventually};
