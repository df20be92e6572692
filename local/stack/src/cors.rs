//! CORS, as an HTTP API does it by itself: preflights are answered without asking anybody, and every answer tells a page of an
//! allowed origin that it may read it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use template::{Cors, Known};

use crate::StackError;

/// Who may call from a page, and what.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    origins: Vec<String>,
    preflight: Vec<(HeaderName, HeaderValue)>,
    exposed: HeaderValue,
}

impl Rules {
    /// The template's rules, with what its parameters are here.
    pub(crate) fn new(cors: &Cors, known: &Known) -> Result<Self, StackError> {
        let fault = |why: String| StackError::Resource("CorsConfiguration".to_owned(), why);
        let origins = known.text(&cors.allow_origins).map_err(fault)?;
        let value = |text: String| HeaderValue::try_from(text).map_err(|error| fault(error.to_string()));
        let preflight = vec![
            (header::ACCESS_CONTROL_ALLOW_METHODS, value(cors.allow_methods.join(","))?),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, value(cors.allow_headers.join(","))?),
            (header::ACCESS_CONTROL_MAX_AGE, value(cors.max_age_s.to_string())?),
        ];
        Ok(Self {
            origins: origins.split(',').map(|origin| origin.trim().to_owned()).collect(),
            preflight,
            exposed: value(cors.expose_headers.join(","))?,
        })
    }

    /// The answer to a preflight; `None` if it is none. That of a stranger's page allows nothing.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let is_preflight = *method == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Some(origin) = self.allowed(headers) {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().extend(self.preflight.iter().cloned());
        }
        Some(response)
    }

    /// Adds what the page's browser asks for; what the function says of it is dropped, as the gateway does.
    pub(crate) fn mark(&self, request: &HeaderMap, mut response: Response) -> Response {
        let headers = response.headers_mut();
        let said: Vec<_> =
            headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
        for name in said {
            headers.remove(name);
        }
        if let Some(origin) = self.allowed(request) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
        }
        response
    }

    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        if self.origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(origins: &str) -> Rules {
        let cors = Cors {
            allow_origins: json!({"Ref": "Origins"}),
            allow_methods: vec!["GET".to_owned(), "POST".to_owned()],
            allow_headers: vec!["authorization".to_owned()],
            expose_headers: vec!["etag".to_owned()],
            max_age_s: 600,
        };
        let mut known = Known::default();
        known.refs.insert("Origins".to_owned(), origins.to_owned());
        Rules::new(&cors, &known).unwrap()
    }

    fn asks(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        headers
    }

    fn allowed(response: &Response) -> Option<&str> {
        response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn a_preflight_of_an_allowed_origin_is_told_what_it_may() {
        let rules = rules("https://a.example, https://b.example");
        let response = rules.preflight(&Method::OPTIONS, &asks("https://b.example")).unwrap();
        assert_eq!(
            (response.status(), allowed(&response)),
            (StatusCode::NO_CONTENT, Some("https://b.example"))
        );
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        let response = rules.preflight(&Method::OPTIONS, &asks("https://c.example")).unwrap();
        assert_eq!((response.status(), allowed(&response)), (StatusCode::NO_CONTENT, None));
        assert!(rules.preflight(&Method::POST, &asks("https://a.example")).is_none());
        assert!(rules.preflight(&Method::OPTIONS, &HeaderMap::new()).is_none());
    }

    #[test]
    fn every_answer_says_who_may_read_it_and_a_function_does_not() {
        let from_function = || {
            let mut response = StatusCode::UNAUTHORIZED.into_response();
            let everybody = HeaderValue::from_static("*");
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, everybody);
            response
        };
        let marked = rules("https://a.example").mark(&asks("https://a.example"), from_function());
        assert_eq!(allowed(&marked), Some("https://a.example"));
        assert_eq!(marked.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS], "etag");
        let marked = rules("https://a.example").mark(&asks("https://evil.example"), from_function());
        assert_eq!(allowed(&marked), None);
        let marked = rules("*").mark(&asks("https://evil.example"), from_function());
        assert_eq!(allowed(&marked), Some("*"));
        let marked = rules("*").mark(&HeaderMap::new(), from_function());
        assert_eq!(allowed(&marked), None);
    }
}
