//! HTTP clients of accounts: proxies and certificate authorities.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_transfer::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::rustls::RootCertStore;

use crate::config::{AccountPlan, Secret, check_proxy_url, read_regular_file};
use crate::transfer::sdk::limit_body;

/// Largest file of certificate authorities, in bytes: ten times that of a Linux distribution.
const MAX_CA_FILE: u64 = 4 << 20;

/// Instance metadata and EKS Pod Identity over IPv6
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>).
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
];

/// Variables that name the proxy of a scheme. Of each pair, the first that is set counts.
const PROXIES: [[&str; 2]; 3] = [
    ["HTTPS_PROXY", "https_proxy"],
    ["HTTP_PROXY", "http_proxy"],
    ["ALL_PROXY", "all_proxy"],
];
/// What names a file of certificate authorities that is in the configuration.
const OF_ACCOUNT: &str = "`ca_file` of the account";
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Why the HTTP client of an account could not be created. Repeats no proxy URL, which may have a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The certificate authorities cannot be used.
    #[error("failed to read the certificate authorities in {path} ({place}): {reason}")]
    CaFile {
        /// The file.
        path: String,
        /// The key or the variable that names it.
        place: &'static str,
        /// The reason.
        reason: String,
    },
    /// The proxy of the environment cannot be used.
    #[error("invalid proxy in {variable}: {reason}")]
    Proxy {
        /// The variable.
        variable: &'static str,
        /// The reason.
        reason: &'static str,
    },
}

impl TransportError {
    /// Returns the remedy.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::CaFile { .. } => {
                "name a file with certificates as PEM, which replace those of the system"
            }
            Self::Proxy { .. } => {
                "use `http://` or `https://`, host and port, and percent-encode user and password"
            }
        }
    }
}

