//! The keys that Plaid signs webhooks with (`/webhook_verification_key/get`), and the check of a signature.

use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::webhook::{KeyError, KeyId, VerifyingKey, WebhookKey, WebhookKeys};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::client::Client;

/// Plaid waits for us meanwhile; the caller has a patience of its own, which is shorter with the keys' secret.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Plaid's word that there is no such key. Everything else that it may refuse with says nothing of the key.
const NO_SUCH_KEY: &str = "INVALID_WEBHOOK_VERIFICATION_KEY_ID";
/// A coordinate of a point on P-256.
const COORDINATE: usize = 32;

#[derive(Serialize)]
struct KeyRequest<'a> {
    key_id: &'a str,
}

#[derive(Deserialize)]
struct KeyAnswer {
    key: Jwk,
}

/// A JSON Web Key (RFC 7517).
#[derive(Deserialize)]
struct Jwk {
    kid: String,
    kty: String,
    crv: String,
    alg: String,
    #[serde(rename = "use")]
    purpose: String,
    x: String,
    y: String,
    expired_at: Option<IgnoredAny>,
}

#[async_trait]
impl WebhookKeys for Client {
    async fn key(&self, kid: &KeyId) -> Result<WebhookKey, KeyError> {
        let request = KeyRequest { key_id: kid.as_str() };
        let answer = self.post("/webhook_verification_key/get", &request, TIMEOUT).await;
        let text = answer.map_err(|error| match error.code.as_str() {
            NO_SUCH_KEY => KeyError::Unknown,
            _ => KeyError::Unavailable(error.code),
        })?;
        read(kid, &text)
    }
}

/// A key that is not as it must be is no proof that a webhook is false.
fn read(kid: &KeyId, text: &str) -> Result<WebhookKey, KeyError> {
    let unusable = |why: &str| KeyError::Unavailable(why.to_owned());
    let KeyAnswer { key } = serde_json::from_str(text).map_err(|_other_shape| unusable("unreadable"))?;
    if key.kid != kid.as_str() {
        return Err(unusable("another_key"));
    }
    // Plaid's own check: a key that has a date of expiry is not in use, whatever the date.
    if key.expired_at.is_some() {
        return Err(KeyError::Expired);
    }
    if (key.kty.as_str(), key.crv.as_str(), key.alg.as_str(), key.purpose.as_str())
        != ("EC", "P-256", "ES256", "sig")
    {
        return Err(unusable("another_kind_of_key"));
    }
    let point = point(&key).ok_or_else(|| unusable("no_point"))?;
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .map_err(|_not_on_the_curve| unusable("no_point_on_the_curve"))?;
    Ok(WebhookKey::new(Es256(key)))
}

/// The point, uncompressed (SEC 1, 2.3.3).
fn point(key: &Jwk) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for coordinate in [&key.x, &key.y] {
        let bytes = URL_SAFE_NO_PAD.decode(coordinate).ok()?;
        if bytes.len() != COORDINATE {
            return None;
        }
        point.extend(bytes);
    }
    Some(point)
}

struct Es256(ParsedPublicKey);

impl VerifyingKey for Es256 {
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The example of Plaid's own reference.
    fn answer() -> Value {
        json!({"key": {
            "alg": "ES256", "created_at": 1_560_466_150, "crv": "P-256", "expired_at": null,
            "kid": "bfbd5111-8e33-4643-8ced-b2e642a72f3c", "kty": "EC", "use": "sig",
            "x": "hKXLGIjWvCBv-cP5euCTxl8g9GLG9zHo_3pO5NN1DwQ",
            "y": "shhexqPB7YffGn6fR6h2UhTSuCtPmfzQJ6ENVIoO4Ys"
        }, "request_id": "RZ6Omi1bzzwDaLo"})
    }

    fn outcome(answer: &Value) -> Result<(), KeyError> {
        read(&"bfbd5111-8e33-4643-8ced-b2e642a72f3c".parse().unwrap(), &answer.to_string()).map(drop)
    }

    #[test]
    fn plaids_example_is_a_key() {
        assert_eq!(outcome(&answer()), Ok(()));
        let mut tolerant = answer();
        tolerant["key"].as_object_mut().unwrap().remove("expired_at");
        tolerant["key"]["new_field"] = json!({});
        assert_eq!(outcome(&tolerant), Ok(()));
    }

    #[test]
    fn a_key_with_a_date_of_expiry_has_expired() {
        for date in [json!(1), json!(4_102_444_800_u64), json!("soon")] {
            let mut answer = answer();
            answer["key"]["expired_at"] = date;
            assert_eq!(outcome(&answer), Err(KeyError::Expired));
        }
    }

    #[test]
    fn what_is_no_key_is_no_proof() {
        let cases = [
            ("kid", json!("another"), "another_key"),
            ("kty", json!("RSA"), "another_kind_of_key"),
            ("crv", json!("P-384"), "another_kind_of_key"),
            ("alg", json!("ES384"), "another_kind_of_key"),
            ("use", json!("enc"), "another_kind_of_key"),
            ("x", json!("AAAA"), "no_point"),
            ("x", json!("hKXLGIjWvCBv+cP5euCTxl8g9GLG9zHo/3pO5NN1DwQ"), "no_point"),
            ("y", json!("hKXLGIjWvCBv-cP5euCTxl8g9GLG9zHo_3pO5NN1DwQ"), "no_point_on_the_curve"),
            ("x", json!(7), "unreadable"),
        ];
        for (field, value, why) in cases {
            let mut answer = answer();
            answer["key"][field] = value;
            assert_eq!(outcome(&answer), Err(KeyError::Unavailable(why.to_owned())), "{field}");
        }
    }
}
