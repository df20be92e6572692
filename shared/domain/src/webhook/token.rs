//! The token that comes with a webhook: a compact JWS (RFC 7515). Read whole before any of it is believed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{
    keys::{KeyId, WebhookKey},
    verify::Refusal,
};

/// Plaid's have some 400 characters.
const LONGEST: usize = 4096;

/// A token that is well-formed, and no more than that.
pub(super) struct Token<'a> {
    /// The key that it says it is signed with.
    pub(super) kid: KeyId,
    signed: &'a [u8],
    signature: Vec<u8>,
    claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// What a token says.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// When it was made, in seconds since 1970.
    pub(super) iat: i64,
    /// The body's hash, in lower-case hexadecimal.
    pub(super) request_body_sha256: String,
}

impl<'a> Token<'a> {
    /// The algorithm is not the token's to choose: anything but ES256 is refused here, before a key is looked for.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > LONGEST {
            return Err(Refusal::Malformed);
        }
        let [header, claims, signature] = parts(bytes).ok_or(Refusal::Malformed)?;
        let header_json: Header = object(header)?;
        if header_json.alg.as_deref() != Some("ES256") {
            return Err(Refusal::Algorithm);
        }
        if header_json.crit.is_some() {
            // Extensions that must be understood (RFC 7515, 4.1.11): there are none.
            return Err(Refusal::Malformed);
        }
        let kid = header_json.kid.as_deref().unwrap_or_default();
        Ok(Self {
            kid: kid.parse().map_err(|_not_an_id| Refusal::KeyId)?,
            signed: bytes.get(..header.len() + 1 + claims.len()).unwrap_or_default(),
            signature: decode(signature)?,
            claims: object(claims)?,
        })
    }

    /// The claims, before the signature is checked.
    pub(super) fn unverified(&self) -> &Claims {
        &self.claims
    }

    /// What the token says, if the key has signed it.
    pub(super) fn claims(self, key: &WebhookKey) -> Result<Claims, Refusal> {
        if key.has_signed(self.signed, &self.signature) { Ok(self.claims) } else { Err(Refusal::Signature) }
    }
}

/// Header, claims and signature: no more, no fewer.
fn parts(bytes: &[u8]) -> Option<[&[u8]; 3]> {
    let mut parts = bytes.split(|byte| *byte == b'.');
    let found = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

fn decode(part: &[u8]) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_not_base64url| Refusal::Malformed)
}

fn object<T: DeserializeOwned>(part: &[u8]) -> Result<T, Refusal> {
    let json = decode(part)?;
    // Serde would take an array for a struct, field by field in their order.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_other_shape| Refusal::Malformed)
}
