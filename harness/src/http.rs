//! HTTP without TLS.

use std::time::Duration;

pub use ureq::{Agent, Body, Error, http::Response};

use crate::Process;

/// A client that keeps connections open between requests. `timeout` is for a whole request, the body of its answer
/// included. An answer is no error, whatever its status.
pub fn agent(timeout: Duration) -> Agent {
    Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false).proxy(None).build().into()
}

/// Where a server listens, as host and port. Waits for its line `Serving http://ADDRESS`, which every host of the API
/// prints once it accepts connections.
///
/// # Errors
/// The server has ended, or `limit` has passed.
pub fn serving_address(server: &Process, limit: Duration) -> anyhow::Result<String> {
    server.wait_for("where it serves", limit, || Ok(address(&server.text())))
}

fn address(printed: &str) -> Option<String> {
    // A line that is not yet complete may have half an address.
    let (lines, _) = printed.rsplit_once('\n')?;
    let address = lines.lines().find_map(|line| line.strip_prefix("Serving http://"))?;
    Some(address.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_its_line_is_complete() {
        assert_eq!(address("warning\nServing http://127.0.0.1:30"), None);
        assert_eq!(address("warning\nServing http://127.0.0.1:3000\n"), Some("127.0.0.1:3000".to_owned()));
    }
}
