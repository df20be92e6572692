//! The leases of Plaid's calls that all workers share: one row, a few bytes for each lease.

use async_trait::async_trait;
use domain::{
    store::StoreError,
    sync::{Allowance, Lease, Leases},
};
use jiff::Timestamp;

use crate::{
    Store,
    encode::SCHEMA,
    outcome::unavailable,
    row::{Change, Reader, Row, bytes, key, number},
};

/// A lease is its holder, its calls and the Unix second until which they count.
const LEASE_BYTES: usize = 12;

fn row_key() -> Row {
    key("ALLOWANCE", "SYNCS")
}

#[async_trait]
impl Allowance for Store {
    async fn leases(&self) -> Result<Leases, StoreError> {
        let get =
            self.client.get_item().table_name(&self.data).set_key(Some(row_key())).consistent_read(true);
        let Some(row) = get.send().await.map_err(|error| unavailable(&error))?.item else {
            return Ok(Leases::default());
        };
        let row = Reader(&row);
        let packed = row.bytes("ls").unwrap_or_default();
        Ok(Leases { rev: row.number("rev")?, all: unpack(packed).ok_or(StoreError::Corrupt("ls"))? })
    }

    async fn store_leases(&self, leases: &Leases) -> Result<bool, StoreError> {
        let mut change = Change::default();
        change
            .set("v", number(SCHEMA))
            .set("rev", number(leases.rev + 1))
            .put("ls", (!leases.all.is_empty()).then(|| bytes(pack(&leases.all))));
        let condition = if leases.rev == 0 {
            "attribute_not_exists(rev)"
        } else {
            change.value("read", number(leases.rev));
            "rev = :read"
        };
        self.change_row(row_key(), change, condition).await
    }
}

fn pack(leases: &[Lease]) -> Vec<u8> {
    let numbers = |lease: &Lease| {
        let until = u32::try_from(lease.counts_until.as_second()).unwrap_or(u32::MAX);
        [lease.holder, lease.calls, until]
    };
    leases.iter().flat_map(numbers).flat_map(u32::to_be_bytes).collect()
}

fn unpack(packed: &[u8]) -> Option<Vec<Lease>> {
    let numbers: Vec<u32> =
        packed.chunks_exact(4).filter_map(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?))).collect();
    let lease = |numbers: &[u32]| match numbers {
        [holder, calls, until] => Some(Lease {
            holder: *holder,
            calls: *calls,
            counts_until: Timestamp::from_second(i64::from(*until)).ok()?,
        }),
        _ => None,
    };
    let is_whole = packed.len().is_multiple_of(LEASE_BYTES);
    numbers.chunks(LEASE_BYTES / 4).map(lease).collect::<Option<_>>().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn leases_read_back(leases: Vec<(u32, u32, u32)>) {
            let lease = |(holder, calls, until): (u32, u32, u32)| Lease {
                holder,
                calls,
                counts_until: Timestamp::from_second(i64::from(until)).unwrap(),
            };
            let leases: Vec<_> = leases.into_iter().map(lease).collect();
            prop_assert_eq!(unpack(&pack(&leases)), Some(leases));
        }
    }

    #[test]
    fn a_row_that_is_cut_off_is_corrupt() {
        assert_eq!((unpack(&[0; 11]), unpack(&[0; 16])), (None, None));
    }
}
