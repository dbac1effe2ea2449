//! `emailq` against a real Redis, as people and as programs use it.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod altering;
mod changes;
mod doctor;
mod exporting;
mod lists;
mod nameserver;
mod program;
#[path = "../../../email-queue/tests/support/mod.rs"]
mod queue;
mod rights;
mod sending;
mod settings;
mod shards;
mod steering;
mod terminal;
mod top;
