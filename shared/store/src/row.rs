//! A row of DynamoDB: writing attributes, and reading them with an error that names what is missing.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::store::StoreError;
use jiff::Timestamp;
use rust_decimal::Decimal;

pub(crate) type Row = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

pub(crate) fn texts(values: impl IntoIterator<Item = String>) -> AttributeValue {
    AttributeValue::Ss(values.into_iter().collect())
}

/// A primary key.
pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Row {
    HashMap::from([(crate::keys::PK.to_owned(), text(pk)), (crate::keys::SK.to_owned(), text(sk))])
}

/// Reads a row.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a Row);

impl<'a> Reader<'a> {
    pub(crate) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn maybe_text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    pub(crate) fn text(self, name: &'static str) -> Result<&'a str, StoreError> {
        self.maybe_text(name).ok_or(StoreError::Corrupt(name))
    }

    pub(crate) fn owned(self, name: &str) -> Option<String> {
        self.maybe_text(name).map(str::to_owned)
    }

    pub(crate) fn parsed<T: std::str::FromStr>(self, name: &'static str) -> Result<T, StoreError> {
        self.maybe_parsed(name).ok_or(StoreError::Corrupt(name))
    }

    pub(crate) fn maybe_parsed<T: std::str::FromStr>(self, name: &str) -> Option<T> {
        self.maybe_text(name)?.parse().ok()
    }

    pub(crate) fn maybe_number<T: std::str::FromStr>(self, name: &str) -> Option<T> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }

    pub(crate) fn number<T: std::str::FromStr>(self, name: &'static str) -> Result<T, StoreError> {
        self.maybe_number(name).ok_or(StoreError::Corrupt(name))
    }

    pub(crate) fn decimal(self, name: &str) -> Option<Decimal> {
        domain::money::parse_amount(self.0.get(name)?.as_n().ok()?)
    }

    pub(crate) fn bytes(self, name: &str) -> Option<&'a [u8]> {
        self.0.get(name)?.as_b().ok().map(AsRef::as_ref)
    }

    /// The binaries of a list.
    pub(crate) fn all_bytes(self, name: &str) -> Vec<Vec<u8>> {
        let values = self.0.get(name).and_then(|value| value.as_l().ok());
        let bytes = values.into_iter().flatten().filter_map(|value| value.as_b().ok());
        bytes.map(|blob| blob.as_ref().to_vec()).collect()
    }

    pub(crate) fn flag(self, name: &str) -> bool {
        self.0.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default()
    }

    pub(crate) fn time(self, name: &'static str) -> Result<Timestamp, StoreError> {
        self.parsed(name)
    }

    pub(crate) fn map(self, name: &str) -> Option<Reader<'a>> {
        self.0.get(name)?.as_m().ok().map(Reader)
    }

    /// The maps of a list.
    pub(crate) fn maps(self, name: &str) -> impl Iterator<Item = Reader<'a>> + use<'a> {
        let values = self.0.get(name).and_then(|value| value.as_l().ok());
        values.into_iter().flatten().filter_map(|value| value.as_m().ok().map(Reader))
    }

    /// The texts of a list.
    pub(crate) fn texts(self, name: &str) -> Vec<String> {
        let values = self.0.get(name).and_then(|value| value.as_l().ok());
        values.into_iter().flatten().filter_map(|value| value.as_s().ok().cloned()).collect()
    }

    pub(crate) fn set<T: std::str::FromStr + Ord>(self, name: &str) -> BTreeSet<T> {
        let values = self.0.get(name).and_then(|value| value.as_ss().ok());
        values.into_iter().flatten().filter_map(|value| value.parse().ok()).collect()
    }
}

/// The names of ours that DynamoDB keeps for itself: they go by another one in expressions.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>
const RESERVED: [&str; 4] = ["in", "of", "on", "ttl"];

/// An update expression under construction: what is set, what goes.
#[derive(Default)]
pub(crate) struct Change {
    set: String,
    remove: String,
    add: String,
    names: HashMap<String, String>,
    values: Row,
}

impl Change {
    pub(crate) fn set(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        self.assign(name, "");
        self.value(name, value)
    }

