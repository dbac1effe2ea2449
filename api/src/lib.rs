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
//!
//! The handlers are plain functions over an [`http::Request`] and whatever implements [`backend::Backend`], so that any host can
//! serve them. The crate knows no host and no SMTP.

#![forbid(unsafe_code)]

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
pub mod tasks;
mod unavailable;
mod unread;
