//! Who is behind a credential: the prefix of a token tells which service issued it (contract 2.1).

use std::time::Duration;

use service::internal::{Principals, Tokens};
use service::keys;

use crate::Peers;
use crate::bindings::exports::mayday::platform::identity::{Guest, Principal, Realm, Verdict};
use crate::owner::{ORGANIZER, Owner, PARTICIPANT};

/// A credential is checked with one indexed read; an owner that needs longer is as good as down (contract 0: 1 s).
const TIMEOUT: Duration = Duration::from_secs(1);

impl Guest for Peers {
    fn authenticate(authorizations: Vec<String>) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::Rejected; authorizations.len()];
        judge(
            Realm::Organizer,
            &ORGANIZER,
            "/organizer/api/principals",
            &authorizations,
            &mut verdicts,
        );
        judge(
            Realm::Participant,
            &PARTICIPANT,
            "/participant/internal/principals",
            &authorizations,
            &mut verdicts,
        );
        verdicts
    }
}

/// Asks the owner about all tokens of its realm in one call.
fn judge(realm: Realm, owner: &Owner, path: &str, authorizations: &[String], verdicts: &mut [Verdict]) {
    let prefix = match realm {
        Realm::Organizer => "organizer:",
        Realm::Participant => "participant:",
    };
    let (positions, tokens): (Vec<usize>, Vec<String>) = authorizations
        .iter()
        .enumerate()
        .filter_map(|(position, header)| {
            let token = keys::bearer(header)?;
            token.starts_with(prefix).then(|| (position, token.to_owned()))
        })
        .unzip();
    if tokens.is_empty() {
        return;
    }
    match owner.post::<Principals>(path, &Tokens { tokens }, TIMEOUT) {
        Ok(answer) => {
            for (position, principal) in positions.into_iter().zip(answer.principals) {
                if let Some(body) = principal {
                    verdicts[position] = Verdict::Accepted(Principal {
                        realm,
                        id: body.id,
                        role: body.role,
                        agency_id: body.agency_id,
                        name: body.name,
                    });
                }
            }
        }
        Err(error) => {
            eprintln!("credentials could not be checked: {error}");
            for position in positions {
                verdicts[position] = Verdict::Unavailable;
            }
        }
    }
}
