//! Defaults of `cargo xtask up`.

/// The queue's name, the same for the API and the worker whatever the environment says.
pub(crate) const QUEUE: &str = "emails";

/// Emails become files.
pub(crate) const DEFAULT_TRANSPORT: &str = "file:.data/outbox";
