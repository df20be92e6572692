#![doc = include_str!("../README.md")]
#![expect(clippy::indexing_slicing, reason = "a field that a serde_json::Value does not have reads as null")]

mod api;
mod resolve;
mod resources;
mod schedule;

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};
use thiserror::Error;

pub use api::{Cors, HttpApi, Throttle};
pub use resolve::Known;
pub use resources::{Event, Function, Queue, Statement, Table};
pub use schedule::{Schedule, ScheduleError};

/// The template cannot be read.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The file is not there or cannot be read.
    #[error("the template cannot be read")]
    File(#[from] std::io::Error),
    /// It is no YAML.
    #[error("the template is no YAML")]
    Yaml(#[from] serde_norway::Error),
    /// Something in it is not as it should be.
    #[error("{0}: {1}")]
    Resource(String, String),
}

/// A template, with intrinsic functions as `{"Fn::…": …}`.
#[derive(Debug, Clone)]
pub struct Template {
    root: Value,
}

impl Template {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, TemplateError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let yaml: serde_norway::Value = serde_norway::from_str(text)?;
        Ok(Self { root: resolve::expand(yaml).map_err(|why| fault("template", why))? })
    }

    /// A section, such as `Parameters`.
    pub fn section(&self, name: &str) -> Map<String, Value> {
        self.root.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// All resources of a type, by logical id.
    pub fn of_type(&self, kind: &str) -> BTreeMap<String, Value> {
        let is_kind = |value: &Value| value.get("Type").and_then(Value::as_str) == Some(kind);
        self.section("Resources").into_iter().filter(|(_, value)| is_kind(value)).collect()
    }

    /// The default of every parameter that has one.
    pub fn defaults(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let parameters = self.section("Parameters").into_iter();
        parameters.filter_map(|(name, value)| Some((name, text(value.get("Default")?)))).collect()
    }

    /// Every name that a `Ref`, `GetAtt` or `Sub` mentions and that is neither a parameter, a resource, one that SAM makes,
    /// nor a pseudo parameter.
    pub fn dangling(&self) -> Vec<String> {
        let functions = self.of_type("AWS::Serverless::Function").into_iter();
        let with_url =
            functions.filter(|(_, resource)| !resource["Properties"]["FunctionUrlConfig"].is_null());
        let urls = with_url.map(|(id, resource)| (format!("{id}Url"), resource)).collect();
        let known = [self.section("Parameters"), self.section("Resources"), urls];
        let mut names = Vec::new();
        resolve::mentions(&self.root, &mut names);
        names.retain(|name| {
            !name.starts_with("AWS::") && !known.iter().any(|section| section.contains_key(name))
        });
        names.sort();
        names.dedup();
        names
    }
}

pub(crate) fn fault(resource: &str, why: impl Into<String>) -> TemplateError {
    TemplateError::Resource(resource.to_owned(), why.into())
}
