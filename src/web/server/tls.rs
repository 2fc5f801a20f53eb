//! The TLS configuration, built from the web configuration and the PEM files that it names.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig, SupportedCipherSuite, version};
use x509_parser::parse_x509_certificate;

use super::client_certificate;
use crate::config::{
    ClientAuth, Pem, PemSource, Problem, TlsPlan, TlsVersion, WebPlan, read_regular_file,
};

/// The largest PEM file, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

const KEY_HINT: &str =
    "name a PEM file with an unencrypted `PRIVATE KEY` (PKCS #8, PKCS #1 or SEC 1)";

/// The contents of the PEM files at one moment.
pub(crate) struct PemFiles {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// The TLS configuration of new connections.
pub(crate) struct TlsServer {
    pub(crate) config: Arc<ServerConfig>,
    /// When the server certificate expires.
    pub(crate) not_after: SystemTime,
}

impl PemFiles {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub(crate) fn read(web: &WebPlan, tls: &TlsPlan) -> Result<Self, Problem> {
        let bytes = |pem| bytes(web, pem);
        let client_ca = tls.client_ca.as_ref().map(bytes).transpose()?;
        Ok(Self {
            cert: bytes(&tls.cert)?,
            key: bytes(&tls.key)?,
            client_ca,
        })
    }

    /// Returns a digest of all contents, so that the key itself need not be kept for comparison.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for bytes in [&self.cert, &self.key].into_iter().chain(&self.client_ca) {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        digest.finalize().into()
    }

    /// Returns a fingerprint of which clients are accepted.
    pub(crate) fn client_policy(&self, tls: &TlsPlan) -> [u8; 32] {
        let mut digest = Sha256::new();
        let kind = [
            u8::from(tls.client_auth.verifies()),
            u8::from(tls.client_auth.is_mandatory()),
        ];
        let names = tls.client_allowed_sans.iter().map(String::as_bytes);
        for bytes in [&kind[..]]
            .into_iter()
            .chain(self.client_ca.as_deref())
            .chain(names)
        {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        digest.finalize().into()
    }

    /// Builds the TLS configuration.
    ///
    /// # Errors
    /// The first problem of a certificate or key.
    pub(crate) fn build(&self, web: &WebPlan, tls: &TlsPlan) -> Result<TlsServer, Problem> {
        let provider = Arc::new(provider(tls));
        let chain = certificates(web, &tls.cert, &self.cert)?;
        let not_after = not_after(&chain).ok_or_else(|| {
            web.problem(
                &tls.cert,
                "not an X.509 certificate",
                "put the server certificate first",
            )
        })?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| web.problem(&tls.key, "no private key in it", KEY_HINT))?;
        let certified =
            CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    let hint = "use the key with which the certificate was requested";
                    web.problem(&tls.key, "not the key of the certificate", hint)
                }
                error => web.problem(&tls.key, format!("not usable: {error}"), KEY_HINT),
            })?;
        let roots = match (&tls.client_ca, &self.client_ca) {
            (Some(pem), Some(bytes)) => Some((pem, certificates(web, pem, bytes)?)),
            _ => None,
        };
        let unusable = |error: rustls::Error| {
            web.problem(
                &tls.cert,
                format!("failed to set up TLS: {error}"),
                "check the versions, cipher suites and curves",
            )
        };
        let versions: Vec<_> = [
            (TlsVersion::Tls12, &version::TLS12),
            (TlsVersion::Tls13, &version::TLS13),
        ]
        .into_iter()
        .filter_map(|(version, supported)| {
            (tls.min_version..=tls.max_version)
                .contains(&version)
                .then_some(supported)
        })
        .collect();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(unusable)?;
        let builder = match (tls.client_auth, roots) {
            (ClientAuth::None, _) => builder.with_no_client_auth(),
            (auth, None) => builder
                .with_client_cert_verifier(client_certificate::any(auth.is_mandatory(), &provider)),
            (auth, Some((pem, roots))) => {
                let verifier = client_certificate::verified(
                    roots,
                    auth.is_mandatory(),
                    tls.client_allowed_sans.clone(),
                    &provider,
                );
                builder.with_client_cert_verifier(verifier.map_err(|error| {
                    web.problem(
                        pem,
                        format!("not usable: {error}"),
                        "name a PEM file with the certificates of the CA",
                    )
                })?)
            }
        };
        let mut config =
            builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        config.ignore_client_order = tls.prefer_server_cipher_suites;
        if tls.client_auth != ClientAuth::None {
            // Without resumption, each connection verifies the certificate, which may have expired
            // meanwhile.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsServer {
            config: Arc::new(config),
            not_after,
        })
    }
}

