//! CloudFormation's intrinsic functions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

/// Turns tags into their long form, `!Ref X` into `{"Ref": "X"}`.
pub(crate) fn expand(yaml: Yaml) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::Number(number) => serde_json::to_value(number).map_err(|error| error.to_string())?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(list) => Value::Array(list.into_iter().map(expand).collect::<Result<_, _>>()?),
        Yaml::Mapping(map) => {
            let mut fields = Map::new();
            for (key, value) in map {
                let key = match key {
                    Yaml::String(text) => text,
                    Yaml::Number(number) => number.to_string(),
                    _ => return Err("a key that is no text".to_owned()),
                };
                fields.insert(key, expand(value)?);
            }
            Value::Object(fields)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let value = expand(tagged.value)?;
            match (name, value) {
                ("Ref", value) => json!({"Ref": value}),
                ("GetAtt", Value::String(path)) => {
                    let (resource, attribute) =
                        path.split_once('.').ok_or("a GetAtt without an attribute")?;
                    json!({"Fn::GetAtt": [resource, attribute]})
                }
                ("GetAtt" | "Sub" | "Join", value) => json!({format!("Fn::{name}"): value}),
                _ => return Err(format!("the tag {tag} is not known here")),
            }
        }
    })
}

/// Collects every name that is referred to.
pub(crate) fn mentions(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("Ref").and_then(Value::as_str) {
                names.push(name.to_owned());
            }
            if let Some(name) = fields.get("Fn::GetAtt").and_then(|path| path.get(0)).and_then(Value::as_str)
            {
                names.push(name.to_owned());
            }
            if let Some(text) = fields.get("Fn::Sub").and_then(Value::as_str) {
                names
                    .extend(placeholders(text).map(|name| name.split('.').next().unwrap_or(name).to_owned()));
            }
            fields.values().for_each(|value| mentions(value, names));
        }
        Value::Array(list) => list.iter().for_each(|value| mentions(value, names)),
        _ => {}
    }
}

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// What references stand for on this machine.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// `Ref` of a parameter, a resource or a pseudo parameter.
    pub refs: BTreeMap<String, String>,
    /// `GetAtt`, as `Resource.Attribute`.
    pub attributes: BTreeMap<String, String>,
}

impl Known {
    /// A value with its references replaced; an error names the first that stands for nothing.
    pub fn resolve(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("Ref").and_then(Value::as_str) {
                    return Ok(Value::String(self.reference(name)?));
                }
                if let Some(path) = fields.get("Fn::GetAtt").and_then(Value::as_array) {
                    let parts: Vec<_> = path.iter().filter_map(Value::as_str).collect();
                    return Ok(Value::String(self.attribute(&parts.join("."))?));
                }
                if let Some(text) = fields.get("Fn::Sub").and_then(Value::as_str) {
                    return Ok(Value::String(self.substitute(text)?));
                }
                if let Some(join) = fields.get("Fn::Join").and_then(Value::as_array) {
                    return self.join(join);
                }
                let resolved = fields.iter().map(|(key, value)| Ok((key.clone(), self.resolve(value)?)));
                Value::Object(resolved.collect::<Result<_, String>>()?)
            }
            Value::Array(list) => {
                Value::Array(list.iter().map(|v| self.resolve(v)).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    /// A value as text, with its references replaced.
    pub fn text(&self, value: &Value) -> Result<String, String> {
        match self.resolve(value)? {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            other => Err(format!("{other} is no text")),
        }
    }

    fn reference(&self, name: &str) -> Result<String, String> {
        self.refs.get(name).cloned().ok_or_else(|| format!("Ref {name} stands for nothing here"))
    }

    fn attribute(&self, path: &str) -> Result<String, String> {
        self.attributes.get(path).cloned().ok_or_else(|| format!("GetAtt {path} stands for nothing here"))
    }

    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut out = text.to_owned();
        for name in placeholders(text) {
            let value = if name.contains('.') { self.attribute(name)? } else { self.reference(name)? };
            out = out.replace(&format!("${{{name}}}"), &value);
        }
        Ok(out)
    }

    /// `Join` of a list; the reference to a list parameter is its text, joined already.
    fn join(&self, join: &[Value]) -> Result<Value, String> {
        let [separator, list] = join else { return Err("a Join takes a separator and a list".to_owned()) };
        let separator = self.text(separator)?;
        Ok(Value::String(match self.resolve(list)? {
            Value::Array(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.text(part)).collect::<Result<_, _>>()?;
                parts.join(&separator)
            }
            Value::String(text) => text.replace(',', &separator),
            other => return Err(format!("{other} is no list")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_dangling_ones_named() {
        let yaml = "a: !Ref X\nb: !GetAtt Q.Arn\nc: !Sub '${X}/${Q.Arn}'\nd: !Join [',', [1, !Ref X]]\n";
        let value = expand(serde_norway::from_str(yaml).unwrap()).unwrap();
        let mut known = Known::default();
        known.refs.insert("X".to_owned(), "x".to_owned());
        assert_eq!(known.resolve(&value), Err("GetAtt Q.Arn stands for nothing here".to_owned()));
        known.attributes.insert("Q.Arn".to_owned(), "arn".to_owned());
        assert_eq!(known.resolve(&value), Ok(json!({"a": "x", "b": "arn", "c": "x/arn", "d": "1,x"})));
        assert!(expand(serde_norway::from_str("a: !Unknown x").unwrap()).is_err());
    }
}
