//! The frame of every page: head, navigation, style and footer.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");

/// Returns the `Content-Security-Policy` of all pages: the one style sheet, by its hash, and forms
/// to this server.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
    });
    &POLICY
}

/// What the frame of a page shows.
pub(super) struct Layout<'a> {
    pub(super) title: &'a str,
    /// The path of the page, which the navigation marks.
    pub(super) here: &'a str,
    pub(super) telemetry_path: &'a str,
}

/// An entry of the navigation.
pub(super) struct NavigationLink<'a> {
    pub(super) path: &'a str,
    pub(super) name: &'a str,
}

impl Layout<'_> {
    pub(super) fn links(&self) -> [NavigationLink<'_>; 3] {
        [
            ("/", "Overview"),
            ("/transfers", "Transfers"),
            (self.telemetry_path, "Metrics"),
        ]
        .map(|(path, name)| NavigationLink { path, name })
    }

    #[expect(clippy::unused_self, reason = "templates reach it through the layout")]
    pub(super) fn style(&self) -> &'static str {
        STYLE
    }

    #[expect(clippy::unused_self, reason = "templates reach it through the layout")]
    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_cannot_end_early_and_loads_nothing() {
        assert!(!STYLE.contains('<') && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
