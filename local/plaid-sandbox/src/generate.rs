//! Numbers and ids from a seed: the same seed makes the same world.

use serde::{Deserialize, Serialize};

/// A small generator (`SplitMix64`, Steele, Lea and Flood 2014). Not for secrets: this Plaid has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let place = self.below(u64::try_from(list.len()).ok()?);
        list.get(usize::try_from(place).ok()?)
    }

    /// Puts a list into any order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            let bound = u64::try_from(place + 1).unwrap_or(u64::MAX);
            list.swap(place, usize::try_from(self.below(bound)).unwrap_or(place));
        }
    }

    /// 37 letters and digits, as Plaid's ids have them.
    pub(crate) fn id(&mut self) -> String {
        const ALPHABET: &[u8] = b"ABDEGJKLMNPQRVWXZabdegjklmnopqrvwxyz1345679";
        (0..37).filter_map(|_| self.pick(ALPHABET).copied().map(char::from)).collect()
    }

    /// A token's random part, in the form of a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}
