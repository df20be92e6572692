//! Query parameters, read strictly: each once, each of its type, none that is not known.

use std::{fmt::Display, str::FromStr};

use crate::problem::{FieldError, Problem};

/// The parameters of a request that have not been read yet, and what was wrong with those that have.
pub struct Query {
    parameters: Vec<(String, String)>,
    faults: Vec<FieldError>,
}

impl Query {
    /// Parses the raw query string.
    pub fn parse(raw: &str) -> Self {
        let parameters = form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
        Self { parameters, faults: Vec::new() }
    }

    /// Notes a fault.
    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.faults.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// Whether a parameter is there that has not been read yet; an empty one counts as absent.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(key, value)| key == name && !value.is_empty())
    }

    /// A parameter as text, if it is there. An empty one counts as absent.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let (mine, rest): (Vec<_>, Vec<_>) = self.parameters.drain(..).partition(|(key, _)| key == name);
        self.parameters = rest;
        if mine.len() > 1 {
            self.fault(name, "is given more than once");
        }
        mine.into_iter().next().map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// A parameter as a value, if it is there.
    pub fn value<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.fault(name, format!("{error}"))).ok()
    }

    /// A parameter that `read` understands, if it is there.
    pub fn read<T>(&mut self, name: &str, must: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            self.fault(name, must);
        }
        value
    }

    /// Whether all that was asked was understood.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.parameters) {
            // The name comes from outside: shown, but not at any length.
            let shown: String = name.chars().take(64).collect();
            self.fault(&shown, "is not a parameter of this endpoint");
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::fields("invalid_parameter", self.faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_parameter_is_named() {
        let mut query = Query::parse("limit=x&limit=2&from=2026-02-30&colour=red&to=");
        assert_eq!(query.value::<u16>("limit"), None);
        assert_eq!(query.read("from", "must be a date", domain::transaction::parse_date), None);
        assert_eq!(query.text("to"), None);
        let problem = query.finish().unwrap_err();
        let fields: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!((problem.status, fields), (400, vec!["limit", "limit", "from", "colour"]));
    }
}
