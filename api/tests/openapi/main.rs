//! Holds `openapi.json` against the code, so that neither can change without the other.
//!
//! - [`routes`]: which paths there are, with which methods;
//! - [`answers`]: every answer that is described is given, and is as it is described;
//! - [`witness`]: which answers have been seen, and what each must be like;
//! - [`requests`]: which fields an email has, and what each may hold;
//! - [`document`]: the document, and its schemas;
//! - [`shards`]: what is in the first shard shows in emails of all;
//! - [`server`]: the handlers on a Redis of the test's own, as a host of one request at a time serves them.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod answers;
mod document;
mod requests;
mod routes;
mod server;
mod shards;
mod witness;
