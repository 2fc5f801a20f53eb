//! Generated certificates, and clients that present them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aws_transfer_exporter::web::WebConfigState;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, SupportedProtocolVersion};

pub(super) static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(super) static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) cert: String,
    pub(super) key: String,
}

/// A certificate authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        Pair {
            cert: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// Issues a certificate for `localhost` and the loopback addresses that expires on 1 January of
    /// `year`.
    pub(super) fn server_until(&self, year: i32) -> Pair {
        let mut params =
            CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_after = date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    pub(super) fn server(&self) -> Pair {
        self.server_until(2124)
    }

    pub(super) fn client(&self, name: &str) -> Pair {
        self.sign(&client_params(name))
    }

    pub(super) fn expired_client(&self, name: &str) -> Pair {
        let mut params = client_params(name);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    /// Generates a certificate that is its own CA, as `openssl req -x509` does.
    pub(super) fn self_signed(name: &str) -> Pair {
        let mut params = client_params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Pair {
            cert: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

fn client_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A folder with a web configuration file and the files that it names.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes `server.crt`, `server.key`, `ca.crt` and the configuration.
    pub(super) fn with(server: &Pair, ca: &str, config: &str) -> Self {
        let folder = Self::new();
        folder.write("server.crt", &server.cert);
        folder.write("server.key", &server.key);
        folder.write("ca.crt", ca);
        folder.write("web.yml", config);
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces a file atomically, as tools that renew certificates do.
    pub(super) fn write(&self, name: &str, text: &str) {
        let next = self.path("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, self.path(name)).unwrap();
    }

    pub(super) fn web_config(&self) -> Arc<WebConfigState> {
        WebConfigState::load(&self.path("web.yml")).unwrap_or_else(|problems| panic!("{problems}"))
    }
}

/// A TLS client.
pub(super) struct Dialer {
    pub(super) roots: String,
    pub(super) shown: Option<Pair>,
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    pub(super) protocols: Vec<Vec<u8>>,
}

impl Dialer {
    pub(super) fn trusting(authority: &Authority) -> Self {
        Self {
            roots: authority.pem(),
            shown: None,
            versions: rustls::ALL_VERSIONS,
            protocols: Vec::new(),
        }
    }

    pub(super) async fn dial(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.roots.as_bytes()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes())
                    .map(Result::unwrap)
                    .collect();
                builder
                    .with_client_auth_cert(
                        chain,
                        PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
                    )
                    .unwrap()
            }
        };
        config.alpn_protocols = self.protocols.clone();
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
    }
}
