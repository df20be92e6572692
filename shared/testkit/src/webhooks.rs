//! Plaid as the sender of webhooks: a key that signs, and the endpoint that gives keys.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    ids::fingerprint,
    webhook::{ConfirmedKeyWriter, ConfirmedKeys, KeyError, KeyId},
};
use jiff::Timestamp;
use plaid::{Call, RawAnswer, Transport, TransportError};
use serde_json::{Value, json};

use crate::world::Keys;

/// A list of confirmed key ids in memory.
#[derive(Default)]
pub struct FakeConfirmedKeys(Mutex<Vec<KeyId>>);

#[async_trait]
impl ConfirmedKeys for FakeConfirmedKeys {
    async fn confirmed(&self) -> Result<Vec<KeyId>, KeyError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[async_trait]
impl ConfirmedKeyWriter for FakeConfirmedKeys {
    async fn confirm(&self, kid: &KeyId) -> Result<(), KeyError> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(kid) {
            names.push(kid.clone());
        }
        Ok(())
    }
}

/// A key that signs as Plaid's do.
pub struct Signer {
    /// Its name.
    pub kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    /// A fresh key.
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { kid: kid.to_owned(), pair }
    }

    /// The public key, as Plaid gives it.
    pub fn jwk(&self) -> Value {
        let (x, y) = self.point()[1..].split_at(32);
        json!({
            "alg": "ES256", "created_at": 1_560_466_143, "crv": "P-256", "expired_at": null, "kid": self.kid, "kty": "EC",
            "use": "sig", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// The public key as a point.
    pub fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The token of a webhook that is sent now.
    pub fn token(&self, body: &[u8], now: Timestamp) -> String {
        let header = json!({"alg": "ES256", "kid": self.kid, "typ": "JWT"});
        self.sign(&header, &json!({"iat": now.as_second(), "request_body_sha256": fingerprint(body)}))
    }

    /// Any token, signed.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = signed_part(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What a token's signature is over.
pub fn signed_part(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// `/webhook_verification_key/get`, in process.
#[derive(Default)]
pub struct KeyEndpoint {
    keys: Mutex<BTreeMap<String, Value>>,
    failure: Mutex<Option<Result<RawAnswer, TransportError>>>,
    asked: Mutex<usize>,
}

impl KeyEndpoint {
    /// Gives this key out from now on.
    pub fn add(&self, jwk: Value) {
        let kid = jwk["kid"].as_str().expect("a kid").to_owned();
        lock(&self.keys).insert(kid, jwk);
    }

    /// Gives every caller this instead, until it is `None`.
    pub fn fail(&self, with: Option<Result<RawAnswer, TransportError>>) {
        *lock(&self.failure) = with;
    }

    /// How many keys have been asked for.
    pub fn asked(&self) -> usize {
        *lock(&self.asked)
    }

    /// The Plaid client that asks here.
    pub fn client(self: &Arc<Self>) -> Arc<plaid::Client> {
        Arc::new(plaid::Client::over(self.clone(), Arc::new(Keys)))
    }
}

#[async_trait]
impl Transport for KeyEndpoint {
    async fn post(&self, call: Call<'_>) -> Result<RawAnswer, TransportError> {
        assert_eq!(call.path, "/webhook_verification_key/get");
        *lock(&self.asked) += 1;
        if let Some(failure) = lock(&self.failure).clone() {
            return failure;
        }
        let request: Value = serde_json::from_slice(&call.body).expect("JSON");
        let kid = request["key_id"].as_str().expect("a key_id");
        Ok(match lock(&self.keys).get(kid) {
            Some(jwk) => answer(200, &json!({"key": jwk, "request_id": "r"})),
            None => answer(
                400,
                &json!({
                    "error_type": "INVALID_INPUT", "error_code": "INVALID_WEBHOOK_VERIFICATION_KEY_ID",
                    "error_message": "invalid key_id provided", "display_message": null, "request_id": "r",
                }),
            ),
        })
    }
}

fn answer(status: u16, body: &Value) -> RawAnswer {
    RawAnswer { status, retry_after_s: None, body: body.to_string().into_bytes() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
