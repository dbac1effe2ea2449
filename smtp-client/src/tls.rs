//! Which certificates are trusted.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
        client::{
            WebPkiServerVerifier,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
            verify_server_name,
        },
        crypto::ring::default_provider,
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
        server::ParsedCertificate,
    },
};

use crate::{
    config::{Config, TlsMode},
    expiry::Expiry,
};

/// Why a configuration cannot be used with any server.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of certificates cannot be read.
    #[error("cannot read certificates from {0}: {1}")]
    Certificates(PathBuf, String),
    /// The cryptography has no usable protocol version, which the built-in one has.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The name of the server cannot be in a certificate.
    #[error("the host is neither a name nor an address")]
    Host,
    /// There is no certificate to trust.
    #[error("TLS is required, but this system has no trusted certificates and no file of them is given")]
    NoCertificates,
}

/// Encrypts connections, and verifies the certificate of the server. With `expires` it notes there when that expires.
pub(crate) fn connector(config: &Config, expires: Option<Expiry>) -> Result<TlsConnector, SetupError> {
    let provider = Arc::new(default_provider());
    let named = match &config.ca_file {
        Some(file) => read(file).map_err(|reason| SetupError::Certificates(file.clone(), reason))?,
        None => Vec::new(),
    };
    let roots = roots(config, &named)?;
    let tls = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?;
    let tls = if named.is_empty() && expires.is_none() || roots.is_empty() {
        tls.with_root_certificates(roots)
    } else {
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let authorities = authorities.map_err(|error| SetupError::Tls(rustls::Error::General(error.to_string())))?;
        tls.dangerous().with_custom_certificate_verifier(Arc::new(Trust { authorities, named, expires }))
    };
    Ok(TlsConnector::from(Arc::new(tls.with_no_client_auth())))
}

/// The system's authorities, and those of the file.
fn roots(config: &Config, named: &[CertificateDer<'static>]) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    if config.tls != TlsMode::None {
        // Files that cannot be read are left out: a server whose authority is missing fails at the handshake.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for certificate in named {
        let added = roots.add(certificate.clone());
        added
            .map_err(|error| SetupError::Certificates(config.ca_file.clone().unwrap_or_default(), error.to_string()))?;
    }
    if roots.is_empty() && matches!(config.tls, TlsMode::Implicit | TlsMode::Required) {
        return Err(SetupError::NoCertificates);
    }
    Ok(roots)
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let reader = BufReader::new(File::open(file).map_err(|error| error.to_string())?);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(reader).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("there is no certificate in it".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(error.to_string()),
    }
}

/// Trusts certificates that the authorities have signed, and those in [`Config::ca_file`] themselves.
///
/// A self-signed certificate of a server is often not one of an authority as well, and so makes no chain. A user who puts
/// it into the file means to trust it. OpenSSL and Go trust it as well.
#[derive(Debug)]
struct Trust {
    authorities: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
    /// Where to note when the certificate of the server expires.
    expires: Option<Expiry>,
}

impl Trust {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let error =
            match self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                Ok(verified) => return Ok(verified),
                Err(error) => error,
            };
        // The validity period is checked before the chain, and is required here as well.
        let about_the_chain = matches!(
            error,
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_)
            )
        );
        if !about_the_chain || !self.named.iter().any(|named| named == end_entity) {
            return Err(error);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |time| self.verify(end_entity, intermediates, server_name, ocsp_response, time);
        let verified = verify(now)?;
        if let Some(expires) = &self.expires {
            expires.note(verify);
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(read(file.path()).is_err());
        assert!(read(Path::new("/nonexistent.pem")).is_err());
    }
}
