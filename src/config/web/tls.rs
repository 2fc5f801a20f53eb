//! `tls_server_config`.

use std::path::{Path as FilePath, PathBuf};

use super::super::Secret;
use super::super::reader::{At, Given, Path, Reader, Section};

pub(in super::super) const TLS_KEYS: &[&str] = &[
    "cert",
    "key",
    "client_ca",
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "cipher_suites",
    "curve_preferences",
    "min_version",
    "max_version",
    "prefer_server_cipher_suites",
];

/// TLS 1.3's, and those of 1.2 with forward secrecy and authenticated encryption, under their names at IANA.
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
/// Suites that the toolkit knows besides, and this server's TLS does not.
const WEAK_SUITES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];
/// Curves under the toolkit's names.
pub const CURVES: &[&str] = &["X25519", "CurveP256", "CurveP384"];

/// What TLS is served with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// The server's certificate, and those between it and the client's root.
    pub cert: Pem,
    /// The certificate's key.
    pub key: Pem,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// Who has signed clients' certificates; there where they are verified.
    pub client_ca: Option<Pem>,
    /// A client's certificate has one of these names; empty for any name.
    pub client_allowed_sans: Vec<String>,
    /// Names at IANA, in order of preference; empty for all. Without one of TLS 1.3, that version keeps all of its own.
    pub cipher_suites: Vec<&'static str>,
    /// Names of the toolkit, in order of preference; empty for the default.
    pub curve_preferences: Vec<&'static str>,
    /// The lowest version.
    pub min_version: TlsVersion,
    /// The highest version, not below the lowest.
    pub max_version: TlsVersion,
    /// Whether the server's order of suites counts, and not the client's. Default true.
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

/// What is asked of a client, under the toolkit's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `NoClientCert`: nothing.
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

    /// Whether a certificate that is given has to be signed by the CA.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    /// Whether a client without a certificate is refused.
    pub fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

/// Where PEM text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pem {
    /// The key that names it.
    pub key: &'static str,
    /// The key's line.
    pub line: usize,
    /// The text, or where it is.
    pub source: PemSource,
}

/// PEM text, or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PemSource {
    /// A file, its path resolved.
    File(PathBuf),
    /// Written in the configuration; never shown.
    Inline(Secret),
}

/// Reads the section; `None` where something is wrong with it, which has been reported.
pub(super) fn read(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    path: &Path<'_>,
    folder: &FilePath,
) -> Option<TlsPlan> {
    let (section, path) = reader.subsection(root, path, "tls_server_config", TLS_KEYS)?;
    let mut tls = Tls {
        reader,
        section: &section,
        path: &path,
        folder,
    };
    let cert = tls.needed("cert_file", "cert");
    let key = tls.needed("key_file", "key");
    let (client_auth, client_ca, client_allowed_sans) = tls.clients();
    let cipher_suites = tls.names("cipher_suites", CIPHER_SUITES, |name| {
        WEAK_SUITES
            .contains(&name)
            .then_some("suites with CBC are not supported; take the name away")
    });
    let curve_preferences = tls.names("curve_preferences", CURVES, |name| {
        (name == "CurveP521").then_some("P-521 is not supported; take the name away")
    });
    let min_version = tls.version("min_version").unwrap_or(TlsVersion::Tls12);
    let max_version = tls.version("max_version").unwrap_or(TlsVersion::Tls13);
    let line = section.line;
    if min_version > max_version {
        tls.fault(
            line,
            "max_version",
            "`max_version` is below `min_version`",
            "swap them, or leave one out",
        );
    }
    let of_13 = |name: &&str| !name.contains("_WITH_");
    let usable = cipher_suites.is_empty()
        || max_version == TlsVersion::Tls13
        || !cipher_suites.iter().all(of_13);
    if !usable {
        let hint = "add one with `_WITH_` in its name, or allow TLS 1.3";
        tls.fault(
            line,
            "cipher_suites",
            "none of these suites is of TLS 1.2, and no other version is allowed",
            hint,
        );
    }
    let prefer = reader.take(&section, &path, "prefer_server_cipher_suites");
    Some(TlsPlan {
        cert: cert?,
        key: key?,
        client_auth,
        client_ca,
        client_allowed_sans,
        cipher_suites,
        curve_preferences,
        min_version,
        max_version,
        prefer_server_cipher_suites: prefer.value().is_none_or(|at: &At<bool>| at.value),
    })
}

struct Tls<'r, 'e, 's> {
    reader: &'r mut Reader<'e>,
    section: &'s Section<'s>,
    path: &'s Path<'s>,
    folder: &'s FilePath,
}

