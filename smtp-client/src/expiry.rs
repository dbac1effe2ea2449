//! When the certificate of a server expires.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio_rustls::rustls::{self, CertificateError, client::danger::ServerCertVerified, pki_types::UnixTime};

/// A time by which every certificate has expired: the end of the year 9999, beyond which none can be written (RFC 5280 4.1.2.5).
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_799);

/// When a certificate expires, as soon as a connection has shown it.
#[derive(Debug, Clone, Default)]
pub struct Expiry(Arc<AtomicU64>);

impl Expiry {
    /// The time; `None` if no certificate was shown that is trusted.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        let seconds = Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds > 0);
        seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// Notes the time of a certificate that `verify` trusts now: the error of a time at which it has expired says when that was.
    pub(crate) fn note(&self, verify: impl FnOnce(UnixTime) -> Result<ServerCertVerified, rustls::Error>) {
        if let Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) =
            verify(UnixTime::since_unix_epoch(END_OF_TIME))
        {
            self.0.store(not_after.as_secs(), Ordering::Relaxed);
        }
    }
}
