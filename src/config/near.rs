//! The name that a misspelt one probably meant.

/// The candidate that `word` is one or two slips away from (a letter wrong, missing, added, or two swapped).
pub(super) fn nearest<'c>(
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
            (
                distance(&folded, &candidate.to_lowercase().replace('-', "_")),
                candidate,
            )
        })
        .filter(|(slips, candidate)| *slips <= 2 && *slips * 3 <= candidate.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
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
    fn a_slip_or_two_is_understood_and_more_is_not() {
        let keys = ["concurrency", "timeout", "timeout_offset", "fips", "id"];
        for (word, meant) in [
            ("concurency", Some("concurrency")),
            ("tiemout", Some("timeout")),
            ("timeout-offset", Some("timeout_offset")),
            ("Timeout", Some("timeout")),
            ("fps", Some("fips")),
            ("xy", None),
            ("retries", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