impl Tls<'_, '_, '_> {
    fn fault(&mut self, line: usize, key: &str, message: &str, hint: &str) {
        self.reader
            .fault(line, &self.path.key(key), message, Some(hint.to_owned()));
    }

    /// What `file_key` or `inline_key` names. An `Err` has been reported.
    fn pem(&mut self, file_key: &'static str, inline_key: &'static str) -> Result<Option<Pem>, ()> {
        let file = self
            .reader
            .take::<String>(self.section, self.path, file_key);
        let inline = self
            .reader
            .take::<String>(self.section, self.path, inline_key);
        let (file, inline) = match (file, inline) {
            (Given::Faulty, _) | (_, Given::Faulty) => return Err(()),
            (file, inline) => (file.value().map(take), inline.value().map(take)),
        };
        let (key, (line, text)) = match (file, inline) {
            (Some((line, _)), Some(_)) => {
                let hint = format!("take `{inline_key}` or `{file_key}` away");
                self.fault(
                    line,
                    file_key,
                    &format!("given beside `{inline_key}`"),
                    &hint,
                );
                return Err(());
            }
            (Some(file), None) => (file_key, file),
            (None, Some(inline)) => (inline_key, inline),
            (None, None) => return Ok(None),
        };
        if text.is_empty() {
            self.fault(
                line,
                key,
                "no value",
                "leave the key out or give it a value",
            );
            return Err(());
        }
        let source = if key == file_key {
            PemSource::File(self.folder.join(text))
        } else {
            PemSource::Inline(Secret::new(text.as_str()))
        };
        Ok(Some(Pem { key, line, source }))
    }

    fn needed(&mut self, file_key: &'static str, inline_key: &'static str) -> Option<Pem> {
        let found = self.pem(file_key, inline_key).ok()?;
        if found.is_none() {
            let hint = format!("name the PEM file by `{file_key}`, or write it as `{inline_key}`");
            self.fault(self.section.line, file_key, "missing", &hint);
        }
        found
    }

    fn clients(&mut self) -> (ClientAuth, Option<Pem>, Vec<String>) {
        let auth = match self
            .reader
            .take::<String>(self.section, self.path, "client_auth_type")
        {
            Given::Absent => Ok(None),
            Given::Faulty => Err(()),
            Given::Value(at) => {
                let known = ClientAuth::NAMES.iter().find(|(name, _)| *name == at.value);
                if known.is_none() {
                    let names: Vec<_> = ClientAuth::NAMES
                        .iter()
                        .map(|(name, _)| format!("`{name}`"))
                        .collect();
                    let message = at.saying("not a type of client authentication");
                    self.fault(
                        at.line,
                        "client_auth_type",
                        &message,
                        &format!("one of: {}", names.join(", ")),
                    );
                }
                known.map(|(_, auth)| Some((at.line, *auth))).ok_or(())
            }
        };
        let ca = self.pem("client_ca_file", "client_ca");
        let sans_line = self
            .section
            .get("client_allowed_sans")
            .map(|node| node.line);
        let sans = self.sans();
        let (Ok(auth), Ok(ca)) = (auth, ca) else {
            return Default::default();
        };
        let (line, auth) = auth.unwrap_or((self.section.line, ClientAuth::None));
        match &ca {
            None if auth.verifies() => {
                let hint = "name the CA that signs clients' certificates; the system's are not taken, since anybody can have a certificate of theirs";
                self.fault(
                    line,
                    "client_ca_file",
                    "missing: this `client_auth_type` verifies certificates",
                    hint,
                );
            }
            Some(pem) if !auth.verifies() => {
                let hint =
                    "write `client_auth_type: RequireAndVerifyClientCert`, or take the CA away";
                self.fault(
                    pem.line,
                    pem.key,
                    "a CA, and a `client_auth_type` that verifies nothing",
                    hint,
                );
            }
            _ => {}
        }
        if let Some(line) = sans_line.filter(|_| !auth.verifies()) {
            let hint = "write `client_auth_type: RequireAndVerifyClientCert`: anybody can put a name into a certificate that nobody verifies";
            self.fault(
                line,
                "client_allowed_sans",
                "names, and a `client_auth_type` that verifies nothing",
                hint,
            );
        }
        (auth, ca, sans)
    }

    fn sans(&mut self) -> Vec<String> {
        let Given::Value(list) = self
            .reader
            .texts(self.section, self.path, "client_allowed_sans")
        else {
            return Vec::new();
        };
        if list.value.is_empty() {
            let hint = "leave the key out for any name, or list the names";
            self.fault(
                list.line,
                "client_allowed_sans",
                "no name: no client would be let in",
                hint,
            );
        }
        list.value
            .iter()
            .filter_map(|given| given.value().map(|at| at.value.clone()))
            .collect()
    }

    /// The list under `key`, each of `known`; `unsupported` tells what to do about one that is known and not supported.
    fn names(
        &mut self,
        key: &'static str,
        known: &'static [&'static str],
        unsupported: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<&'static str> {
        let mut found = Vec::new();
        let Given::Value(list) = self.reader.texts(self.section, self.path, key) else {
            return found;
        };
        for at in list.value.iter().filter_map(Given::value) {
            if let Some(name) = known.iter().find(|name| **name == at.value) {
                found.push(*name);
                continue;
            }
            let (message, hint) = match unsupported(&at.value) {
                Some(hint) => (at.saying("not supported"), hint.to_owned()),
                None => (
                    at.saying("unknown name"),
                    format!("one of: {}", known.join(", ")),
                ),
            };
            self.fault(at.line, key, &message, &hint);
        }
        found
    }

    fn version(&mut self, key: &'static str) -> Option<TlsVersion> {
        let Given::Value(at) = self.reader.take::<String>(self.section, self.path, key) else {
            return None;
        };
        match at.value.as_str() {
            "TLS12" => return Some(TlsVersion::Tls12),
            "TLS13" => return Some(TlsVersion::Tls13),
            "TLS10" | "TLS11" => {
                let hint = "TLS 1.0 and 1.1 are broken (RFC 8996); write `TLS12` or `TLS13`";
                self.fault(at.line, key, &at.saying("not supported"), hint);
            }
            _ => self.fault(
                at.line,
                key,
                &at.saying("not a version of TLS"),
                "write `TLS12` or `TLS13`",
            ),
        }
        None
    }
}

fn take(at: &At<String>) -> (usize, String) {
    (at.line, at.value.clone())
}
