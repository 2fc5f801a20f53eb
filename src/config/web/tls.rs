//! `tls_server_config`.

mod resolve;

use std::path::PathBuf;

use crate::config::Secret;
use crate::config::yaml::{Field, mapping};

pub(super) use resolve::resolve;

mapping! {
    pub(super) struct TlsSection {
        cert: Secret,
        key: Secret,
        client_ca: Secret,
        cert_file: String,
        key_file: String,
        client_auth_type: String,
        client_ca_file: String,
        client_allowed_sans: Vec<Field<String>>,
        cipher_suites: Vec<Field<String>>,
        curve_preferences: Vec<Field<String>>,
        min_version: String,
        max_version: String,
        prefer_server_cipher_suites: bool,
    }
}

/// The supported cipher suites by their IANA names: those of TLS 1.3, and those of TLS 1.2 with
/// forward secrecy and authenticated encryption.
pub const CIPHER_SUITES: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Cipher suites of the toolkit that the TLS library does not implement.
const WEAK_SUITES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// The supported curves by the toolkit's names.
pub const CURVES: &[&str] = &["X25519", "CurveP256", "CurveP384"];

/// TLS settings of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// The certificate of the server, followed by intermediate certificates.
    pub cert: Pem,
    /// The private key of the certificate.
    pub key: Pem,
    /// Which client certificates are accepted.
    pub client_auth: ClientAuth,
    /// The CA of client certificates; set if they are verified.
    pub client_ca: Option<Pem>,
    /// Subject alternative names, one of which a client certificate must have; empty for any.
    pub client_allowed_sans: Vec<String>,
    /// IANA names in order of preference; empty for all. Without a suite of TLS 1.3, that version
    /// keeps all its suites.
    pub cipher_suites: Vec<&'static str>,
    /// Names of the toolkit in order of preference; empty for the default.
    pub curve_preferences: Vec<&'static str>,
    /// The minimum version.
    pub min_version: TlsVersion,
    /// The maximum version, not less than the minimum.
    pub max_version: TlsVersion,
    /// Whether the server's order of cipher suites decides instead of the client's. Default: true.
    pub prefer_server_cipher_suites: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Which client certificates are accepted, by the toolkit's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `NoClientCert`: none is requested.
    #[default]
    None,
    /// `RequestClientCert`: any certificate or none.
    Request,
    /// `RequireAnyClientCert`: any certificate.
    RequireAny,
    /// `VerifyClientCertIfGiven`: a verified certificate or none.
    VerifyIfGiven,
    /// `RequireAndVerifyClientCert`: a verified certificate.
    RequireAndVerify,
}

impl ClientAuth {
    const NAMES: &[(&str, Self)] = &[
        ("NoClientCert", Self::None),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        // An older name of it.
        ("RequireClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
    ];

    /// Returns true if certificates must be signed by the CA.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    /// Returns true if clients without a certificate are rejected.
    pub fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

/// PEM text that the configuration names or contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pem {
    /// The key of the configuration.
    pub key: &'static str,
    /// The line of the key.
    pub line: usize,
    /// The text or its file.
    pub source: PemSource,
}

/// Where PEM text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PemSource {
    /// A file, its path resolved.
    File(PathBuf),
    /// The configuration itself.
    Inline(Secret),
}
