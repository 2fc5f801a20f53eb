//! The web configuration file: TLS, users, headers and a rate limit, in the format of the
//! Prometheus
//! [exporter-toolkit](https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md).
//! The toolkit accepts every file that is accepted here. CONFIGURATION.md lists what is rejected
//! only here, and why.

mod headers;
mod rate_limit;
mod tls;
mod users;

use std::path::Path;
use std::sync::Arc;

use headers::HeaderText;
pub use rate_limit::RateLimitConfig;
pub use tls::{CIPHER_SUITES, CURVES, ClientAuth, Pem, PemSource, TlsPlan, TlsVersion};
pub use users::{MAX_BCRYPT_COST, User};

use super::yaml::{Field, FromNode, KeyPath, NamedValues, Reader, mapping};
use super::{Problem, Problems};

mapping! {
    /// The file as the user writes it.
    struct WebConfigFile {
        tls_server_config: tls::TlsSection,
        http_server_config: HttpSection,
        basic_auth_users: users::UsersSection,
        rate_limit: rate_limit::RateLimitSection,
    }
}

mapping! {
    struct HttpSection {
        /// Accepted, because files of the toolkit have it. There is no HTTP/2.
        #[expect(dead_code, reason = "has no effect")]
        http2: bool,
        headers: NamedValues<HeaderText>,
    }
}

/// The resolved web configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPlan {
    file: Arc<str>,
    /// TLS; `None` for plain HTTP.
    pub tls: Option<TlsPlan>,
    /// Headers of every response.
    pub headers: Vec<(&'static str, String)>,
    /// Users with their passwords; empty for no authentication.
    pub users: Vec<User>,
    /// The rate limit for all clients together; `None` for no limit.
    pub rate_limit: Option<RateLimitConfig>,
}

impl Default for WebPlan {
    /// Returns plain HTTP without authentication.
    fn default() -> Self {
        Self {
            file: "".into(),
            tls: None,
            headers: Vec::new(),
            users: Vec::new(),
            rate_limit: None,
        }
    }
}

impl WebPlan {
    /// Reads the YAML document `text`. `file` is its name in messages, and relative paths in it are
    /// relative to `folder`. Variables are not expanded, as in the toolkit: hashes contain `$`.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn read(file: &str, folder: &Path, text: &str) -> Result<Self, Problems> {
        let mut reader = Reader::without_variables(file);
        let root = match reader.parse(text) {
            Some(node) if !node.is_null() => {
                WebConfigFile::from_node(&node, &KeyPath::ROOT, &mut reader)
            }
            _ => Field::Absent,
        };
        let mut problems = reader.problems;
        let mut plan = Self {
            file: file.into(),
            ..Self::default()
        };
        if let Some(root) = root.value() {
            let root = &root.value;
            if let Some(section) = root.tls_server_config.value() {
                plan.tls = tls::resolve(section, folder, &mut problems);
            }
            if let Some(section) = root.http_server_config.value() {
                let section = &section.value;
                plan.headers = headers::resolve(&section.headers, &mut problems);
            }
            if let Some(section) = root.basic_auth_users.value() {
                plan.users.clone_from(&section.value.users);
            }
            if let Some(section) = root.rate_limit.value() {
                plan.rate_limit = rate_limit::resolve(section, &mut problems);
            }
        }
        problems.into_result(plan)
    }

    /// Returns what this protects less than `before` does; empty if nothing.
    pub fn protection_lowered_from(&self, before: &Self) -> Vec<&'static str> {
        let mut lowered = Vec::new();
        if before.tls.is_some() && self.tls.is_none() {
            lowered.push("TLS");
        }
        let clients = |plan: &Self| {
            let tls = plan.tls.as_ref();
            let client_auth = tls.map(|tls| tls.client_auth).unwrap_or_default();
            let names = tls.is_some_and(|tls| !tls.client_allowed_sans.is_empty());
            [client_auth.verifies(), client_auth.is_mandatory(), names]
        };
        let (now, then) = (clients(self), clients(before));
        if then.iter().zip(now).any(|(then, now)| *then && !now) {
            lowered.push("client certificates");
        }
        if !before.users.is_empty() && self.users.is_empty() {
            lowered.push("users");
        }
        lowered
    }

    /// Returns a problem of what `pem` names, at the place of its key.
    pub fn problem(&self, pem: &Pem, message: impl Into<String>, hint: &str) -> Problem {
        Problem {
            file: self.file.clone(),
            line: Some(pem.line),
            key: format!("tls_server_config.{}", pem.key),
            message: message.into(),
            hint: Some(hint.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
