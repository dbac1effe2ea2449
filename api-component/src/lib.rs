//! The HTTP API: checks an email, puts it on a Redis list, and answers at once. Nobody waits for SMTP here.
//!
//! In reading order:
//!
//! - [`router`]: which path and method leads where; `context`: what it hands to those who serve it;
//! - [`emails`], [`health`], `openapi`: what is served;
//! - [`access`]: who may ask;
//! - `limit`: how often;
//! - [`body`]: how a request's body is read without ever holding more than is allowed, and `unread`: what becomes of the rest;
//! - [`response`]: what a request is answered with; [`error`]: what a refusal looks like;
//! - [`settings`]: what the operator can set, as Spin variables;
//! - [`backend`]: what the handlers need of Redis; `unavailable`: what is said where it has not done it;
//! - [`kept`], [`group_commit`], [`budget`], [`clock`], [`tasks`]: what an instance that serves many requests keeps between
//!   them, what those that it serves at the same time share, how much of their bodies it takes in, and how they wait for each
//!   other;
//! - `wasip2`, `wasip3`: the entry points that Spin calls, and Spin's Redis. A feature of the same name chooses one.
//!
//! All but the last are plain functions over an [`http::Request`] and whatever implements
//! [`backend::Backend`], so both entry points lead to the same handlers. The crate knows no SMTP.

pub mod access;
pub mod backend;
pub mod body;
pub mod budget;
pub mod clock;
mod context;
pub mod emails;
pub mod error;
pub mod group_commit;
mod gzip;
pub mod health;
pub mod kept;
mod limit;
mod openapi;
pub mod response;
pub mod router;
pub mod settings;
#[cfg(any(target_arch = "wasm32", test))]
mod spin_redis;
pub mod tasks;
mod unavailable;
mod unread;
#[cfg(all(target_arch = "wasm32", feature = "wasip2"))]
mod wasip2;
#[cfg(all(target_arch = "wasm32", feature = "wasip3"))]
mod wasip3;

#[cfg(all(target_arch = "wasm32", feature = "wasip2", feature = "wasip3"))]
compile_error!("a component has one entry point: build the other with --no-default-features --features wasip3");
