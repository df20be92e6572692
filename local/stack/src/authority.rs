//! The local issuer of tokens, and the check that the JWT authorizer makes.

use std::time::Duration;

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, jwk::Jwk};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::StackError;

/// How long a token is good for.
const TOKEN_LIVES: Duration = Duration::from_hours(12);
const KEY_ID: &str = "local-1";

/// Signs tokens and tells whether one is good. RS256, since an HTTP API takes no other kind.
#[derive(Clone)]
pub(crate) struct Authority {
    signing: EncodingKey,
    checking: DecodingKey,
    jwk: Jwk,
    pub(crate) issuer: String,
    pub(crate) audience: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    exp: i64,
}

impl Authority {
    pub(crate) fn new(issuer: String, audience: &str) -> Result<Self, StackError> {
        let keys = KeyPair::generate(KeySize::Rsa2048).map_err(|_unspecified| StackError::Keys)?;
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&keys)
            .map_err(|_unspecified| StackError::Keys)?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_why| StackError::Keys)?;
        let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::RS256).map_err(|_why| StackError::Keys)?;
        jwk.common.key_id = Some(KEY_ID.to_owned());
        let checking = DecodingKey::from_jwk(&jwk).map_err(|_why| StackError::Keys)?;
        Ok(Self { signing, checking, jwk, issuer, audience: audience.to_owned() })
    }

    /// A token for a user.
    pub(crate) fn token(&self, user: &str) -> Result<String, StackError> {
        self.mint(Mint { user: user.to_owned(), issuer: None, audience: None, expires_in_s: None })
    }

    fn mint(&self, mint: Mint) -> Result<String, StackError> {
        let now = Timestamp::now().as_second();
        let lives = i64::try_from(TOKEN_LIVES.as_secs()).unwrap_or_default();
        let claims = Claims {
            iss: mint.issuer.unwrap_or_else(|| self.issuer.clone()),
            aud: mint.audience.unwrap_or_else(|| self.audience.clone()),
            sub: mint.user,
            iat: now,
            exp: now.saturating_add(mint.expires_in_s.unwrap_or(lives)),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(KEY_ID.to_owned());
        encode(&header, &claims, &self.signing).map_err(|_why| StackError::Keys)
    }

    /// The claims of a good token, each as text, as the gateway hands them on.
    pub(crate) fn claims(&self, token: &str) -> Option<Map<String, Value>> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        let claims = decode::<Map<String, Value>>(token, &self.checking, &validation).ok()?.claims;
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some(claims.into_iter().map(|(name, value)| (name, Value::String(text(value)))).collect())
    }

    /// What an issuer serves: its keys and, since it is a local one, tokens for whoever asks.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/.well-known/jwks.json", get(jwks))
            .route("/token", post(mint))
            .with_state(self)
    }
}

async fn configuration(State(authority): State<Authority>) -> Json<Value> {
    let issuer = &authority.issuer;
    Json(json!({"issuer": issuer, "jwks_uri": format!("{issuer}/.well-known/jwks.json")}))
}

async fn jwks(State(authority): State<Authority>) -> Json<Value> {
    Json(json!({"keys": [authority.jwk]}))
}

/// A token to be made: for whom, and what is wrong with it, if anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mint {
    user: String,
    issuer: Option<String>,
    audience: Option<String>,
    /// Negative: it has expired.
    expires_in_s: Option<i64>,
}

async fn mint(State(authority): State<Authority>, Json(mint): Json<Mint>) -> Result<Json<Value>, StatusCode> {
    match authority.mint(mint) {
        Ok(token) => Ok(Json(json!({"token": token}))),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
