//! The component answers any request: it never traps, never blames itself for a client's mistake, and accepts nothing
//! that cannot be sent. `cargo xtask fuzz` does the same for longer.

use e2e::fuzz;

/// A seed of its own for each, so that they meet other requests.
async fn nothing_is_found(seed: u64) {
    let round = fuzz::round(seed, 1200).await;
    assert!(
        round.findings.is_empty(),
        "{}",
        round.findings.iter().map(|finding| format!("\n{finding}")).collect::<String>()
    );
    // It would find nothing as well if all were refused, or nothing arrived.
    assert!(round.accepted > 200 && round.arrived > 100, "{round:?}");
}

#[tokio::test]
async fn every_request_is_answered_and_every_email_that_is_accepted_can_be_sent() {
    nothing_is_found(1).await;
}

#[tokio::test]
async fn so_it_is_with_other_requests() {
    nothing_is_found(2).await;
}
