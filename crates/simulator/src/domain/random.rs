//! Seeded randomness: splitmix64 by Sebastiano Vigna, in the public domain.

use std::time::Duration;

/// A splitmix64 stream. Equal seeds give equal streams.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Creates the stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates the stream of a seed, a text and a number.
    pub(crate) fn keyed(seed: u64, text: &str, number: u64) -> Self {
        // FNV-1a mixes the text in; one draw decorrelates neighbouring keys.
        let folded = text
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        Self(Self(folded).bits() ^ Self(number).bits())
    }

    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number in `0.0 .. 1.0`.
    pub fn unit(&mut self) -> f64 {
        let high = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }

    /// Returns true with a probability: never at 0.0, always at 1.0.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Returns a number in `0 .. bound`, or 0 if the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.bits() % bound).unwrap_or(0)
    }

    /// Returns a random element, or `None` if there is none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// Returns an exponentially distributed duration with mean `mean`, capped at three times the
    /// mean.
    pub fn duration(&mut self, mean: Duration) -> Duration {
        let share = (-(1.0 - self.unit()).ln()).clamp(0.0, 3.0);
        Duration::try_from_secs_f64(mean.as_secs_f64() * share).unwrap_or(Duration::MAX)
    }

    /// Returns a version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0x0fff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut random = SplitMix64::new(1_234_567);
        let first = [random.bits(), random.bits(), random.bits()];
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_keyed_stream_depends_on_seed_text_and_number() {
        let first = |seed, text, number| SplitMix64::keyed(seed, text, number).bits();
        assert_eq!(first(1, "a", 2), first(1, "a", 2));
        let others = [first(2, "a", 2), first(1, "b", 2), first(1, "a", 3)];
        assert!(!others.contains(&first(1, "a", 2)), "{others:?}");
    }

    #[test]
    fn a_uuid_says_version_4_and_variant_1() {
        let mut random = SplitMix64::new(7);
        for _ in 0..100 {
            let uuid = random.uuid();
            assert_eq!(uuid.len(), 36);
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(
                matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
                "{uuid}"
            );
        }
    }

    #[test]
    fn durations_lie_around_their_mean_and_never_overflow() {
        let mut random = SplitMix64::new(5);
        let mean = Duration::from_secs(10);
        let all: Vec<_> = (0..2000).map(|_| random.duration(mean)).collect();
        let average = all.iter().sum::<Duration>() / 2000;
        assert!((8..11).contains(&average.as_secs()), "{average:?}");
        assert!(all.iter().all(|one| *one <= 3 * mean));
        assert!(
            (0..100)
                .map(|_| random.duration(Duration::MAX))
                .max()
                .unwrap()
                > mean
        );
    }

    #[test]
    fn certain_and_impossible_are_exact() {
        let mut random = SplitMix64::new(3);
        assert!((0..1000).all(|_| random.chance(1.0)));
        assert!((0..1000).all(|_| !random.chance(0.0)));
    }
}
