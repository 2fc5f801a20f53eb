use super::{Finding, commit, is_prose, rules};

fn lines(findings: &[Finding]) -> Vec<usize> {
    findings.iter().map(|finding| finding.line).collect()
}

#[test]
fn words_are_found_whole_and_in_any_case() {
    let text = "Nobody is told.\nstorytelling, retold\nlet x = is_told();\na plain line";
    assert_eq!(lines(&rules::words(text)), [1, 1, 3]);
}

#[test]
fn phrases_are_found() {
    assert_eq!(
        lines(&rules::words("every file, be it large or small")),
        [1]
    );
    assert!(rules::words("may be its own").is_empty());
}

#[test]
fn only_the_first_line_of_a_doc_comment_is_an_opening() {
    let text = "/// Has the row shown.\n/// Has it twice.\nfn f() {}\n/// Returns it.\n/// Whether or not.";
    assert_eq!(lines(&rules::openings(text)), [1]);
}

#[test]
fn a_help_text_has_at_most_120_characters() {
    let text = |length: usize| {
        format!(
            "help: \"{}\",\nhelp:\n    \"{}\",",
            "x".repeat(length),
            "x".repeat(length)
        )
    };
    assert!(rules::help(&text(120)).is_empty());
    assert_eq!(rules::help(&text(121)).len(), 2);
}

#[test]
fn headings_keep_their_levels() {
    let text = "# One\n### Three\n```\n# a comment\n```\n# Another\n## Ends.\n";
    assert_eq!(lines(&rules::headings(text)), [2, 6, 7]);
}

#[test]
fn subjects_are_short_and_plain() {
    assert!(commit::check("Add a prose lint").is_empty());
    for subject in [
        "Tell of the lint",
        "add a lint",
        "Added a lint",
        "Add a lint.",
        &"Add x".repeat(11),
    ] {
        assert_eq!(commit::check(subject).len(), 1, "{subject}");
    }
}

#[test]
fn texts_of_others_are_not_checked() {
    assert!(is_prose("src/main.rs") && is_prose("README.md") && is_prose("tests/run"));
    assert!(!is_prose("LICENSE") && !is_prose("Cargo.lock") && !is_prose("docs/images/fleet.png"));
}
