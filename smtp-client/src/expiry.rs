//! When the certificate of a server expires.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio_rustls::rustls::{
    self, CertificateError, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

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

    /// A verifier that trusts what another one does, and notes the time.
    pub(crate) fn noted_by(self, verifier: Arc<dyn ServerCertVerifier>) -> impl ServerCertVerifier {
        Noting { verifier, expiry: self }
    }
}

#[derive(Debug)]
struct Noting {
    verifier: Arc<dyn ServerCertVerifier>,
    expiry: Expiry,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify =
            |time| self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time);
        let verified = verify(now)?;
        // The error of a time at which it has expired says when that was.
        if let Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) =
            verify(UnixTime::since_unix_epoch(END_OF_TIME))
        {
            self.expiry.0.store(not_after.as_secs(), Ordering::Relaxed);
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
