/// Bytes as hexadecimal digits, in lower case: how hashes stand in keys, scripts and links.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