/// Looks up an environment variable.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How an account reaches AWS.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Transport {
    /// A file of certificate authorities, and what names it.
    ca_file: Option<(PathBuf, &'static str)>,
    proxy: Proxy,
    /// Hosts of the metadata services that the environment names.
    metadata_hosts: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Proxy {
    #[default]
    None,
    /// The variables name one for some scheme.
    Environment,
    /// With the hosts of `NO_PROXY`.
    Url(Secret, String),
}

impl Transport {
    /// Returns the transport of an account by its configuration alone.
    pub(super) fn configured(account: &AccountPlan) -> Self {
        Self::new(account, &|_| None, &|_| None).unwrap_or_default()
    }

    /// Returns the transport of an account. `key` looks up a key of the account's profile.
    ///
    /// # Errors
    /// The environment names an invalid proxy.
    pub(super) fn new(
        account: &AccountPlan,
        env: Env<'_>,
        key: Env<'_>,
    ) -> Result<Self, TransportError> {
        let configured = account.ca_file.clone().map(|path| (path, OF_ACCOUNT));
        let of_variable = || Some((env("AWS_CA_BUNDLE")?.into(), "AWS_CA_BUNDLE"));
        let of_profile = || Some((key("ca_bundle")?.into(), "`ca_bundle` of the profile"));
        let hosts = [
            env("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            key("ec2_metadata_service_endpoint"),
            env("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ];
        Ok(Self {
            ca_file: configured.or_else(of_variable).or_else(of_profile),
            proxy: proxy(account, env)?,
            metadata_hosts: hosts
                .into_iter()
                .flatten()
                .filter_map(|url| host(&url))
                .collect(),
        })
    }
}

fn first_set(env: Env<'_>, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, env(name)?)))
}

fn proxy(account: &AccountPlan, env: Env<'_>) -> Result<Proxy, TransportError> {
    if let Some(url) = &account.proxy_url {
        let direct = first_set(env, NO_PROXY).map(|(_, hosts)| hosts);
        return Ok(Proxy::Url(url.clone(), direct.unwrap_or_default()));
    }
    let mut proxy = Proxy::None;
    for names in PROXIES {
        let Some((variable, url)) = first_set(env, names).filter(|(_, url)| !url.is_empty()) else {
            continue;
        };
        // As curl and the SDK read it.
        let url = if url.contains("://") {
            url
        } else {
            format!("http://{url}")
        };
        check_proxy_url(&url).map_err(|reason| TransportError::Proxy { variable, reason })?;
        proxy = Proxy::Environment;
    }
    Ok(proxy)
}

/// The HTTP clients, one for each transport: accounts share connections.
#[derive(Default)]
pub(super) struct HttpClients(Mutex<Vec<(Transport, SharedHttpClient)>>);

impl HttpClients {
    /// Returns the client of `transport`.
    ///
    /// # Errors
    /// The certificate authorities cannot be read.
    pub(super) fn get(&self, transport: &Transport) -> Result<SharedHttpClient, TransportError> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| known == transport) {
            return Ok(client.clone());
        }
        let client = build(transport)?;
        clients.push((transport.clone(), client.clone()));
        Ok(client)
    }
}

fn build(transport: &Transport) -> Result<SharedHttpClient, TransportError> {
    let trust = match &transport.ca_file {
        None => TrustStore::default(),
        Some((path, place)) => trust_store(path, place)?,
    };
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.unwrap_or_default();
    let proxy = match &transport.proxy {
        Proxy::None => return Ok(limit_body(client(context, ProxyConfig::disabled()))),
        Proxy::Environment => ProxyConfig::from_env(),
        // Checked when the configuration was read.
        Proxy::Url(url, direct) => ProxyConfig::all(url.expose())
            .map_or_else(|_| ProxyConfig::disabled(), |proxy| proxy.no_proxy(direct)),
    };
    Ok(limit_body(SharedHttpClient::new(RoutedClient {
        direct: client(context.clone(), ProxyConfig::disabled()),
        proxied: client(context, proxy),
        metadata_hosts: transport.metadata_hosts.clone().into(),
    })))
}

fn client(context: TlsContext, proxy: ProxyConfig) -> SharedHttpClient {
    let tls = tls::Provider::Rustls(CryptoMode::AwsLc);
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(tls.clone())
            .tls_context(context.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// Checks the certificate authorities of an account's `ca_file`.
///
/// # Errors
/// The file cannot be read, or is not one of certificates.
pub fn check_ca_file(path: &Path) -> Result<(), TransportError> {
    trust_store(path, OF_ACCOUNT).map(drop)
}

/// Returns the certificates of a file, without those of the system: so do the AWS CLI and the other
/// SDKs.
fn trust_store(path: &Path, place: &'static str) -> Result<TrustStore, TransportError> {
    let error = |reason: String| TransportError::CaFile {
        path: path.display().to_string(),
        place,
        reason,
    };
    let pem = read_certificates(path).map_err(error)?;
    Ok(TrustStore::empty().with_pem_certificate(pem))
}

/// Reads a file of certificates and checks each, because the SDK panics at an invalid one.
fn read_certificates(path: &Path) -> Result<Vec<u8>, String> {
    let pem = read_regular_file(path, MAX_CA_FILE).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => format!("larger than {} MiB", MAX_CA_FILE >> 20),
        _ => error.to_string(),
    })?;
    let mut roots = RootCertStore::empty();
    for (at, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let number = at + 1;
        let certificate = certificate
            .map_err(|error| format!("certificate {number} is not valid PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("certificate {number} is invalid: {error}"))?;
    }
    if roots.is_empty() {
        return Err("no certificate in PEM format".to_owned());
    }
    Ok(pem)
}

/// Sends requests through a proxy, except those to this machine and to its metadata services, which
/// a proxy cannot reach.
#[derive(Debug)]
struct RoutedClient {
    direct: SharedHttpClient,
    proxied: SharedHttpClient,
    metadata_hosts: Arc<[String]>,
}

impl HttpClient for RoutedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(RoutedConnector {
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.http_connector(settings, components),
            metadata_hosts: Arc::clone(&self.metadata_hosts),
        })
    }
}

struct RoutedConnector {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
    metadata_hosts: Arc<[String]>,
}

impl fmt::Debug for RoutedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoutedConnector")
    }
}

impl HttpConnector for RoutedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_direct(request.uri(), &self.metadata_hosts) {
            self.direct.call(request)
        } else {
            self.proxied.call(request)
        }
    }
}