    pub(crate) fn set_if_absent(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        self.assign(name, "if_not_exists");
        self.value(name, value)
    }

    /// Sets an attribute to what another expression comes to.
    pub(crate) fn set_to(&mut self, name: &str, expression: &str) -> &mut Self {
        let path = self.path(name);
        let comma = if self.set.is_empty() { "SET " } else { ", " };
        self.set.extend([comma, &path, " = ", expression]);
        self
    }

    fn assign(&mut self, name: &str, function: &str) {
        let path = self.path(name);
        let comma = if self.set.is_empty() { "SET " } else { ", " };
        let value = match function {
            "" => format!(":{name}"),
            function => format!("{function}({path}, :{name})"),
        };
        self.set.extend([comma, &path, " = ", &value]);
    }

    /// Writes what is there, takes away what is not.
    pub(crate) fn put(&mut self, name: &str, value: Option<AttributeValue>) -> &mut Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> &mut Self {
        let path = self.path(name);
        let comma = if self.remove.is_empty() { " REMOVE " } else { ", " };
        self.remove.extend([comma, &path]);
        self
    }

    pub(crate) fn add(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        let path = self.path(name);
        let comma = if self.add.is_empty() { " ADD " } else { ", " };
        self.add.extend([comma, &path, " :", name]);
        self.value(name, value)
    }

    /// How an attribute is called in an expression.
    fn path(&mut self, name: &str) -> String {
        if !RESERVED.contains(&name) {
            return name.to_owned();
        }
        let path = format!("#{name}");
        self.names.insert(path.clone(), name.to_owned());
        path
    }

    /// A value, which a condition may use too.
    pub(crate) fn value(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// The expression, the names in it, its values.
    pub(crate) fn finish(self) -> (String, Option<HashMap<String, String>>, Option<Row>) {
        let expression = [self.set, self.remove, self.add].concat().trim_start().to_owned();
        let names = (!self.names.is_empty()).then_some(self.names);
        (expression, names, (!self.values.is_empty()).then_some(self.values))
    }
}

thread_local! {
    /// A compressor is large, and made once: for short texts making it would be most of the work.
    static COMPRESSOR: RefCell<flate2::Compress> =
        RefCell::new(flate2::Compress::new(flate2::Compression::fast(), false));
}

/// Compresses what is rarely read.
pub(crate) fn pack(plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let failed = || StoreError::Corrupt("bytes to be packed");
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        let mut packed = Vec::with_capacity(plain.len() / 2 + 64);
        loop {
            let done = usize::try_from(compressor.total_in()).unwrap_or(usize::MAX);
            let rest = plain.get(done..).unwrap_or_default();
            let status = compressor.compress_vec(rest, &mut packed, flate2::FlushCompress::Finish);
            match status.map_err(|_why| failed())? {
                flate2::Status::StreamEnd => return Ok(packed),
                flate2::Status::Ok | flate2::Status::BufError => packed.reserve(packed.capacity().max(64)),
            }
        }
    })
}

/// The opposite of [`pack`], with a bound on what comes out.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    use std::io::Read;
    const LARGEST: u64 = 64 << 20;
    let mut plain = Vec::new();
    let mut decoder = flate2::read::DeflateDecoder::new(packed).take(LARGEST);
    decoder.read_to_end(&mut plain).map_err(|_damaged| StoreError::Corrupt("packed bytes"))?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_unpacks(plain: Vec<u8>, times in 0_usize..50) {
            let plain = plain.repeat(times);
            prop_assert_eq!(unpack(&pack(&plain).unwrap()).unwrap(), plain);
        }
    }

    #[test]
    fn reserved_names_go_by_another() {
        let mut change = Change::default();
        change.set("of", number(1)).set_if_absent("in", number(2)).remove("ttl").add("want", number(1));
        let (expression, names, values) = change.finish();
        assert_eq!(expression, "SET #of = :of, #in = if_not_exists(#in, :in) REMOVE #ttl ADD want :want");
        assert_eq!((names.unwrap().len(), values.unwrap().len()), (3, 3));
    }
}
