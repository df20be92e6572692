//! Items by number, and back: a million of them that nobody keeps.

use domain::{
    ids::{Entropy, HouseholdId, ItemId, ItemRef},
    night::{SHARDS, Shard},
};

/// The item of a number.
pub(super) fn item(number: u32) -> ItemRef {
    let mut entropy = Entropy::default();
    entropy.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    ItemRef { household: HouseholdId::from_entropy(entropy), item: ItemId::from_entropy(entropy) }
}

/// The number of an item: the first 32 bits of its id.
pub(super) fn number(at: &ItemRef) -> u32 {
    const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let text = at.item.as_str().strip_prefix("itm_").unwrap_or_default();
    let digits = text.chars().take(7).filter_map(|c| ALPHABET.find(c)?.try_into().ok());
    let bits = digits.fold(0_u64, |bits, digit: u64| bits << 5 | digit);
    u32::try_from(bits >> 3).unwrap_or_default()
}

/// The place of a number in its shard: they are dealt out in turn.
pub(super) fn place(number: u32) -> u32 {
    number / u32::from(SHARDS)
}

/// The number at a place of a shard.
pub(super) fn at(shard: Shard, place: u32) -> u32 {
    place * u32::from(SHARDS) + u32::from(u8::from(shard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_items_and_back() {
        for n in [0, 1, 63, 64, 999_999, u32::MAX] {
            assert_eq!(number(&item(n)), n);
            let shard = Shard::try_from(u8::try_from(n % u32::from(SHARDS)).unwrap()).unwrap();
            assert_eq!(at(shard, place(n)), n);
        }
    }
}
