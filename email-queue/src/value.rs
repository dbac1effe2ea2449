/// One value of a reply. Nested arrays arrive flattened, because Spin's outbound Redis flattens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A status, such as `OK`.
    Status(String),
    /// A number.
    Int(i64),
    /// A string of bytes.
    Bytes(Vec<u8>),
}
