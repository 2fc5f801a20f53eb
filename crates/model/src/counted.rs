//! Numbers with their noun, for readers.

use std::fmt::Display;

/// Returns a number with its noun, which is regular: `1 transfer`, `2 transfers`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(0_usize, "transfer"), "0 transfers");
        assert_eq!(counted(1_u64, "transfer"), "1 transfer");
        assert_eq!(counted(2_u32, "failed file"), "2 failed files");
    }
}
