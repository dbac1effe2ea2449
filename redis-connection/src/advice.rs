//! What to do about an error of TLS.

use std::io;

use redis::RedisError;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use crate::tls::Tls;

impl Tls {
    /// The error of a handshake, with advice where there is some.
    pub(crate) fn explained(&self, error: io::Error) -> io::Error {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause.and_then(|cause| self.advice(cause)) {
            Some(advice) => io::Error::new(error.kind(), format!("{error}; {advice}")),
            None => error,
        }
    }

    /// The error of the first exchange. Under TLS 1.3 a server may refuse a client's certificate only then, and close the
    /// connection before the client has read why.
    pub(crate) fn explained_after_handshake(&self, error: RedisError) -> RedisError {
        if !error.is_io_error() {
            return error;
        }
        let advice = if self.has_certificate() { CERTIFICATE_REFUSED } else { CERTIFICATE_WANTED };
        io::Error::new(io::ErrorKind::ConnectionReset, format!("{error}; {advice}")).into()
    }

    fn advice(&self, error: &rustls::Error) -> Option<&'static str> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(other))
                // By its text: the crate of this error is none of ours.
                if other.to_string().contains("CaUsedAsEndEntity") =>
            {
                Some("Redis shows the certificate of an authority as its own: let that authority sign one for Redis")
            }
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_),
            ) => Some(if self.has_authorities() { OTHER_AUTHORITY } else { UNKNOWN_AUTHORITY }),
            rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
            ) if !self.has_certificate() => Some(CERTIFICATE_WANTED),
            rustls::Error::AlertReceived(_) if self.has_certificate() => Some(CERTIFICATE_REFUSED),
            rustls::Error::InvalidMessage(_) => Some("this port may be one without TLS, for redis://"),
            _ => None,
        }
    }
}

const UNKNOWN_AUTHORITY: &str = "name the certificate of the authority that signed it by --redis-ca";
const OTHER_AUTHORITY: &str = "the file of --redis-ca has not the authority that signed it";
const CERTIFICATE_WANTED: &str =
    "Redis may ask for a certificate of its clients: name one by --redis-cert and --redis-key";
const CERTIFICATE_REFUSED: &str = "Redis may refuse the certificate of --redis-cert";
