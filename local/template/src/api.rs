//! The HTTP API itself: what it allows to pages, and how much at once.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Template, TemplateError, fault};

/// The HTTP API.
#[derive(Debug, Clone)]
pub struct HttpApi {
    /// What pages of other origins may do.
    pub cors: Cors,
    /// The limit of each route that has none of its own.
    pub usual: Throttle,
    /// The limits of single routes, by method and path.
    pub routes: BTreeMap<String, Throttle>,
}

/// What pages of other origins may do.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Their origins, unresolved.
    pub allow_origins: Value,
    /// Methods.
    pub allow_methods: Vec<String>,
    /// Headers that they may send.
    pub allow_headers: Vec<String>,
    /// Headers of answers that they may read.
    pub expose_headers: Vec<String>,
    /// Seconds for which this holds.
    pub max_age_s: u64,
}

/// How many requests a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// In a second.
    pub rate: u64,
    /// At once.
    pub burst: u64,
}

impl Template {
    /// The HTTP API, of which there is one.
    pub fn api(&self) -> Result<HttpApi, TemplateError> {
        let all = self.of_type("AWS::Serverless::HttpApi");
        let mut apis = all.iter();
        let (Some((id, api)), None) = (apis.next(), apis.next()) else {
            return Err(fault("template", "there is not one HTTP API"));
        };
        let properties = &api["Properties"];
        let routes = properties["RouteSettings"].as_object().into_iter().flatten();
        let routes: Result<_, TemplateError> =
            routes.map(|(route, settings)| Ok((route.clone(), throttle(id, settings)?))).collect();
        Ok(HttpApi {
            cors: cors(id, &properties["CorsConfiguration"])?,
            usual: throttle(id, &properties["DefaultRouteSettings"])?,
            routes: routes?,
        })
    }
}

fn throttle(id: &str, settings: &Value) -> Result<Throttle, TemplateError> {
    let number = |name: &str| settings[name].as_u64().ok_or_else(|| fault(id, format!("{name} is not set")));
    Ok(Throttle { rate: number("ThrottlingRateLimit")?, burst: number("ThrottlingBurstLimit")? })
}

fn cors(id: &str, settings: &Value) -> Result<Cors, TemplateError> {
    let list = |name: &str| {
        let list = settings[name].as_array().ok_or_else(|| fault(id, format!("{name} is no list")))?;
        let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>().ok_or_else(|| fault(id, format!("{name} has what is no text")))
    };
    Ok(Cors {
        allow_origins: settings["AllowOrigins"].clone(),
        allow_methods: list("AllowMethods")?,
        allow_headers: list("AllowHeaders")?,
        expose_headers: list("ExposeHeaders")?,
        max_age_s: settings["MaxAge"].as_u64().ok_or_else(|| fault(id, "MaxAge is not set"))?,
    })
}
