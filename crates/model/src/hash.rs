//! Hashes that every version of the exporter agrees on, unlike those of the standard library.

/// Returns the 64-bit FNV-1a hash (<http://www.isthe.com/chongo/tech/comp/fnv/>), mixed by the
/// finalizer of `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>), so that every bit of the
/// result depends on every bit of the text.
pub fn stable_hash(text: &str) -> u64 {
    stable_hash_of([text])
}

/// Returns the hash of the text that the parts make up.
pub fn stable_hash_of<const N: usize>(parts: [&str; N]) -> u64 {
    mix(fnv1a(parts.map(str::as_bytes)))
}

pub(super) fn fnv1a<const N: usize>(parts: [&[u8]; N]) -> u64 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
