//! Organizers' tokens (contract 2.1): a JWT behind `organizer:`.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use service::clock::{self, LEEWAY, Millis};
use service::settings;

use crate::error::Error;
use crate::store::users::User;

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
    /// The time of issue in milliseconds, by the database's clock. `iat` has whole seconds only, so it cannot
    /// distinguish a token issued just before a sign-out from one issued just after it. The contract does not have this
    /// claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat_ms: Option<Millis>,
    /// The user's `timeSignOut` at the time of issue, in milliseconds. Unlike times of issue it tells what came first
    /// also after the database's clock was set back. The contract does not have this claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_out: Option<Millis>,
}

/// A token with a valid signature, times and audience. Its user may have signed out since.
#[derive(Clone, Copy)]
pub(crate) struct Token {
    pub user_id: i64,
    pub issued_at: Millis,
    /// The user's last sign-out at the time of issue; `None` in a token of the release before.
    pub sign_out: Option<Millis>,
}

impl Token {
    /// Whether the user has not signed out since the token was issued.
    pub(crate) fn outlives(self, time_sign_out: Millis) -> bool {
        self.issued_at >= time_sign_out && self.sign_out.is_none_or(|named| named >= time_sign_out)
    }
}

/// Issues a token to a user, who was read at `now` or later: a sign-out since then revokes it.
pub(crate) fn issue(user: &User, now: Millis) -> Result<String, Error> {
    // Not before the sign-out, also where that was made before the clock was set back.
    let issued_at = now.max(user.time_sign_out);
    // The database's clock may be ahead of this host's. The token must be valid here at once.
    let iat = issued_at.min(clock::now()) / 1000;
    let claims = Claims {
        sub: user.id,
        iat,
        nbf: iat,
        exp: iat + LIFETIME_SECONDS,
        iss: ISSUER.to_owned(),
        aud: [ISSUER.to_owned()],
        iat_ms: Some(issued_at),
        sign_out: Some(user.time_sign_out),
    };
    let secret = settings::secret("organizer_jwt_secret")?;
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(Error::Token)?;
    Ok(format!("{PREFIX}{token}"))
}

/// Reads a token; `None` unless it is ours and current.
pub(crate) fn read(token: &str) -> Result<Option<Token>, Error> {
    let Some(jwt) = token.strip_prefix(PREFIX).filter(|jwt| !jwt.contains(':')) else {
        return Ok(None);
    };
    let secrets = settings::with_previous("organizer_jwt_secret", settings::secret)?;
    let mut validation = Validation::new(Algorithm::HS256);
    // The library's leeway would apply to `exp` as well, so the times are checked below.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
    let claims = secrets.iter().find_map(|secret| {
        let key = DecodingKey::from_secret(secret.as_bytes());
        let data = jsonwebtoken::decode::<Claims>(jwt, &key, &validation).ok()?;
        Some(data.claims)
    });
    let now = clock::now();
    let current = claims.filter(|claims| {
        claims.nbf.saturating_mul(1000) <= now + LEEWAY && now < claims.exp.saturating_mul(1000)
    });
    Ok(current.map(|claims| Token {
        user_id: claims.sub,
        issued_at: claims.issued_at(),
        sign_out: claims.sign_out,
    }))
}

impl Claims {
    /// A token with only the contract's claims counts as issued at the end of its second, so that it is valid if it was
    /// issued in the same second as the account or its last sign-out (contract 2.2).
    fn issued_at(&self) -> Millis {
        self.iat_ms
            .unwrap_or_else(|| self.iat.saturating_mul(1000).saturating_add(999))
    }
}
