//! Rules: the lives of files of transfers that clients start.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::script::{End, FileScript, LifeScript};
use super::{span, text};
use model::{ConnectorId, Direction};

/// The life of matching files of started transfers. The first rule that matches a file applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The connector; every connector by default.
    #[serde(
        default,
        with = "text::optional_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub connector: Option<ConnectorId>,
    /// The direction; both by default.
    #[serde(
        default,
        with = "text::optional_direction",
        skip_serializing_if = "Option::is_none"
    )]
    pub direction: Option<Direction>,
    /// Pattern of the path, in which `*` stands for any text; every path by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Number of transfers after which the rule ends; by default it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Time in QUEUED.
    #[serde(default, with = "span")]
    pub queued_for: Duration,
    /// Time in IN_PROGRESS.
    #[serde(default, with = "span")]
    pub in_progress_for: Duration,
    /// The end.
    #[serde(default = "completed")]
    pub end: End,
    /// Size in bytes, for events; drawn by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

fn completed() -> End {
    End::Completed
}

impl Rule {
    fn matches(&self, connector: &ConnectorId, direction: Direction, path: &str) -> bool {
        self.connector.as_ref().is_none_or(|id| id == connector)
            && self.direction.is_none_or(|wanted| wanted == direction)
            && self
                .path
                .as_deref()
                .is_none_or(|pattern| matches_pattern(pattern, path))
    }

    fn script(&self, path: &str) -> FileScript {
        FileScript {
            path: path.to_owned(),
            life: LifeScript {
                queued_for: self.queued_for,
                in_progress_for: self.in_progress_for,
                end: self.end.clone(),
            },
            bytes: self.bytes,
        }
    }
}

/// Maximum number of rules.
const MAX_RULES: usize = 1_000;

/// The rules in force.
#[derive(Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn all(&self) -> &[Rule] {
        &self.0
    }

    /// Replaces the rules. Those past the maximum number are dropped.
    pub(crate) fn set(&mut self, rules: Vec<Rule>) {
        self.0 = rules;
        self.bound();
    }

    /// Puts a rule before the others. The last one is dropped if there are too many.
    pub(crate) fn put_first(&mut self, rule: Rule) {
        self.0.insert(0, rule);
        self.bound();
    }

    /// Returns the script of each path of one transfer, `None` where no rule matches. Rules that
    /// apply are used up by one transfer.
    pub(crate) fn apply(
        &mut self,
        connector: &ConnectorId,
        direction: Direction,
        paths: &[String],
    ) -> Vec<Option<FileScript>> {
        let mut used = vec![false; self.0.len()];
        let scripts = paths
            .iter()
            .map(|path| {
                let matches = |rule: &Rule| rule.matches(connector, direction, path);
                let index = self.0.iter().position(matches)?;
                used[index] = true;
                Some(self.0[index].script(path))
            })
            .collect();
        for (rule, _) in self.0.iter_mut().zip(used).filter(|(_, used)| *used) {
            rule.times = rule.times.map(|times| times.saturating_sub(1));
        }
        self.bound();
        scripts
    }

    /// Drops rules that have ended, and those past the maximum number.
    fn bound(&mut self) {
        self.0.retain(|rule| rule.times != Some(0));
        self.0.truncate(MAX_RULES);
    }
}

/// Returns whether a text matches a pattern, in which `*` stands for any text.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(prefix) else {
        return false;
    };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Rules {
        let mut rules = Rules::default();
        rules.set(serde_json::from_str(json).unwrap());
        rules
    }

    fn connector(digit: char) -> ConnectorId {
        format!("c-0123456789abcdef{digit}").parse().unwrap()
    }

    /// Returns the ends of the files of one transfer.
    fn ends(rules: &mut Rules, paths: &[&str]) -> Vec<Option<End>> {
        let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        let scripts = rules.apply(&connector('0'), Direction::Send, &paths);
        let end = |script: Option<FileScript>| script.map(|script| script.life.end);
        scripts.into_iter().map(end).collect()
    }

    #[test]
    fn a_pattern_matches_the_whole_path() {
        for (pattern, text, expected) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("*", "", true),
            ("/in/*.csv", "/in/a.csv", true),
            ("/in/*.csv", "/in/a.csv.tmp", false),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_applies() {
        let mut rules = rules(r#"[{"path": "*.csv", "end": "never"}, {"end": "completed"}]"#);
        assert_eq!(
            ends(&mut rules, &["/a.csv", "/a"]),
            [Some(End::Never), Some(End::Completed)]
        );
    }

    #[test]
    fn a_rule_ends_after_its_number_of_transfers() {
        let mut rules = rules(r#"[{"times": 2, "end": "never"}, {"times": 0}]"#);
        assert_eq!(rules.all().len(), 1);
        let never = Some(End::Never);
        assert_eq!(
            ends(&mut rules, &["/a", "/b"]),
            [never.clone(), never.clone()]
        );
        assert_eq!(ends(&mut rules, &["/a"]), [never]);
        assert_eq!(ends(&mut rules, &["/a"]), [None]);
        assert_eq!(rules.all(), []);
    }

    #[test]
    fn the_number_of_rules_is_bounded() {
        let mut rules = rules(r#"[{"end": "never"}]"#);
        for _ in 0..2 * MAX_RULES {
            rules.put_first(serde_json::from_str("{}").unwrap());
        }
        assert_eq!(rules.all().len(), MAX_RULES);
        assert_eq!(ends(&mut rules, &["/a"]), [Some(End::Completed)]);
    }

    #[test]
    fn a_rule_can_name_a_connector_and_a_direction() {
        let json = r#"[{"connector": "c-0123456789abcdef1"}, {"direction": "retrieve"}]"#;
        let mut rules = rules(json);
        assert_eq!(ends(&mut rules, &["/a"]), [None]);
        let retrieve = Direction::Retrieve;
        let paths = ["/a".to_owned()];
        assert!(rules.apply(&connector('1'), Direction::Send, &paths)[0].is_some());
        assert!(rules.apply(&connector('2'), retrieve, &paths)[0].is_some());
        for bad in [
            r#"[{"connector": "c-1"}]"#,
            r#"[{"direction": "up"}]"#,
            r#"[{"paths": "*"}]"#,
        ] {
            assert!(serde_json::from_str::<Vec<Rule>>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        let json = r#"{"connector":"c-0123456789abcdef1","direction":"send","path":"*","times":1,"queued_for":2.0,"in_progress_for":"forever","end":"completed","bytes":7}"#;
        let rule: Rule = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&rule).unwrap(), json);
    }
}
