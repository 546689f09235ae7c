//! Authenticates credentials. The prefix of a token names the service that issued it (contract 2.1).

use std::time::Duration;

use service::internal::{self, Colleagues, DeletedAgencies, Principals, Tokens};
use service::keys;

use crate::Peers;
use crate::bindings::exports::mayday::platform::identity::{
    Error, Guest, Principal, Realm, Revocations, Verdict,
};
use crate::owner::{ORGANIZER, Owner, OwnerError, PARTICIPANT, comma_separated};

/// A service looks all users up with one statement; one that needs longer counts as down (contract 0: 1 s).
const TIMEOUT: Duration = Duration::from_secs(1);

/// Sidecars ask about each realm apart, so a slow service does not delay the other. They wait a second longer.
const REVOCATIONS_TIMEOUT: Duration = Duration::from_secs(2);

/// Every user of a sidecar waits for this, and the client can repeat `transfer_chat`.
const COLLEAGUES_TIMEOUT: Duration = Duration::from_secs(1);

/// The tick waits for this, and asks again half a minute later.
const AGENCIES_TIMEOUT: Duration = Duration::from_secs(1);

/// At most this many ids go into one URL.
const AGENCIES_AT_ONCE: usize = 500;

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

    fn revoked_since(realm: Realm, cursor: Option<i64>) -> Result<Revocations, Error> {
        let (owner, path) = match realm {
            Realm::Organizer => (&ORGANIZER, "/organizer/api/revocations"),
            Realm::Participant => (&PARTICIPANT, "/participant/internal/revocations"),
        };
        let path = match cursor {
            Some(cursor) => format!("{path}?since={cursor}"),
            None => path.to_owned(),
        };
        let answer: internal::Revocations = owner
            .get(&path, REVOCATIONS_TIMEOUT)
            .map_err(|error| failure(&error))?;
        Ok(Revocations {
            next: answer.last,
            users: answer.users,
            agencies: answer.agencies,
            complete: answer.complete,
        })
    }

    fn colleagues(agency_id: i64, organizer_ids: Vec<i64>) -> Result<Vec<i64>, Error> {
        let ids = comma_separated(&organizer_ids);
        let path = format!("/organizer/api/colleagues?agencyId={agency_id}&ids={ids}");
        let answer: Colleagues = ORGANIZER
            .get(&path, COLLEAGUES_TIMEOUT)
            .map_err(|error| failure(&error))?;
        Ok(answer.ids)
    }

    fn deleted_agencies(ids: Vec<i64>) -> Result<Vec<i64>, Error> {
        let mut deleted = Vec::new();
        for ids in ids.chunks(AGENCIES_AT_ONCE) {
            let path = format!("/organizer/api/deleted-agencies?ids={}", comma_separated(ids));
            let answer: DeletedAgencies = ORGANIZER
                .get(&path, AGENCIES_TIMEOUT)
                .map_err(|error| failure(&error))?;
            deleted.extend(answer.ids);
        }
        deleted.sort_unstable();
        Ok(deleted)
    }
}

fn failure(error: &OwnerError) -> Error {
    if error.is_unavailable() {
        Error::Unavailable(error.to_string())
    } else {
        Error::Other(error.to_string())
    }
}

/// Authenticates all tokens of a realm in one call.
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
            for incomplete in answer.incomplete {
                if let Some(&position) = positions.get(incomplete) {
                    verdicts[position] = Verdict::Incomplete;
                }
            }
            for (position, principal) in positions.into_iter().zip(answer.principals) {
                if let Some(body) = principal {
                    verdicts[position] = Verdict::Accepted(Principal {
                        realm,
                        id: body.id,
                        role: body.role,
                        agency_id: body.agency_id,
                        max_open_chats: body.max_open_chats,
                        name: body.name,
                    });
                }
            }
        }
        Err(error) => {
            // Sidecars ask again and log it themselves.
            if !error.is_unavailable() {
                service::warn!("credentials could not be checked: {error}");
            }
            for position in positions {
                verdicts[position] = Verdict::Unavailable;
            }
        }
    }
}
