//! CRC-32 of concatenated texts, from the checksums and lengths of the parts.
//!
//! Appending `n` bytes to a text multiplies its CRC, a polynomial over GF(2), by x^(8n) modulo the
//! polynomial of CRC-32 (RFC 1952, section 8). That factor is computed once for each segment, so that a
//! scrape pays one multiplication for it. Bits are reflected: the highest one is x^0.

/// The polynomial of CRC-32 without its highest term, reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// x^0.
const ONE: u32 = 1 << 31;

/// The checksum of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc {
    value: u32,
    /// x^(8n) for the length n.
    factor: u32,
}

impl Default for Crc {
    /// Of an empty text.
    fn default() -> Self {
        Self {
            value: 0,
            factor: ONE,
        }
    }
}

impl Crc {
    pub(super) fn of(text: &[u8]) -> Self {
        Self {
            value: crc32fast::hash(text),
            factor: power(8 * text.len() as u64),
        }
    }

    /// Returns the checksum of a text whose checksum is `before`, followed by this one.
    pub(super) fn after(self, before: u32) -> u32 {
        multiply(self.factor, before) ^ self.value
    }
}

/// Returns the product of two polynomials modulo [`POLYNOMIAL`].
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        // Without branches, which could not be predicted.
        product ^= b & (a >> bit & 1).wrapping_neg();
        b = b >> 1 ^ POLYNOMIAL & (b & 1).wrapping_neg();
    }
    product
}

/// Returns x^n modulo [`POLYNOMIAL`].
fn power(mut n: u64) -> u32 {
    let (mut power, mut square) = (ONE, ONE >> 1);
    while n > 0 {
        if n & 1 == 1 {
            power = multiply(square, power);
        }
        square = multiply(square, square);
        n >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_checksum_of_parts_is_that_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..8),
        ) {
            let whole: Vec<u8> = parts.concat();
            let sum = parts.iter().fold(0, |sum, part| Crc::of(part).after(sum));
            prop_assert_eq!(sum, crc32fast::hash(&whole));
        }
    }
}
