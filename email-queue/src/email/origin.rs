/// Where a submission comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From a client, which can correct what is refused.
    Request,
    /// From a record. What an earlier version accepted must still be sent.
    List,
}
