//! TLS of a listener: certificate chain and key from PEM files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto::aws_lc_rs, version};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::disk;

/// Longest file, in bytes.
const MAX_FILE: usize = 1024 * 1024;

/// The files of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain in PEM, the service's own certificate first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    /// It holds something else.
    #[error("{0} holds no {1} in PEM")]
    Pem(PathBuf, &'static str),
    /// The two do not belong together, or the key is of a kind that is not used.
    #[error("certificate and key cannot be used together")]
    Pair(#[from] rustls::Error),
}

/// The certificate in use, and the files it came from.
pub(super) struct Certificate {
    files: TlsFiles,
    in_use: RustlsConfig,
    sha256: [u8; 32],
}

impl Certificate {
    /// Reads both files.
    pub(super) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let (config, sha256) = read(&files)?;
        Ok(Self { files, in_use: RustlsConfig::from_config(Arc::new(config)), sha256 })
    }

    /// What new connections use, now and after each change.
    pub(super) fn in_use(&self) -> RustlsConfig {
        self.in_use.clone()
    }

    /// Takes the files where they have changed; connections that are open keep what they have. A pair that does not fit
    /// is most often one of which only the first file was replaced yet: the old one stays, and the next look decides.
    pub(super) fn reload_when_changed(&mut self) {
        match read(&self.files) {
            Ok((_, sha256)) if sha256 == self.sha256 => {}
            Ok((config, sha256)) => {
                self.in_use.reload_from_config(Arc::new(config));
                self.sha256 = sha256;
                tracing::info!(certificate = %self.files.certificate.display(), "the new certificate is in use");
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the certificate was not taken anew; the one before stays in use");
            }
        }
    }
}

fn read(files: &TlsFiles) -> Result<(ServerConfig, [u8; 32]), TlsError> {
    let (certificates, key) = (bytes(&files.certificate)?, Zeroizing::new(bytes(&files.key)?));
    let sha256 = Sha256::new().chain_update(&certificates).chain_update(&*key).finalize().into();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificates).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::Pem(files.certificate.clone(), "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::Pem(files.key.clone(), "private key"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(&[&version::TLS13, &version::TLS12])?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, sha256))
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let content = disk::read(path, MAX_FILE).and_then(|found| found.ok_or(std::io::ErrorKind::NotFound.into()));
    content.map_err(|error| TlsError::File(path.to_owned(), error))
}
