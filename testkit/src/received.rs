//! An email as a server received it.

/// One accepted message with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The address of `MAIL FROM`, without the angle brackets; empty for the null sender.
    pub envelope_from: String,
    /// The addresses of the `RCPT TO` commands that were accepted, in order.
    pub recipients: Vec<String>,
    /// The parameters of `MAIL FROM` in upper case, such as `SMTPUTF8` or `BODY=8BITMIME`.
    pub mail_parameters: Vec<String>,
    /// The message, byte for byte, after the removal of dot-stuffing; it ends with CRLF (RFC 5321, section 4.5.2).
    pub data: Vec<u8>,
    /// Which connection brought it: the first that the server accepted is 1.
    pub connection: usize,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The user that the client had authenticated as.
    pub authenticated: Option<String>,
}
