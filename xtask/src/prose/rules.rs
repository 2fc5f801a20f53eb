//! The rules, each a pure function of a file's text.

use super::Finding;

/// Words that a reader of technical English does not expect, with what to write.
const WORDS: [(&str, &str); 14] = [
    ("tell", "report, return, print"),
    ("tells", "reports, returns, prints"),
    ("told", "reported, returned"),
    ("untold", "not reported"),
    ("anew", "again"),
    ("whoever", "name the reader"),
    ("whomever", "name the reader"),
    ("nobody", "no one, or name who"),
    ("mend", "fix, repair"),
    ("mended", "fixed, repaired"),
    ("mends", "fixes, repairs"),
    ("be it", "whether"),
    ("at hand", "available"),
    ("what became of", "the result of"),
];

/// The first words of comments that describe an effect by its cause.
const OPENINGS: [(&str, &str); 3] = [
    (
        "Has ",
        "start with a verb in the third person: Sets, Marks, Moves",
    ),
    ("Lets ", "start with a verb in the third person"),
    ("Tells ", "Reports, Returns"),
];

/// The longest HELP text, in characters.
const LONGEST_HELP: usize = 120;

/// Returns what is wrong with a file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = words(text);
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    if ending == Some("rs") {
        findings.extend(openings(text));
    }
    if path == "src/metrics/families.rs" {
        findings.extend(help(text));
    }
    if ending == Some("md") {
        findings.extend(headings(text));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// Finds the words of the list, as whole words in any case; parts of identifiers count.
pub(super) fn words(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in numbered(text) {
        let line = line.to_lowercase();
        for (word, better) in WORDS {
            if contains_word(&line, word) {
                findings.push(Finding::new(
                    number,
                    format_args!("`{word}`: write {better}"),
                ));
            }
        }
    }
    findings
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Finds doc comments that begin with one of the openings.
pub(super) fn openings(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut documented = false;
    for (number, line) in numbered(text) {
        let comment = line.trim_start().strip_prefix("/// ");
        if let (Some(comment), false) = (comment, documented)
            && let Some((opening, better)) = OPENINGS
                .iter()
                .find(|(opening, _)| comment.starts_with(opening))
        {
            let opening = opening.trim_end();
            findings.push(Finding::new(
                number,
                format_args!("`{opening} ...`: {better}"),
            ));
        }
        documented = line.trim_start().starts_with("///");
    }
    findings
}

/// Finds HELP texts in the table of families that are too long. A text stands after `help:`, on the
/// same line or the next.
pub(super) fn help(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut lines = numbered(text).peekable();
    while let Some((_, line)) = lines.next() {
        let Some((_, rest)) = line.split_once("help:") else {
            continue;
        };
        let (number, literal) = if rest.trim().is_empty() {
            match lines.peek() {
                Some(next) => *next,
                None => continue,
            }
        } else {
            (0, rest)
        };
        let length = literal.trim().trim_matches([',', '"']).chars().count();
        if length > LONGEST_HELP {
            findings.push(Finding::new(
                number,
                format_args!("the HELP text has {length} characters, at most {LONGEST_HELP}"),
            ));
        }
    }
    findings
}

/// Checks Markdown headings: one of the first level, none that skips a level or ends in
/// punctuation.
pub(super) fn headings(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut fenced, mut level, mut titles) = (false, 0, 0);
    for (number, line) in numbered(text) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let depth = line.chars().take_while(|c| *c == '#').count();
        if fenced || depth == 0 || !line[depth..].starts_with(' ') {
            continue;
        }
        let title = line[depth..].trim();
        titles += usize::from(depth == 1);
        if depth == 1 && titles > 1 {
            findings.push(Finding::new(number, "a second heading of the first level"));
        }
        if depth > level + 1 {
            findings.push(Finding::new(number, "the heading skips a level"));
        }
        if title.ends_with(['.', ':', ',', ';']) {
            findings.push(Finding::new(number, "the heading ends in punctuation"));
        }
        level = depth;
    }
    findings
}
