//! A certificate authority for one test, and certificates in files, which can be renewed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// A new authority. Only who was given its certificate trusts it.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Where programs look for a certificate, its key, and the authority to trust. What is there can be replaced.
#[derive(Debug)]
pub struct CertificateFiles {
    directory: TempDir,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When there is no randomness.
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Self {
        Self::try_new().unwrap_or_else(|error| panic!("cannot make an authority: {error}"))
    }

    pub(crate) fn try_new() -> Result<Self, rcgen::Error> {
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "testkit authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        Ok(Self { pem: ca.self_signed(&key)?.pem(), issuer: Issuer::new(ca, key) })
    }

    /// Its own certificate in PEM form.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its private key in PEM form.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A new certificate for host names or IP addresses, for servers and for clients.
    pub(crate) fn sign(&self, names: &[&str]) -> Result<(Certificate, KeyPair), rcgen::Error> {
        self.sign_until(names, None)
    }

    /// The same, valid until then.
    pub(crate) fn sign_until(
        &self,
        names: &[&str],
        end: Option<SystemTime>,
    ) -> Result<(Certificate, KeyPair), rcgen::Error> {
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, "testkit");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if let Some(end) = end {
            params.not_after = end.into();
        }
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }
}

impl CertificateFiles {
    /// Files with a certificate for `names` that `authority` has signed.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn new(authority: &Authority, names: &[&str]) -> Self {
        let made = TempDir::with_prefix("testkit-certificates-");
        let files = Self { directory: made.unwrap_or_else(|error| panic!("cannot make a directory: {error}")) };
        files.renew(authority, names);
        files
    }

    /// Replaces the content of all three files.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn renew(&self, authority: &Authority, names: &[&str]) {
        let signed = authority.sign(names);
        let (certificate, key) = signed.unwrap_or_else(|error| panic!("no certificate for {names:?}: {error}"));
        self.write(&self.authority(), authority.pem());
        self.write(&self.certificate(), &certificate.pem());
        self.write(&self.key(), &key.serialize_pem());
    }

    /// The certificate of the authority.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The certificate.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("cert.pem")
    }

    /// The private key.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    fn write(&self, file: &Path, text: &str) {
        fs::write(file, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}
