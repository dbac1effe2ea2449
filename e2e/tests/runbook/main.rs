//! `docs/operations.md`: each incident is brought about, and ended by the commands of the page.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod backup;
mod changes;
mod machine;
mod page;
mod redis_server;
mod relay;
mod services;
