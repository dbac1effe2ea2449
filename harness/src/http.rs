//! HTTP without TLS.

use std::time::Duration;

pub use ureq::{Agent, Error};

/// A client that keeps connections open between requests. `timeout` is for a whole request, the body of its answer
/// included. An answer is no error, whatever its status.
pub fn agent(timeout: Duration) -> Agent {
    Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false).proxy(None).build().into()
}