/// Returns the host of a URL in lower case, without brackets.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    Some(host.to_ascii_lowercase())
}

fn is_direct(url: &str, metadata_hosts: &[String]) -> bool {
    let Some(host) = host(url) else {
        return false;
    };
    let is_local = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || METADATA_V6.contains(&address),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    is_local || metadata_hosts.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_metadata_are_reached_without_a_proxy() {
        let named = ["metadata.corp".to_owned()];
        for (url, direct) in [
            ("http://127.0.0.1:4777/", true),
            ("http://[::1]:4777/", true),
            ("http://LOCALHOST/", true),
            ("http://a.localhost:1/", true),
            ("http://169.254.169.254/latest/api/token", true),
            ("http://169.254.170.2/v2/credentials", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::254]/latest/api/token", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("https://metadata.corp:8443/x", true),
            ("https://transfer.eu-central-1.amazonaws.com/", false),
            ("https://10.0.0.1/", false),
            ("http://[fd00::1]/", false),
            ("https://notlocalhost/", false),
            (
                "https://127.0.0.1@transfer.eu-central-1.amazonaws.com/",
                false,
            ),
            (
                "https://transfer.eu-central-1.amazonaws.com?127.0.0.1",
                false,
            ),
        ] {
            assert_eq!(is_direct(url, &named), direct, "{url}");
        }
    }

    #[test]
    fn configuration_precedes_the_environment_which_precedes_the_profile() {
        let with = |proxy_url: Option<&str>, ca_file: Option<&str>| AccountPlan {
            proxy_url: proxy_url.map(Secret::new),
            ca_file: ca_file.map(PathBuf::from),
            ..AccountPlan::default()
        };
        let env = |name: &str| {
            Some(match name {
                "AWS_CA_BUNDLE" => "/env.pem".to_owned(),
                "https_proxy" => "proxy:3128".to_owned(),
                "NO_PROXY" => "internal".to_owned(),
                _ => return None,
            })
        };
        let key = |name: &str| (name == "ca_bundle").then(|| "/profile.pem".to_owned());
        let none = |_: &str| None;
        let all = with(Some("http://own:1"), Some("/own.pem"));
        let own = Transport::new(&all, &env, &key).unwrap();
        assert_eq!(
            own.proxy,
            Proxy::Url(Secret::new("http://own:1"), "internal".to_owned())
        );
        let file = |transport: Transport| transport.ca_file;
        assert_eq!(
            file(own),
            Some(("/own.pem".into(), "`ca_file` of the account"))
        );
        let plain = with(None, None);
        let from_env = Transport::new(&plain, &env, &key).unwrap();
        assert_eq!(from_env.proxy, Proxy::Environment);
        assert_eq!(file(from_env), Some(("/env.pem".into(), "AWS_CA_BUNDLE")));
        let from_profile = Transport::new(&plain, &none, &key).unwrap();
        assert_eq!(from_profile.proxy, Proxy::None);
        assert_eq!(
            file(from_profile),
            Some(("/profile.pem".into(), "`ca_bundle` of the profile"))
        );
        assert_eq!(
            Transport::new(&plain, &none, &none),
            Ok(Transport::default())
        );
    }

    #[test]
    fn proxy_that_the_sdk_would_ignore_is_an_error_without_its_url() {
        let account = AccountPlan::default();
        for (variable, url) in [
            ("HTTPS_PROXY", "socks5://proxy:1080"),
            ("http_proxy", "http://user:pa/ss@proxy:3128"),
            ("ALL_PROXY", "http://pro xy"),
        ] {
            let env = |name: &str| (name == variable).then(|| url.to_owned());
            let error = Transport::new(&account, &env, &|_| None).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("invalid proxy in {variable}: ")),
                "{text}"
            );
            assert!(!text.contains(url) && !text.contains("pa/ss"), "{text}");
        }
        let empty = |name: &str| (name == "HTTPS_PROXY").then(String::new);
        assert_eq!(
            Transport::new(&account, &empty, &|_| None),
            Ok(Transport::default())
        );
    }
}
