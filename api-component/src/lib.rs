//! The HTTP API: checks an email, puts it on a Redis list, and answers at once. Nobody waits for SMTP here.
//!
//! In reading order:
//!
//! - [`router`]: which path and method leads where;
//! - [`emails`], [`health`], `openapi`: what is served;
//! - [`access`]: who may ask;
//! - `limit`: how often;
//! - [`body`]: how a request's body is read without ever holding more than is allowed;
//! - [`error`]: what a refusal looks like;
//! - [`settings`]: what the operator can set, as Spin variables;
//! - `wasip2`: the entry point that Spin calls, and Spin's Redis.
//!
//! All but the last are plain functions over an [`http::Request`] and whatever implements
//! [`email_queue::redis::Redis`], so that another entry point can stand beside this one. The crate knows no SMTP.

pub mod access;
pub mod body;
pub mod emails;
pub mod error;
pub mod health;
mod limit;
mod openapi;
pub mod router;
pub mod settings;
#[cfg(target_arch = "wasm32")]
mod wasip2;
