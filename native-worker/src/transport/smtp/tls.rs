//! Whom to trust.

use std::{fs::File, io::BufReader, path::Path, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use super::config::{SmtpConfig, TlsMode};
use crate::transport::OpenError;

/// What turns a connection into an encrypted one with a server that can prove who it is.
pub(super) fn connector(config: &SmtpConfig) -> Result<TlsConnector, OpenError> {
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(OpenError::Tls)?
        .with_root_certificates(roots(config)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}

/// The system's authorities, and those of the file.
fn roots(config: &SmtpConfig) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    if config.tls != TlsMode::None {
        // What cannot be read there cannot be trusted; how much that matters shows when a server presents itself.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(file) = &config.ca_file {
        add_file(&mut roots, file).map_err(|reason| OpenError::Certificates(file.clone(), reason))?;
    }
    if roots.is_empty() && matches!(config.tls, TlsMode::Implicit | TlsMode::Required) {
        return Err(OpenError::NoCertificates);
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let reader = BufReader::new(File::open(file).map_err(|error| error.to_string())?);
    let mut found = false;
    for certificate in CertificateDer::pem_reader_iter(reader) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        found = true;
    }
    if found { Ok(()) } else { Err("there is no certificate in it".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(add_file(&mut RootCertStore::empty(), file.path()).is_err());
        assert!(add_file(&mut RootCertStore::empty(), Path::new("/nonexistent.pem")).is_err());
    }
}
