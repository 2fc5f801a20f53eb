//! Checks `tls_server_config`.

use std::path::Path;

use super::{
    CIPHER_SUITES, CURVES, ClientAuth, Pem, PemSource, TlsPlan, TlsSection, TlsVersion, WEAK_SUITES,
};
use crate::config::Secret;
use crate::config::yaml::{Field, Problem, ProblemList, Spanned};

/// Resolves the section, with relative paths in `folder`. Returns `None` if it is invalid, which
/// has been reported.
pub(in crate::config::web) fn resolve(
    section: &Spanned<TlsSection>,
    folder: &Path,
    problems: &mut ProblemList,
) -> Option<TlsPlan> {
    let Spanned {
        value: section,
        line,
        ..
    } = section;
    let mut tls = TlsResolver {
        section,
        line: *line,
        folder,
        problems,
    };
    let cert = tls.required_pem(("cert_file", &section.cert_file), ("cert", &section.cert));
    let key = tls.required_pem(("key_file", &section.key_file), ("key", &section.key));
    let (client_auth, client_ca) = tls.clients();
    let client_allowed_sans = tls.allowed_sans();
    let cipher_suites = tls.names(
        "cipher_suites",
        &section.cipher_suites,
        CIPHER_SUITES,
        |name| {
            let message = "CBC suites are not supported: remove the name";
            WEAK_SUITES.contains(&name).then_some(message)
        },
    );
    let curve_preferences = tls.names(
        "curve_preferences",
        &section.curve_preferences,
        CURVES,
        |name| (name == "CurveP521").then_some("P-521 is not supported: remove the name"),
    );
    let (min_version, max_version) = tls.versions();
    tls.check_suites(&cipher_suites, max_version);
    let prefer_server = section.prefer_server_cipher_suites.value();
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
        prefer_server_cipher_suites: prefer_server.is_none_or(|prefer| prefer.value),
    })
}

struct TlsResolver<'a> {
    section: &'a TlsSection,
    /// The line of the section.
    line: usize,
    folder: &'a Path,
    problems: &'a mut ProblemList,
}

/// A problem that has been reported.
struct Reported;

