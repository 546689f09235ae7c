//! Keys and secrets are replaced in three rollouts while everybody works (docs/operations.md). During each, hosts of two
//! neighbouring stages serve the same databases.

use crate::support::components::{
    Components, MESSENGER_KEY, ORGANIZER_JWT_SECRET, ORGANIZER_KEY, PARTICIPANT_JWT_SECRET, PARTICIPANT_KEY,
    SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD,
};
use crate::support::door::Door;
use crate::support::people;

const SERVICES: [&str; 3] = ["organizer", "participant", "messenger"];

/// Each variable with its value before the rotation, and with the one behind it.
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
    ("organizer_key", ORGANIZER_KEY, "new-organizer-key"),
    ("participant_key", PARTICIPANT_KEY, "new-participant-key"),
    ("messenger_key", MESSENGER_KEY, "new-messenger-key"),
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
async fn tokens_are_honoured_by_neighbouring_stages() {
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
            let statuses = [organizer.status, participant.status];
            if at.abs_diff(by) <= 1 {
                assert_eq!(statuses, [200, 200], "issued at stage {by}, shown at {at}");
            }
            // Only the stages that know nothing of each other's secret refuse.
            let is_refused = matches!((at, by), (0, 2 | 3) | (3, 0 | 1));
            assert_eq!(
                statuses != [200, 200],
                is_refused,
                "issued at stage {by}, shown at {at}"
            );
        }
    }
}

#[tokio::test]
async fn services_keys_are_honoured_by_neighbouring_stages() {
    let components = Components::start();
    for (stage, host) in stages(&components).iter().enumerate() {
        for (path, old, new) in [
            ("/messenger/internal/tick", MESSENGER_KEY, "new-messenger-key"),
            (
                "/participant/internal/tick",
                PARTICIPANT_KEY,
                "new-participant-key",
            ),
        ] {
            let old = host.send("POST", path, Some(old), None).await.status;
            let new = host.send("POST", path, Some(new), None).await.status;
            assert_eq!(
                (old, new),
                match stage {
                    0 => (200, 401),
                    3 => (401, 200),
                    _ => (200, 200),
                },
                "{path} at stage {stage}"
            );
        }
        let colleagues = "/organizer/api/colleagues?agencyId=1&ids=1";
        let old = host
            .send("GET", colleagues, Some(ORGANIZER_KEY), None)
            .await
            .status;
        let new = host
            .send("GET", colleagues, Some("new-organizer-key"), None)
            .await
            .status;
        assert_eq!(
            [old == 200, new == 200],
            [stage < 3, stage > 0],
            "at stage {stage}"
        );
    }
}
