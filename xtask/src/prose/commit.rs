//! Commit subjects.

/// The longest subject, in characters.
const LONGEST: usize = 50;

/// Verbs that say nothing of what changes.
const VAGUE: [&str; 10] = [
    "Tell", "Have", "Let", "Word", "Mend", "Say", "Know", "Take", "Keep", "Give",
];

/// Returns the problems of a subject.
pub(super) fn check(subject: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let verb = subject.split_whitespace().next().unwrap_or_default();
    if VAGUE.contains(&verb) {
        problems.push(format!(
            "`{verb}` is vague: write Add, Fix, Remove, Rename, Document ..."
        ));
    }
    if !verb.starts_with(|c: char| c.is_ascii_uppercase()) {
        problems.push("the subject does not start with a capitalized verb".to_owned());
    }
    if verb.ends_with("ed") || verb.ends_with("ing") {
        problems.push(format!("`{verb}` is not in the imperative"));
    }
    let length = subject.chars().count();
    if length > LONGEST {
        problems.push(format!(
            "the subject has {length} characters, at most {LONGEST} are allowed"
        ));
    }
    if subject.ends_with('.') {
        problems.push("the subject ends with a period".to_owned());
    }
    problems
}