impl TlsResolver<'_> {
    fn report(&mut self, line: usize, key: &str, message: impl Into<String>) -> &mut Problem {
        let key = format!("tls_server_config.{key}");
        self.problems.report(line, key, message)
    }

    /// Returns the PEM text that one of two keys names.
    fn pem(
        &mut self,
        (file_key, file): (&'static str, &Field<String>),
        (inline_key, inline): (&'static str, &Field<Secret>),
    ) -> Result<Option<Pem>, Reported> {
        let (key, line, is_empty, source) = match (file, inline) {
            (Field::Invalid, _) | (_, Field::Invalid) => return Err(Reported),
            (Field::Absent, Field::Absent) => return Ok(None),
            (Field::Valid(file), Field::Valid(_)) => {
                let message = format!("cannot be combined with `{inline_key}`");
                self.report(file.line, file_key, message)
                    .with_hint(format!("remove `{inline_key}` or `{file_key}`"));
                return Err(Reported);
            }
            (Field::Valid(file), Field::Absent) => {
                let source = PemSource::File(self.folder.join(&file.value));
                (file_key, file.line, file.value.is_empty(), source)
            }
            (Field::Absent, Field::Valid(text)) => {
                let source = PemSource::Inline(text.value.clone());
                (
                    inline_key,
                    text.line,
                    text.value.expose().is_empty(),
                    source,
                )
            }
        };
        if is_empty {
            self.report(line, key, "value is missing")
                .with_hint("remove the key or give it a value");
            return Err(Reported);
        }
        Ok(Some(Pem { key, line, source }))
    }

    fn required_pem(
        &mut self,
        file: (&'static str, &Field<String>),
        inline: (&'static str, &Field<Secret>),
    ) -> Option<Pem> {
        let pem = self.pem(file, inline).ok()?;
        if pem.is_none() {
            let hint = format!(
                "name a PEM file with `{}`, or write the PEM text as `{}`",
                file.0, inline.0
            );
            self.report(self.line, file.0, "required key is missing")
                .with_hint(hint);
        }
        pem
    }

    /// Returns which client certificates are accepted, and their CA.
    fn clients(&mut self) -> (ClientAuth, Option<Pem>) {
        let section = self.section;
        let auth = self.client_auth_type();
        let ca = self.pem(
            ("client_ca_file", &section.client_ca_file),
            ("client_ca", &section.client_ca),
        );
        let (Ok((line, auth)), Ok(ca)) = (auth, ca) else {
            return (ClientAuth::None, None);
        };
        match &ca {
            None if auth.verifies() => {
                let message = "required key is missing: `client_auth_type` verifies certificates";
                self.report(line, "client_ca_file", message)
                    .with_hint("name the CA of the client certificates; the system's CAs are not used, because anyone can get a certificate from them");
            }
            Some(pem) if !auth.verifies() => {
                self.report(
                    pem.line,
                    pem.key,
                    "has no effect: `client_auth_type` does not verify certificates",
                )
                .with_hint("set `client_auth_type: RequireAndVerifyClientCert`, or remove the CA");
            }
            _ => {}
        }
        if let Some(sans) = section.client_allowed_sans.value()
            && !auth.verifies()
        {
            self.report(sans.line, "client_allowed_sans", "has no effect: `client_auth_type` does not verify certificates")
                .with_hint("set `client_auth_type: RequireAndVerifyClientCert`: names in unverified certificates prove nothing");
        }
        (auth, ca)
    }

    /// Returns the value with its line.
    fn client_auth_type(&mut self) -> Result<(usize, ClientAuth), Reported> {
        let name = match &self.section.client_auth_type {
            Field::Absent => return Ok((self.line, ClientAuth::None)),
            Field::Invalid => return Err(Reported),
            Field::Valid(name) => name,
        };
        let known = ClientAuth::NAMES
            .iter()
            .find(|(known, _)| *known == name.value);
        if let Some((_, auth)) = known {
            return Ok((name.line, *auth));
        }
        let names: Vec<_> = ClientAuth::NAMES
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        let message = name.describe("unknown client authentication type");
        self.report(name.line, "client_auth_type", message)
            .with_hint(format!("allowed: {}", names.join(", ")));
        Err(Reported)
    }

    fn allowed_sans(&mut self) -> Vec<String> {
        let field = &self.section.client_allowed_sans;
        if let Some(list) = field.value()
            && list.value.is_empty()
        {
            let message = "the list is empty: no client would be accepted";
            self.report(list.line, "client_allowed_sans", message)
                .with_hint("list the accepted names, or remove the key to accept any name");
        }
        field.items().map(|(_, name)| name.value.clone()).collect()
    }

    /// Returns the names of a list that are `known`. `unsupported` returns a hint for a name that
    /// the toolkit knows and this server does not.
    fn names(
        &mut self,
        key: &str,
        field: &Field<Vec<Field<String>>>,
        known: &'static [&'static str],
        unsupported: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (index, name) in field.items() {
            if let Some(known) = known.iter().find(|known| **known == name.value) {
                names.push(*known);
                continue;
            }
            let (message, hint) = match unsupported(&name.value) {
                Some(hint) => ("not supported", hint.to_owned()),
                None => ("unknown name", format!("allowed: {}", known.join(", "))),
            };
            self.report(
                name.line,
                &format!("{key}[{index}]"),
                name.describe(message),
            )
            .with_hint(hint);
        }
        names
    }

    fn versions(&mut self) -> (TlsVersion, TlsVersion) {
        let section = self.section;
        let min = self.version("min_version", &section.min_version);
        let max = self.version("max_version", &section.max_version);
        let (min, max) = (
            min.unwrap_or(TlsVersion::Tls12),
            max.unwrap_or(TlsVersion::Tls13),
        );
        if min > max {
            self.report(
                self.line,
                "max_version",
                "must not be less than `min_version`",
            )
            .with_hint("swap the two, or remove one");
        }
        (min, max)
    }

    fn version(&mut self, key: &str, field: &Field<String>) -> Option<TlsVersion> {
        let version = field.value()?;
        let (message, hint) = match version.value.as_str() {
            "TLS12" => return Some(TlsVersion::Tls12),
            "TLS13" => return Some(TlsVersion::Tls13),
            "TLS10" | "TLS11" => (
                "not supported",
                "use `TLS12` or `TLS13`: TLS 1.0 and 1.1 are deprecated (RFC 8996)",
            ),
            _ => ("unknown TLS version", "use `TLS12` or `TLS13`"),
        };
        self.report(version.line, key, version.describe(message))
            .with_hint(hint);
        None
    }

    /// Checks that TLS 1.2 has a suite if it is the only version.
    fn check_suites(&mut self, suites: &[&str], max_version: TlsVersion) {
        let is_tls13 = |name: &&str| !name.contains("_WITH_");
        if !suites.is_empty() && max_version == TlsVersion::Tls12 && suites.iter().all(is_tls13) {
            let message = "the list has no suite of TLS 1.2, and no other version is allowed";
            self.report(self.line, "cipher_suites", message)
                .with_hint("add a suite with `_WITH_` in its name, or allow TLS 1.3");
        }
    }
}
