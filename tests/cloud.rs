//! The manifests for Fermyon Cloud, on the embedded host. `cargo xtask check` compares them with `spin.toml`.

use crate::support::components::{Components, MESSENGER_KEY, PARTICIPANT_KEY};
use crate::support::people;

/// The public address of the app. Nothing here calls it.
const APP: &str = "https://mayday.example";

/// Signs in with what the variables say.
async fn superadmin_has_a_profile(components: &Components) {
    let superadmin = components.superadmin().await;
    superadmin.get("/organizer/profile").await.json(200);
}

#[tokio::test]
async fn the_organizer_service_runs_alone() {
    let components = Components::of("deploy/fermyon-cloud/organizer.toml", &[]);
    superadmin_has_a_profile(&components).await;
}

#[tokio::test]
async fn services_and_pages_run_without_a_dispatcher() {
    let sockets = "wss://sockets.example/connect";
    let components = Components::of(
        "deploy/fermyon-cloud/spin.toml",
        &[
            ("organizer_url", APP),
            ("participant_url", APP),
            ("messenger_url", APP),
            ("websocket_url", sockets),
        ],
    );
    superadmin_has_a_profile(&components).await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    participant.get("/participant/profile").await.json(200);
    for (path, key) in [
        ("/participant/internal/tick", PARTICIPANT_KEY),
        ("/messenger/internal/tick", MESSENGER_KEY),
    ] {
        components
            .door
            .send("POST", path, Some(key), None)
            .await
            .empty(200);
    }
    let config = components.door.send("GET", "/config.json", None, None).await;
    assert_eq!(config.json(200)["websocketUrl"], sockets);
}
