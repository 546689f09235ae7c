//! Participants' tokens (contract 2.1): a JWT behind `participant:`.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use service::clock::{self, LEEWAY, Millis};
use service::settings;

use crate::error::Error;
use crate::store::participants::Participant;

const PREFIX: &str = "participant:";
const ISSUER: &str = "mayday";
const LIFETIME: Millis = 24 * 60 * 60 * 1000;

/// Times are fractional seconds; `iat` is by the database's clock, as sign-outs are.
#[derive(Deserialize, Serialize)]
struct Claims {
    sub: String,
    iat: f64,
    nbf: f64,
    exp: f64,
    iss: String,
    aud: [String; 1],
    /// The participant's `timeSignOut` at the time of issue, in milliseconds. Unlike times of issue it tells what came
    /// first also after the database's clock was set back. The contract does not have this claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_out: Option<Millis>,
}

/// A token that is signed, current and for us. Its participant may have signed out since.
#[derive(Clone, Copy)]
pub(crate) struct Token {
    pub participant_id: i64,
    pub issued_at: Millis,
    /// The participant's last sign-out at the time of issue; `None` in a token of the release before.
    pub sign_out: Option<Millis>,
}

impl Token {
    /// Whether the participant has not signed out since the token was issued.
    pub(crate) fn outlives(self, time_sign_out: Millis) -> bool {
        self.issued_at >= time_sign_out && self.sign_out.is_none_or(|named| named >= time_sign_out)
    }
}

/// Issues a token to a participant, who was read at `now` or later: a sign-out since then revokes it.
pub(crate) fn issue(participant: &Participant, now: Millis) -> Result<String, Error> {
    // Not before the sign-out, also where that was made before the clock was set back.
    let issued_at = now.max(participant.time_sign_out);
    let claims = Claims {
        sub: participant.id.to_string(),
        iat: seconds(issued_at),
        // By this host's clock the token may have been issued in the future, and nobody is to wait for that.
        nbf: seconds(issued_at.min(clock::now())),
        exp: seconds(issued_at + LIFETIME),
        iss: ISSUER.to_owned(),
        aud: [ISSUER.to_owned()],
        sign_out: Some(participant.time_sign_out),
    };
    let secret = settings::secret("participant_jwt_secret")?;
    let key = EncodingKey::from_secret(secret.as_bytes());
    let header = Header {
        typ: None,
        ..Header::new(Algorithm::HS256)
    };
    let token = jsonwebtoken::encode(&header, &claims, &key).map_err(Error::Token)?;
    Ok(format!("{PREFIX}{token}"))
}

/// Reads a token; `None` unless it is one of ours and current.
pub(crate) fn read(token: &str) -> Result<Option<Token>, Error> {
    let Some(jwt) = token.strip_prefix(PREFIX).filter(|jwt| !jwt.contains(':')) else {
        return Ok(None);
    };
    let secrets = settings::with_previous("participant_jwt_secret", settings::secret)?;
    let mut validation = Validation::new(Algorithm::HS256);
    // The library's leeway would be one for `exp` as well; the times are checked below instead.
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
    let current = claims.filter(|claims| millis(claims.nbf) <= now + LEEWAY && now < millis(claims.exp));
    Ok(current.and_then(|claims| {
        Some(Token {
            participant_id: claims.sub.parse().ok()?,
            issued_at: millis(claims.iat),
            sign_out: claims.sign_out,
        })
    }))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this era are exact in a double"
)]
fn seconds(time: Millis) -> f64 {
    time as f64 / 1000.0
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float that is too large saturates, which is as good as expired or not yet valid"
)]
fn millis(seconds: f64) -> Millis {
    (seconds * 1000.0).round() as Millis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_its_way_through_fractional_seconds() {
        for time in [0, 1, 999, 1_777_629_600_007, 1_777_629_600_999, 4_102_444_800_001] {
            assert_eq!(millis(seconds(time)), time);
        }
    }
}
