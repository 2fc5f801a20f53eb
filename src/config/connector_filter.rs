//! The keys `include` of discovery sources.

/// Selects connectors by globs on their ids; all if there are no globs.
#[derive(Clone, Debug, Default)]
pub struct ConnectorFilter(Vec<glob::Pattern>);

impl ConnectorFilter {
    /// Parses the globs of a plan, which are valid.
    pub fn new(globs: &[String]) -> Self {
        Self(
            globs
                .iter()
                .filter_map(|glob| glob::Pattern::new(glob).ok())
                .collect(),
        )
    }

    /// Returns whether a glob matches the id, or there is none.
    pub fn matches(&self, connector: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|glob| glob.matches(connector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connector_filter_without_globs_matches_every_connector() {
        let filter = |globs: &[&str]| {
            ConnectorFilter::new(&globs.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert!(filter(&[]).matches("c-0123456789abcdef0"));
        assert!(filter(&["c-9*", "c-0*"]).matches("c-0123456789abcdef0"));
        assert!(filter(&["c-0123456789abcdef[0-9]"]).matches("c-0123456789abcdef0"));
        assert!(!filter(&["c-9*"]).matches("c-0123456789abcdef0"));
    }
}
