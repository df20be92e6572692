//! What an endpoint says of itself, for `openapi.json`: made of the types that it reads and answers with.
//!
//! No function runs any of this: it is compiled into the description, and the linker leaves it out of what is deployed.

mod document;
mod schemas;

use domain::household::{Permission, Role};
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::Value;

pub use document::{DocumentError, document};
pub use schemas::{Amount, Currency};

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a token.
    Anybody,
    /// Whoever has a token, in whatever households they are.
    Caller,
    /// Whoever has a role in the household concerned that allows this.
    Allowed(Permission),
}

impl Access {
    /// The roles that let somebody in; none where roles play no part.
    pub fn roles(self) -> Option<Vec<Role>> {
        match self {
            Self::Anybody | Self::Caller => None,
            Self::Allowed(permission) => {
                Some(Role::ALL.into_iter().filter(|role| role.allows(permission)).collect())
            }
        }
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
}

struct Parameter {
    place: Place,
    name: &'static str,
    about: String,
    schema: Value,
}

struct BodyOf {
    schema: Schema,
    is_required: bool,
}

struct Answer {
    status: u16,
    about: &'static str,
    content: Option<(&'static str, Value)>,
    headers: Vec<Header>,
}

struct Header {
    name: &'static str,
    about: &'static str,
    is_always_there: bool,
}

/// An endpoint.
pub struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    access: Access,
    parameters: Vec<Parameter>,
    body: Option<BodyOf>,
    answers: Vec<Answer>,
    codes: Vec<&'static str>,
    requests: SchemaGenerator,
    replies: SchemaGenerator,
}

impl Operation {
    /// An endpoint by its method and path, with the name of its function, what it does in a few words, and who may call it.
    pub fn new(
        (method, path): (&'static str, &'static str),
        id: &'static str,
        summary: &'static str,
        access: Access,
    ) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            about: "",
            access,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            codes: Vec::new(),
            requests: generator(Contract::Deserialize),
            replies: generator(Contract::Serialize),
        }
    }

    /// What there is to know beside the summary.
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// A parameter of the path.
    pub fn path<T: JsonSchema>(self, name: &'static str, about: &str) -> Self {
        self.parameter::<T>(Place::Path, name, about)
    }

    /// A parameter of the query: one that the function reads under this name.
    pub fn query<T: JsonSchema>(self, name: &'static str, about: &str) -> Self {
        self.parameter::<T>(Place::Query, name, about)
    }

    /// A parameter of the query whose bounds are the endpoint's own.
    pub fn query_as(mut self, name: &'static str, about: impl Into<String>, schema: Value) -> Self {
        self.parameters.push(Parameter { place: Place::Query, name, about: about.into(), schema });
        self
    }

    fn parameter<T: JsonSchema>(mut self, place: Place, name: &'static str, about: &str) -> Self {
        let schema = self.requests.subschema_for::<T>().to_value();
        self.parameters.push(Parameter { place, name, about: about.to_owned(), schema });
        self
    }

    /// Takes an `Idempotency-Key`.
    pub fn idempotent(mut self) -> Self {
        self.parameters.push(Parameter {
            place: Place::Header,
            name: "Idempotency-Key",
            about: "The same request with the same key has one effect and, for 24 hours, one answer."
                .to_owned(),
            schema: schemas::idempotency_key(),
        });
        self.problems(&[
            "request_in_progress",
            "idempotency_key_reused",
            "invalid_field",
            "household_not_found",
        ])
    }

    /// Takes an `If-Match`.
    pub fn conditional(mut self) -> Self {
        self.parameters.push(Parameter {
            place: Place::Header,
            name: "If-Match",
            about: "The `ETag` of what you saw: if it has changed since, nothing is done.".to_owned(),
            schema: schemas::if_match(),
        });
        self.problems(&["precondition_failed"])
    }

    /// Takes this body.
    pub fn body<T: JsonSchema>(self) -> Self {
        self.takes::<T>(true)
    }

    /// Takes this body, and none as an empty one.
    pub fn optional_body<T: JsonSchema>(self) -> Self {
        self.takes::<T>(false)
    }

    fn takes<T: JsonSchema>(mut self, is_required: bool) -> Self {
        self.body = Some(BodyOf { schema: self.requests.subschema_for::<T>(), is_required });
        self.problems(&["invalid_body", "invalid_json", "invalid_field", "unknown_field", "body_too_large"])
    }

    /// Answers with this, as JSON.
    pub fn answer<T: JsonSchema>(mut self, status: u16, about: &'static str) -> Self {
        let schema = self.replies.subschema_for::<T>().to_value();
        self.answers.push(Answer {
            status,
            about,
            content: Some(("application/json", schema)),
            headers: Vec::new(),
        });
        self
    }

    /// Answers with a JSON object that is described elsewhere.
    pub fn answer_object(mut self, status: u16, about: &'static str) -> Self {
        let content = Some(("application/json", serde_json::json!({"type": "object"})));
        self.answers.push(Answer { status, about, content, headers: Vec::new() });
        self
    }

    /// Answers with text of this content type.
    pub fn answer_as(mut self, status: u16, content_type: &'static str, about: &'static str) -> Self {
        let content = Some((content_type, serde_json::json!({"type": "string"})));
        self.answers.push(Answer { status, about, content, headers: Vec::new() });
        self
    }

    /// Answers with nothing but a status.
    pub fn answer_empty(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer { status, about, content: None, headers: Vec::new() });
        self
    }

    /// The answer before this has a header.
    pub fn header(self, name: &'static str, about: &'static str) -> Self {
        self.with_header(Header { name, about, is_always_there: true })
    }

    /// The answer before this may have a header.
    pub fn maybe_header(self, name: &'static str, about: &'static str) -> Self {
        self.with_header(Header { name, about, is_always_there: false })
    }

    fn with_header(mut self, header: Header) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push(header);
        }
        self
    }

    /// The answer before this has an entity tag.
    pub fn tagged(self) -> Self {
        self.header("ETag", "What `If-Match` requires of it.")
    }

    /// May be refused with these codes, beside those that every endpoint has.
    pub fn problems(mut self, codes: &[&'static str]) -> Self {
        self.codes.extend(codes);
        self
    }
}

fn generator(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = schemas::PATH.trim_start_matches('#').to_owned().into();
        settings.meta_schema = None;
        settings.contract = contract;
    });
    settings.into_generator()
}
