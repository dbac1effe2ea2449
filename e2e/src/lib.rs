//! The API and the worker for end-to-end tests, as users run them; [`testkit`] has the servers.
//!
//! - [`Api`]: the real component in dev-host or in Spin, and a client for it;
//! - [`Answer`]: its answers, each checked for what all must have;
//! - [`HttpConnection`]: raw HTTP, for requests that clients do not send;
//! - [`Worker`]: the real worker binary;
//! - [`System`]: all of it together, with the [`MailServer`] of a test's choice;
//! - [`ClusterSystem`]: the same on a Redis Cluster, whose nodes fail;
//! - [`Mail`]: an email as it arrived, parsed by an independent MIME parser;
//! - [`Load`]: clients that post continuously, and their answers;
//! - [`Records`]: the emails in Redis; [`Arrivals`]: the emails that arrived, and how often;
//! - [`shard_queue`], [`shard_of`]: shards, as a test finds them in Redis;
//! - [`fuzz`]: generated requests, and checks of the answers;
//! - [`program`]: paths of programs that a test runs.
//!
//! `cargo xtask test` builds the programs and passes their paths. Functions panic instead of returning errors, which
//! fails the test.

#![forbid(unsafe_code)]

mod answer;
mod api;
mod arrivals;
mod binaries;
mod cluster;
pub mod fuzz;
mod host;
mod http;
mod http_stream;
mod load;
mod mail;
mod records;
mod shard;
mod system;
mod worker;

pub use answer::Answer;
pub use api::Api;
pub use arrivals::Arrivals;
pub use binaries::path as program;
pub use cluster::ClusterSystem;
pub use http::HttpConnection;
pub use load::{Answers, Load};
pub use mail::{Mail, MailFile};
pub use records::Records;
pub use shard::{shard_of, shard_queue};
pub use system::{MailServer, System};
pub use worker::Worker;
