//! AWS behind TLS, and a forward proxy in front of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use crate::support::http;

pub(super) const RESULTS: &str =
    "{\"FileTransferResults\":[{\"FilePath\":\"/through\",\"StatusCode\":\"COMPLETED\"}]}";
pub(super) const CREDENTIALS: &str = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
                           \"Expiration\":\"2099-01-01T00:00:00Z\"}";
const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

/// The hosts that the exporter calls in these tests.
const HOSTS: [&str; 11] = [
    "transfer.us-east-1.amazonaws.com",
    "transfer-fips.us-east-1.amazonaws.com",
    "transfer.us-east-1.api.aws",
    "transfer-fips.us-east-1.api.aws",
    "sts.us-east-1.amazonaws.com",
    "sts-fips.us-east-1.amazonaws.com",
    "sts.us-east-1.api.aws",
    "sts-fips.us-east-1.api.aws",
    "aws.invalid",
    "other.invalid",
    "127.0.0.1",
];

/// AWS, as a server with TLS, and the certificate of its authority.
pub(super) struct Aws {
    address: SocketAddr,
    folder: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Aws {
    pub(super) async fn start() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(HOSTS.map(str::to_owned)).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority_pem).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        while let Some(request) = read_request(&mut stream).await {
                            let _ = stream.write_all(&answer(&request)).await;
                        }
                    }
                });
            }
        });
        Self {
            address,
            folder,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(request: &str) -> Vec<u8> {
    if request.contains("Action=AssumeRole") {
        http(200, "content-type: text/xml\r\n", ASSUMED)
    } else if request.starts_with("GET /container") {
        http(200, "content-type: application/json\r\n", CREDENTIALS)
    } else {
        http(200, "content-type: application/x-amz-json-1.1\r\n", RESULTS)
    }
}

/// Reads a request with its body.
async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A forward proxy that notes each request line, with the credentials of the proxy if it has any.
pub(super) struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Tunnels every host to `aws`; answers plain requests itself. With `refusal`, refuses each with
    /// this status.
    pub(super) async fn start(aws: &Aws, refusal: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, aws) = (Arc::clone(&seen), aws.address);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(relay(stream, aws, refusal, Arc::clone(&noted)));
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was seen since the last call, without repetitions.
    pub(super) fn drain(&self) -> Vec<String> {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.dedup();
        seen
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(
    mut stream: TcpStream,
    aws: SocketAddr,
    refusal: Option<u16>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    let line = request
        .lines()
        .next()
        .unwrap()
        .trim_end_matches(" HTTP/1.1");
    let credentials = request.lines().find_map(|line| {
        line.split_once(": ")
            .filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))
    });
    let credentials = credentials.map_or_else(String::new, |(_, value)| format!(" {value}"));
    seen.lock().unwrap().push(format!("{line}{credentials}"));
    if let Some(status) = refusal {
        let _ = stream.write_all(&http(status, "", "")).await;
    } else if line.starts_with("CONNECT ") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let mut server = TcpStream::connect(aws).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    } else {
        let _ = stream.write_all(&answer(&request)).await;
    }
}
