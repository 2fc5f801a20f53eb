//! Suggestions for misspelled names.

/// Returns the candidate at most two edits from `word`: a letter wrong, missing, added, or two
/// swapped. Case and `-` for `_` do not count.
pub(crate) fn suggest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let folded = word.to_lowercase().replace('-', "_");
    if folded.chars().count() > 40 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| {
            let folded_candidate = candidate.to_lowercase().replace('-', "_");
            (distance(&folded, &folded_candidate), candidate)
        })
        .filter(|(edits, candidate)| *edits <= 2 && *edits * 3 <= candidate.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Returns the number of insertions, deletions, substitutions and swaps of neighbors that turn `a`
/// into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_one_or_two_typos_are_suggested() {
        let keys = ["concurrency", "timeout", "timeout_offset", "fips", "id"];
        for (word, suggestion) in [
            ("concurency", Some("concurrency")),
            ("tiemout", Some("timeout")),
            ("timeout-offset", Some("timeout_offset")),
            ("Timeout", Some("timeout")),
            ("fps", Some("fips")),
            ("xy", None),
            ("retries", None),
        ] {
            assert_eq!(suggest(word, keys), suggestion, "{word}");
        }
    }
}
