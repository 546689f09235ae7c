//! Authenticates credentials. The prefix of a token names the service that issued it (contract 2.1).

use std::time::Duration;

use service::internal::{self, Colleagues, Principals, Tokens};
use service::keys;

use crate::Peers;
use crate::bindings::exports::mayday::platform::identity::{
    Error, Guest, Principal, Realm, RevocationCursor, Revocations, User, Verdict,
};
use crate::owner::{ORGANIZER, Owner, OwnerError, PARTICIPANT, comma_separated};

/// A check takes a few indexed reads; a service that needs longer counts as down (contract 0: 1 s).
const TIMEOUT: Duration = Duration::from_secs(1);

/// Sidecars ask several times a second, so a failed call is soon repeated. A hanging service must not delay the other
/// realm.
const REVOCATIONS_TIMEOUT: Duration = Duration::from_millis(300);

/// Every user of a sidecar waits for this, and the client can repeat `transfer_chat`.
const COLLEAGUES_TIMEOUT: Duration = Duration::from_secs(1);

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

    fn revoked_since(cursor: RevocationCursor) -> Revocations {
        let mut found = Revocations {
            next: cursor,
            users: Vec::new(),
            agencies: Vec::new(),
            unknown: Vec::new(),
        };
        found.next.organizer = read_revocations(
            Realm::Organizer,
            &ORGANIZER,
            "/organizer/api/revocations",
            cursor.organizer,
            &mut found,
        );
        found.next.participant = read_revocations(
            Realm::Participant,
            &PARTICIPANT,
            "/participant/internal/revocations",
            cursor.participant,
            &mut found,
        );
        found
    }

    fn colleagues(agency_id: i64, organizer_ids: Vec<i64>) -> Result<Vec<i64>, Error> {
        let ids = comma_separated(&organizer_ids);
        let path = format!("/organizer/api/colleagues?agencyId={agency_id}&ids={ids}");
        let answer: Colleagues = ORGANIZER
            .get(&path, COLLEAGUES_TIMEOUT)
            .map_err(|error| failure(&error))?;
        Ok(answer.ids)
    }
}

fn failure(error: &OwnerError) -> Error {
    if error.is_unavailable() {
        Error::Unavailable(error.to_string())
    } else {
        Error::Other(error.to_string())
    }
}

/// Asks the service that owns a realm, and returns the cursor for the next question.
fn read_revocations(
    realm: Realm,
    owner: &Owner,
    path: &str,
    since: Option<i64>,
    found: &mut Revocations,
) -> Option<i64> {
    let path = match since {
        Some(since) => format!("{path}?since={since}"),
        None => path.to_owned(),
    };
    match owner.get::<internal::Revocations>(&path, REVOCATIONS_TIMEOUT) {
        Ok(answer) => {
            let users = answer.users.into_iter().map(|id| User { realm, id });
            found.users.extend(users);
            found.agencies.extend(answer.agencies);
            if !answer.complete {
                found.unknown.push(realm);
            }
            Some(answer.last)
        }
        Err(error) => {
            // Sidecars ask several times a second: a service that is down would fill the log, and they log it
            // themselves. The next call continues from the same cursor.
            if !error.is_unavailable() {
                service::warn!("revocations could not be read: {error}");
            }
            since
        }
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
