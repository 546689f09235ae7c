//! Organizers' tokens (contract 2.1): a JWT behind `organizer:`.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use service::clock::{self, Millis};
use service::settings;

use crate::error::Error;

const PREFIX: &str = "organizer:";
const ISSUER: &str = "mayday";
const LIFETIME_SECONDS: i64 = 24 * 60 * 60;

#[derive(Deserialize, Serialize)]
struct Claims {
    sub: i64,
    iat: i64,
    nbf: i64,
    exp: i64,
    iss: String,
    aud: [String; 1],
    /// The moment of issue in milliseconds. `iat` has whole seconds only, so it cannot tell a token that was issued just before
    /// a sign-out from one issued just after it.
    iat_ms: Millis,
}

/// A token with a good signature, in its time, for us. Whether its user still honours it is another question.
#[derive(Clone, Copy)]
pub(crate) struct Token {
    pub user_id: i64,
    pub issued_at: Millis,
}

/// Issues a token to a user, as of `issued_at`: what ends the user's sessions after that moment ends this one as well.
pub(crate) fn issue(user_id: i64, issued_at: Millis) -> Result<String, Error> {
    // A sign-out may have been put a millisecond ahead of the clock, and nobody is to wait for that one.
    let iat = issued_at.min(clock::now()) / 1000;
    let claims = Claims {
        sub: user_id,
        iat,
        nbf: iat,
        exp: iat + LIFETIME_SECONDS,
        iss: ISSUER.to_owned(),
        aud: [ISSUER.to_owned()],
        iat_ms: issued_at,
    };
    let secret = settings::secret("organizer_jwt_secret")?;
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(Error::Token)?;
    Ok(format!("{PREFIX}{token}"))
}

/// Reads a token; `None` for whatever is not one of ours.
pub(crate) fn read(token: &str) -> Result<Option<Token>, Error> {
    let Some(jwt) = token.strip_prefix(PREFIX).filter(|jwt| !jwt.contains(':')) else {
        return Ok(None);
    };
    let secret = settings::secret("organizer_jwt_secret")?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
    let key = DecodingKey::from_secret(secret.as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(jwt, &key, &validation)
        .ok()
        .map(|data| data.claims);
    Ok(claims.map(|claims| Token {
        user_id: claims.sub,
        issued_at: claims.iat_ms,
    }))
}
