//! Places in an item's updates, and pages of them.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::ledger::{Delta, Tick};

/// A place in an update: of which item, between which points, how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) item: String,
    pub(crate) from: Tick,
    pub(crate) to: Tick,
    pub(crate) offset: usize,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        STANDARD.encode(self.plain())
    }

    /// Another text for the same place.
    pub(crate) fn disguised(&self, salt: u64) -> String {
        STANDARD.encode(format!("{}:{salt}", self.plain()))
    }

    fn plain(&self) -> String {
        format!("{}:{}:{}:{}", self.item, self.from, self.to, self.offset)
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let mut parts = plain.split(':');
        Some(Self {
            item: parts.next()?.to_owned(),
            from: parts.next()?.parse().ok()?,
            to: parts.next()?.parse().ok()?,
            offset: parts.next()?.parse().ok()?,
        })
    }
}

/// One page of a difference, and whether another follows.
pub(crate) fn page(mut delta: Delta<'_>, offset: usize, count: usize) -> (Delta<'_>, bool) {
    let total = delta.added.len() + delta.modified.len() + delta.removed.len();
    let mut skip = offset;
    let mut room = count;
    for list in [&mut delta.added, &mut delta.modified, &mut delta.removed] {
        cut(list, &mut skip, &mut room);
    }
    (delta, offset.saturating_add(count) < total)
}

fn cut<T>(list: &mut Vec<T>, skip: &mut usize, room: &mut usize) {
    let skipped = (*skip).min(list.len());
    list.drain(..skipped);
    *skip -= skipped;
    list.truncate(*room);
    *room -= list.len();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Ledger, tests::transaction};

    #[test]
    fn pages_are_a_partition() {
        for count in 1..8 {
            let mut ledger = Ledger::default();
            ledger.put(transaction("m", 1));
            ledger.put(transaction("r", 1));
            let from = ledger.tick();
            ledger.put(transaction("m", 2));
            ledger.remove("r");
            for number in 0..4 {
                ledger.put(transaction(&number.to_string(), 1));
            }
            let (mut offset, mut seen) = (0, 0);
            loop {
                let (part, more) = page(ledger.delta(from, ledger.tick()), offset, count);
                seen += part.added.len() + part.modified.len() + part.removed.len();
                offset += count;
                if !more {
                    break;
                }
            }
            assert_eq!(seen, 6);
        }
    }

    #[test]
    fn cursors_read_back() {
        let cursor = Cursor { item: "i".to_owned(), from: 1, to: 9, offset: 500 };
        assert_eq!(Cursor::decode(&cursor.encode()).as_ref(), Some(&cursor));
        assert_eq!(Cursor::decode(&cursor.disguised(7)).as_ref(), Some(&cursor));
        assert_ne!(cursor.disguised(7), cursor.disguised(8));
        assert_eq!(Cursor::decode("?"), None);
    }
}
