//! Who may call (contract 2.6, 2.7), and who may hold a socket (contract 5.2).

use service::door::Request;
use service::{keys, log};
use sidecar_api::{Principal, Realm, Revocations, RevokedSince, User, Verdict};

use crate::bindings::mayday::platform::identity;
use crate::error::Error;

/// Lets a user of one population in.
pub(crate) fn admit(request: &Request, realm: Realm) -> Result<Principal, Error> {
    let header = request.header("authorization").unwrap_or_default();
    let token = keys::bearer(header).ok_or(Error::Unauthorized("malformed token"))?;
    let (prefix, jwt) = token
        .split_once(':')
        .ok_or(Error::Unauthorized("malformed token"))?;
    if jwt.is_empty() || jwt.contains(':') {
        return Err(Error::Unauthorized("malformed token"));
    }
    if prefix != realm.as_str() {
        return Err(Error::Unauthorized("invalid token type"));
    }
    match identity::authenticate(&[header.to_owned()]).pop() {
        Some(identity::Verdict::Accepted(found)) => {
            log::set_user(realm.as_str(), found.id);
            principal(&found).ok_or(Error::Unauthorized("invalid role"))
        }
        Some(identity::Verdict::Rejected) | None => Err(Error::Unauthorized("unknown user")),
        Some(identity::Verdict::Incomplete) => Err(Error::Incomplete),
        Some(identity::Verdict::Unavailable) => Err(Error::Unavailable),
    }
}

/// Lets an organizer in. Returns the agency that the organizer works for.
pub(crate) fn admit_organizer(request: &Request) -> Result<i64, Error> {
    let principal = admit(request, Realm::Organizer)?;
    principal.agency_id.ok_or(Error::Unauthorized("invalid role"))
}

/// Authenticates each first frame's `Authorization`, and decides whether its socket may stay.
pub(crate) fn verdicts(authorizations: &[String]) -> Vec<Verdict> {
    let found = identity::authenticate(authorizations);
    let verdict = |found: &identity::Verdict| match found {
        identity::Verdict::Accepted(found) => {
            principal(found).map_or(Verdict::Rejected, |principal| Verdict::Accepted { principal })
        }
        identity::Verdict::Rejected | identity::Verdict::Incomplete => Verdict::Rejected,
        identity::Verdict::Unavailable => Verdict::Unavailable,
    };
    found.iter().map(verdict).collect()
}

/// The users whose sockets have to be authenticated again.
pub(crate) fn revoked_since(asked: RevokedSince) -> Revocations {
    let mut revocations = Revocations {
        next: asked.cursor,
        ..Revocations::default()
    };
    for owner in [identity::Realm::Organizer, identity::Realm::Participant] {
        let realm = realm(owner);
        if asked.realm.is_some_and(|asked| asked != realm) {
            continue;
        }
        let cursor = revocations.next.of(realm);
        match identity::revoked_since(owner, *cursor) {
            Ok(found) => {
                *cursor = Some(found.next);
                let users = found.users.into_iter().map(|id| User { realm, id });
                revocations.users.extend(users);
                revocations.agencies.extend(found.agencies);
                if !found.complete {
                    revocations.unknown.push(realm);
                }
            }
            Err(error) => {
                // Sidecars ask several times a second: a service that is down would fill the log, and they log it
                // themselves.
                if let identity::Error::Other(reason) = error {
                    service::warn!("revocations could not be read: {reason}");
                }
                revocations.unavailable.push(realm);
            }
        }
    }
    revocations
}

fn realm(realm: identity::Realm) -> Realm {
    match realm {
        identity::Realm::Organizer => Realm::Organizer,
        identity::Realm::Participant => Realm::Participant,
    }
}

/// Participants, and organizers who work for an agency. Administrators are refused, with or without preview.
fn principal(found: &identity::Principal) -> Option<Principal> {
    let realm = realm(found.realm);
    let is_admin = found.role.is_some_and(|role| role <= 1);
    let belongs = realm == Realm::Participant || found.agency_id.is_some();
    (belongs && !is_admin).then_some(Principal {
        user: User { realm, id: found.id },
        agency_id: found.agency_id,
        role: found.role,
        max_open_chats: found.max_open_chats,
        name: match realm {
            Realm::Organizer => found.name.clone(),
            Realm::Participant => String::new(),
        },
    })
}

/// Lets a sidecar or another service in.
pub(crate) fn admit_service(request: &Request) -> Result<(), Error> {
    let key = request
        .bearer()
        .ok_or(Error::Unauthorized("invalid authorization header"))?;
    if keys::is_of_service(key, "messenger_key")? {
        Ok(())
    } else {
        Err(Error::Unauthorized("invalid api key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(realm: identity::Realm, role: Option<u8>, agency_id: Option<i64>) -> identity::Principal {
        identity::Principal {
            realm,
            id: 7,
            role,
            agency_id,
            max_open_chats: None,
            name: String::new(),
        }
    }

    #[test]
    fn agency_users_and_participants_may_hold_sockets() {
        assert!(principal(&found(identity::Realm::Participant, None, None)).is_some());
        for role in 2..=4 {
            assert!(principal(&found(identity::Realm::Organizer, Some(role), Some(1))).is_some());
            assert!(principal(&found(identity::Realm::Organizer, Some(role), None)).is_none());
        }
    }

    #[test]
    fn administrators_are_refused_even_in_preview() {
        for role in 0..=1 {
            assert!(principal(&found(identity::Realm::Organizer, Some(role), Some(1))).is_none());
            assert!(principal(&found(identity::Realm::Organizer, Some(role), None)).is_none());
        }
    }
}
