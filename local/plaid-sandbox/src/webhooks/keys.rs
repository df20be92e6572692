//! The keys that webhooks are signed with. They come from the system's randomness and not from the world's seed, and a world
//! that signs nothing has none.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::ids::fingerprint;
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    errors::{Error, ErrorKind},
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long before its use a key expired that expired before anybody rotated.
const LONG_EXPIRED_S: i64 = 24 * 60 * 60;

/// A key, with what Plaid tells of it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    /// PKCS #8, in base64.
    private: String,
    jwk: Jwk,
    kid: String,
    /// In Unix time, both.
    created_at: i64,
    expired_at: Option<i64>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.kid)
    }
}

/// What a signature says of a body.
#[derive(Serialize)]
struct Claims {
    iat: i64,
    request_body_sha256: String,
}

impl Key {
    fn new(created_at: i64) -> Result<Self, Error> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_unspecified| ErrorKind::InvalidEcdsaKey)?;
        let signing = EncodingKey::from_ec_der(pkcs8.as_ref());
        let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::ES256)?;
        let AlgorithmParameters::EllipticCurve(point) = &jwk.algorithm else {
            return Err(ErrorKind::InvalidEcdsaKey.into());
        };
        let kid = kid(&point.x);
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { private: STANDARD.encode(pkcs8.as_ref()), jwk, kid, created_at, expired_at: None })
    }

    fn sign(&self, body: &str, at: Timestamp) -> Result<String, Error> {
        let pkcs8 = STANDARD.decode(&self.private).map_err(|_not_ours| ErrorKind::InvalidEcdsaKey)?;
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        let claims = Claims { iat: at.as_second(), request_body_sha256: fingerprint(body) };
        encode(&header, &claims, &EncodingKey::from_ec_der(&pkcs8))
    }

    /// What `/webhook_verification_key/get` answers.
    pub(crate) fn view(&self) -> Value {
        let mut view = json!(self.jwk);
        if let Some(fields) = view.as_object_mut() {
            fields.insert("created_at".to_owned(), json!(self.created_at));
            fields.insert("expired_at".to_owned(), json!(self.expired_at));
        }
        view
    }
}

/// An id in the form of a UUID that is the key's own, so that making one takes nothing from the world's generator.
fn kid(x: &str) -> String {
    let hex = fingerprint(x);
    let part = |range| hex.get(range).unwrap_or_default();
    let (time, rest) = (part(0..8), part(18..30));
    format!("{time}-{}-4{}-a{}-{rest}", part(8..12), part(12..15), part(15..18))
}

/// All keys of a world, oldest first. At most one has not expired.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Keyring(Vec<Key>);

impl Keyring {
    /// The key of this id, expired or not.
    pub(crate) fn get(&self, kid: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// A new key, and the id of it. The one before has expired.
    pub(crate) fn rotate(&mut self, now: Timestamp) -> Result<String, Error> {
        let new = Key::new(now.as_second())?;
        for key in &mut self.0 {
            key.expired_at.get_or_insert(now.as_second());
        }
        let kid = new.kid.clone();
        self.0.push(new);
        Ok(kid)
    }

    /// What all keys are, oldest first.
    pub(crate) fn views(&self) -> Vec<Value> {
        self.0.iter().map(Key::view).collect()
    }

    /// Signs with the key in use.
    pub(crate) fn sign(&mut self, body: &str, at: Timestamp) -> Result<String, Error> {
        if self.0.iter().all(|key| key.expired_at.is_some()) {
            self.rotate(at)?;
        }
        self.signed_by(body, at, |key| key.expired_at.is_none())
    }

    /// Signs with a key that has expired, which is made where nobody has rotated yet.
    pub(crate) fn sign_expired(&mut self, body: &str, at: Timestamp) -> Result<String, Error> {
        if self.0.iter().all(|key| key.expired_at.is_none()) {
            let expired = at.as_second() - LONG_EXPIRED_S;
            let key = Key { expired_at: Some(expired), ..Key::new(expired - LONG_EXPIRED_S)? };
            self.0.insert(0, key);
        }
        self.signed_by(body, at, |key| key.expired_at.is_some())
    }

    fn signed_by(&self, body: &str, at: Timestamp, fits: impl Fn(&Key) -> bool) -> Result<String, Error> {
        let key = self.0.iter().rev().find(|key| fits(key)).ok_or(ErrorKind::InvalidEcdsaKey)?;
        key.sign(body, at)
    }
}
