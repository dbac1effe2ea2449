//! The HTTP API: checks an email, puts it on a Redis list, and answers. It does not wait for SMTP.
//!
//! The crate does not depend on a host: the Spin component, the native server and the tests serve the same handlers. A
//! host whose instances serve one request each calls [`router::respond`] with a [`body::Body`], a [`backend::Backend`]
//! and a [`client::Client`]. A host whose instances serve many requests implements [`instance::Host`] and has an
//! [`instance::Instance`].
//!
//! In reading order:
//!
//! - [`router`]: which path and method leads to which handler; `context`: what a handler gets;
//! - `emails`, `queue`, `health`, `openapi`: the handlers;
//! - [`access`]: API keys; `rate_limit`: requests per second; [`client`]: who sent a request;
//! - [`body`]: reads bodies, within limits; `gzip`: inflates them; `command`: reads an operator's; `unread`: drains what the handler has not read;
//! - [`response`], `error`: answers;
//! - [`settings`], [`invalid_setting`]: what the operator can set;
//! - [`backend`]: what the handlers need of Redis; `unavailable`: the errors for calls that have failed;
//! - [`instance`]: many requests at the same time; [`runtime`], [`redis_client`]: what that takes;
//! - [`nodes`]: the nodes of a cluster, each with a `shared_connection`; [`deadline`]: how long a command waits for one;
//! - `group_commit`, `budget`: what else those requests share;
//! - [`clock`], [`ttl_cell`]: for hosts with expensive timers and settings.

#![forbid(unsafe_code)]

pub mod access;
pub mod backend;
pub mod body;
mod budget;
pub mod client;
pub mod clock;
mod command;
mod context;
pub mod deadline;
mod emails;
mod error;
mod group_commit;
mod gzip;
mod health;
pub mod instance;
pub mod invalid_setting;
pub mod nodes;
mod openapi;
mod queue;
mod rate_limit;
pub mod redis_client;
pub mod response;
pub mod router;
pub mod runtime;
pub mod settings;
mod shared_connection;
pub mod ttl_cell;
mod unavailable;
mod unread;
