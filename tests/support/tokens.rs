//! Tokens as a test reads and forges them.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::Value;

/// The claims of a token that was signed with this secret.
pub(crate) fn claims(token: &str, secret: &str) -> Value {
    let (_, jwt) = token.split_once(':').expect("a prefix");
    let mut validation = Validation::new(Algorithm::HS256);
    // Those of participants have fractions, which the library does not read.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::decode(jwt, &key, &validation)
        .expect("claims")
        .claims
}

/// A token of a realm, `organizer` or `participant`.
pub(crate) fn sign(realm: &str, algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let jwt = jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("a token");
    format!("{realm}:{jwt}")
}
