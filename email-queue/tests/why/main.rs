//! Why an email has not been sent is the true reason, and when it will be sent comes about true.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod drained;
mod random;
mod reasons;
#[path = "../support/mod.rs"]
mod support;
mod unserved;
