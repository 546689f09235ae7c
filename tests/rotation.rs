//! Operators replace keys and secrets in three rollouts without downtime (docs/operations.md). During each rollout,
//! hosts of two neighbouring stages serve the same databases.

use mayday_tests::settings::SERVICES;

use crate::support::components::{
    Components, MESSENGER_KEY, ORGANIZER_JWT_SECRET, ORGANIZER_KEY, PARTICIPANT_JWT_SECRET, PARTICIPANT_KEY,
    SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD,
};
use crate::support::door::Door;
use crate::support::people;

/// Each variable with its values before and after the rotation.
const ROTATED: [(&str, &str, &str); 5] = [
    (
        "organizer_jwt_secret",
        ORGANIZER_JWT_SECRET,
        "a new organizer secret of 32 bytes at least",
    ),
    (
        "participant_jwt_secret",
        PARTICIPANT_JWT_SECRET,
        "a new participant secret of 32 bytes at least",
    ),
    (
        "organizer_key",
        ORGANIZER_KEY,
        "new-organizer-key-of-32-bytes-at-least",
    ),
    (
        "participant_key",
        PARTICIPANT_KEY,
        "new-participant-key-of-32-bytes-at-least",
    ),
    (
        "messenger_key",
        MESSENGER_KEY,
        "new-messenger-key-of-32-bytes-at-least",
    ),
];

/// A host at each stage: before, after the first rollout, the second and the third.
fn stages(components: &Components) -> [Door; 4] {
    let host = |pair: fn(&'static str, &'static str) -> (&'static str, &'static str)| {
        let variables: Vec<(String, &str)> = ROTATED
            .iter()
            .flat_map(|(name, old, new)| {
                let (value, previous) = pair(old, new);
                [(name.to_string(), value), (format!("{name}_previous"), previous)]
            })
            .collect();
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        components.another_host(&SERVICES, &variables)
    };
    [
        host(|old, _| (old, "")),
        host(|old, new| (old, new)),
        host(|old, new| (new, old)),
        host(|_, new| (new, "")),
    ]
}

#[tokio::test]
async fn tokens_are_accepted_by_neighbouring_stages() {
    let components = Components::start();
    let hosts = stages(&components);
    let mut issued = Vec::new();
    for (stage, host) in hosts.iter().enumerate() {
        let organizer = people::sign_in(host, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await;
        let participant = people::sign_up(host, &format!("p{stage}@example.org")).await;
        issued.push((organizer.token, participant.token));
    }
    for (at, host) in hosts.iter().enumerate() {
        for (by, (organizer, participant)) in issued.iter().enumerate() {
            let organizer = host
                .send("GET", "/organizer/profile", Some(organizer), None)
                .await;
            let participant = host
                .send("GET", "/participant/profile", Some(participant), None)
                .await;
            // Stages that do not know each other's secrets refuse. They never serve at the same time.
            let expected = match (at, by) {
                (0, 2 | 3) | (3, 0 | 1) => [403, 401],
                _ => [200, 200],
            };
            assert_eq!(
                [organizer.status, participant.status],
                expected,
                "issued at stage {by}, shown at {at}"
            );
        }
    }
}

#[tokio::test]
async fn service_keys_are_accepted_by_neighbouring_stages() {
    let components = Components::start();
    let colleagues = "/organizer/api/colleagues?agencyId=1&ids=1";
    for (stage, host) in stages(&components).iter().enumerate() {
        for (method, path, variable) in [
            ("POST", "/messenger/internal/tick", "messenger_key"),
            ("POST", "/participant/internal/tick", "participant_key"),
            ("GET", colleagues, "organizer_key"),
        ] {
            let rotated = ROTATED.iter().find(|(name, ..)| *name == variable);
            let (_, old, new) = rotated.expect("a variable");
            let expected = |is_honoured| if is_honoured { 200 } else { 401 };
            for (key, is_honoured) in [(old, stage < 3), (new, stage > 0)] {
                let reply = host.send(method, path, Some(key), None).await;
                assert_eq!(
                    reply.status,
                    expected(is_honoured),
                    "{path} with {key} at stage {stage}"
                );
            }
        }
    }
}