fn bytes(web: &WebPlan, pem: &Pem) -> Result<Vec<u8>, Problem> {
    let path = match &pem.source {
        PemSource::Inline(text) => return Ok(text.expose().as_bytes().to_vec()),
        PemSource::File(path) => path,
    };
    read_regular_file(path, MAX_PEM_BYTES).map_err(|error| {
        let path = path.to_string_lossy();
        let path = model::visible(&path);
        let (message, hint) = match error.kind() {
            ErrorKind::NotFound => (
                format!("no such file: {path}"),
                "a relative path starts at the folder of this file",
            ),
            ErrorKind::PermissionDenied => (
                format!("no permission to read {path}"),
                "allow the user of the exporter to read the file",
            ),
            ErrorKind::FileTooLarge => (format!("more than 1 MiB: {path}"), "name a PEM file"),
            _ => (
                format!("failed to read {path}: {error}"),
                "name a readable PEM file",
            ),
        };
        web.problem(pem, message, hint)
    })
}

fn certificates(
    web: &WebPlan,
    pem: &Pem,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Problem> {
    const HINT: &str = "name a PEM file with a `CERTIFICATE`, the server certificate first";
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(web.problem(pem, "no certificate in it", HINT)),
        Ok(found) => Ok(found),
        Err(_) => Err(web.problem(pem, "not PEM", HINT)),
    }
}

/// Returns when the first certificate expires.
fn not_after(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let (_, first) = parse_x509_certificate(chain.first()?).ok()?;
    let seconds = u64::try_from(first.validity().not_after.timestamp()).unwrap_or(0);
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn provider(tls: &TlsPlan) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if !tls.cipher_suites.is_empty() {
        let mut suites: Vec<_> = tls
            .cipher_suites
            .iter()
            .filter_map(|name| suite(name))
            .collect();
        let is_13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        if !suites.iter().any(is_13) {
            // As in the exporter-toolkit, where the list applies to TLS 1.2 only.
            suites.extend(provider.cipher_suites.iter().copied().filter(is_13));
        }
        provider.cipher_suites = suites;
    }
    if !tls.curve_preferences.is_empty() {
        provider.kx_groups = tls
            .curve_preferences
            .iter()
            .filter_map(|name| curve(name))
            .collect();
    }
    provider
}

fn suite(name: &str) -> Option<SupportedCipherSuite> {
    // rustls names the suites of TLS 1.3 differently.
    let rustls_name = if name.contains("_WITH_") {
        name.to_owned()
    } else {
        name.replacen("TLS_", "TLS13_", 1)
    };
    aws_lc_rs::ALL_CIPHER_SUITES
        .iter()
        .find(|suite| format!("{:?}", suite.suite()) == rustls_name)
        .copied()
}

fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    match name {
        "X25519" => Some(aws_lc_rs::kx_group::X25519),
        "CurveP256" => Some(aws_lc_rs::kx_group::SECP256R1),
        "CurveP384" => Some(aws_lc_rs::kx_group::SECP384R1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configurable_suite_and_curve_is_supported_by_rustls() {
        for name in crate::config::CIPHER_SUITES {
            assert!(suite(name).is_some(), "{name}");
        }
        for name in crate::config::CURVES {
            assert!(curve(name).is_some(), "{name}");
        }
    }
}
