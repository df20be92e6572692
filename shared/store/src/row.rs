//! A row of DynamoDB: writing attributes, and reading them with an error that names what is missing.

use std::collections::{BTreeSet, HashMap};

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

    pub(crate) fn flag(self, name: &str) -> bool {
        self.0.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default()
    }

    pub(crate) fn time(self, name: &'static str) -> Result<Timestamp, StoreError> {
        self.parsed(name)
    }

    pub(crate) fn map(self, name: &str) -> Option<Reader<'a>> {
        self.0.get(name)?.as_m().ok().map(Reader)
    }

    pub(crate) fn set<T: std::str::FromStr + Ord>(self, name: &str) -> BTreeSet<T> {
        let values = self.0.get(name).and_then(|value| value.as_ss().ok());
        values.into_iter().flatten().filter_map(|value| value.parse().ok()).collect()
    }
}

/// An update expression under construction: what is set, what goes.
#[derive(Default)]
pub(crate) struct Change {
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    names: HashMap<String, String>,
    values: Row,
}

impl Change {
    pub(crate) fn set(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        self.name(name);
        self.set.push(format!("#{name} = :{name}"));
        self.values.insert(format!(":{name}"), value);
        self
    }

    pub(crate) fn set_if_absent(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        self.name(name);
        self.set.push(format!("#{name} = if_not_exists(#{name}, :{name})"));
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// Writes what is there, takes away what is not.
    pub(crate) fn put(&mut self, name: &str, value: Option<AttributeValue>) -> &mut Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> &mut Self {
        self.name(name);
        self.remove.push(format!("#{name}"));
        self
    }

    pub(crate) fn add(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        self.name(name);
        self.add.push(format!("#{name} :{name}"));
        self.values.insert(format!(":{name}"), value);
        self
    }

    fn name(&mut self, name: &str) {
        self.names.insert(format!("#{name}"), name.to_owned());
    }

    /// A value that only a condition uses.
    pub(crate) fn value(&mut self, name: &str, value: AttributeValue) -> &mut Self {
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// A name that only a condition uses.
    pub(crate) fn mention(&mut self, name: &str) -> &mut Self {
        self.name(name);
        self
    }

    pub(crate) fn expression(&self) -> String {
        let clause = |verb: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{verb} {} ", parts.join(", ")),
        };
        let all = [clause("SET", &self.set), clause("REMOVE", &self.remove), clause("ADD", &self.add)];
        all.concat().trim_end().to_owned()
    }

    pub(crate) fn names(&self) -> HashMap<String, String> {
        self.names.clone()
    }

    pub(crate) fn values(&self) -> Option<Row> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// Compresses what is rarely read.
pub(crate) fn pack(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    // Writing into a Vec cannot fail; if it ever did, the bytes go in as they are.
    match encoder.write_all(plain).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        Err(_) => plain.to_vec(),
    }
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
