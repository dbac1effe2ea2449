//! What spans need, whether they are exported or not.

use std::time::SystemTime;

/// The target of the worker's spans, beside [`smtp_client::TRACE`].
pub(super) const TRACE: &str = "native_worker::trace";

/// When emails were asked for, and when they came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    pub(crate) asked: SystemTime,
    pub(crate) answered: SystemTime,
}
