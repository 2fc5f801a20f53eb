//! Connections to the servers of partners.

use std::time::{Duration, SystemTime};

/// Why a connection does not work, as far as the message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFailure {
    /// The secret cannot be read, or has no usable credentials.
    Secret,
    /// The server cannot be reached.
    Host,
    /// The server refuses the user.
    Login,
    /// The server's host key is not trusted, or the key exchange fails.
    HostKey,
    /// The server does not answer in time.
    Timeout,
    /// Any other message.
    Other,
}

impl ConnectionFailure {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Secret,
        Self::Host,
        Self::Login,
        Self::HostKey,
        Self::Timeout,
        Self::Other,
    ];

    /// Returns the value of the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Host => "host",
            Self::Login => "login",
            Self::HostKey => "host_key",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }

    /// Returns the reason with the label `name`, [`Self::Other`] for an unknown one.
    pub fn named(name: &str) -> Self {
        let mut reasons = Self::ALL.into_iter();
        reasons
            .find(|reason| reason.as_str() == name)
            .unwrap_or(Self::Other)
    }

    /// Returns the reason that a message of `TestConnection` gives. AWS documents no list of messages.
    pub fn of(message: &str) -> Self {
        const WORDS: [(ConnectionFailure, &[&str]); 5] = [
            (
                ConnectionFailure::HostKey,
                &["host key", "hostkey", "key exchange", "fingerprint"],
            ),
            (
                ConnectionFailure::Timeout,
                &["timed out", "timeout", "time out"],
            ),
            (ConnectionFailure::Secret, &["secret"]),
            (
                ConnectionFailure::Login,
                &[
                    "auth",
                    "login",
                    "password",
                    "private key",
                    "credential",
                    "permission",
                ],
            ),
            (
                ConnectionFailure::Host,
                &[
                    "host", "resolve", "refused", "reach", "connect", "network", "dns",
                ],
            ),
        ];
        let message = message.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let found = WORDS.into_iter().find(|(_, words)| has(words));
        found.map_or(Self::Other, |(reason, _)| reason)
    }
}

/// A connection that was tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestedConnection {
    /// Why it does not work; `None` if it does.
    pub failure: Option<ConnectionFailure>,
    /// Whether the server's host key is a trusted one of the connector, if both are known.
    pub is_host_key_trusted: Option<bool>,
    /// How long the test took.
    pub duration: Duration,
}

/// The last test of a connector's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastConnectionTest {
    /// When it was asked for.
    pub asked: SystemTime,
    /// What it found, or the one before it if it has not ended. `None` if there is no result, or the
    /// call failed.
    pub tested: Option<TestedConnection>,
    /// When a test last succeeded.
    pub last_success: Option<SystemTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_gives_one_of_six_reasons() {
        for (message, reason) in [
            ("Unknown Host", ConnectionFailure::Host),
            ("Connection refused", ConnectionFailure::Host),
            ("Transfer request timeout.", ConnectionFailure::Timeout),
            ("Connection timed out", ConnectionFailure::Timeout),
            (
                "Key exchange negotiation failed due to incompatible host key algorithms.",
                ConnectionFailure::HostKey,
            ),
            ("Host key does not match", ConnectionFailure::HostKey),
            ("Authentication failed", ConnectionFailure::Login),
            (
                "Cannot access secret: access denied",
                ConnectionFailure::Secret,
            ),
            ("", ConnectionFailure::Other),
            ("?", ConnectionFailure::Other),
        ] {
            assert_eq!(ConnectionFailure::of(message), reason, "{message}");
        }
    }
}
