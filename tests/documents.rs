//! The documents for client authors, as they are served: for programs beside each service and beside the socket, for
//! people at `/docs`.

use std::{env, fs};

use crate::support::components::{Components, SERVICES, workspace};

fn content(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).expect("a document")
}

/// Whether the pages have been built with this file. A machine without Node leaves them out; CI does not.
fn is_built(file: &str) -> bool {
    let exists = workspace().join("web/dist").join(file).exists();
    assert!(exists || env::var_os("CI").is_none(), "{file} is not built");
    exists
}

#[tokio::test]
async fn every_service_serves_its_document() {
    let components = Components::start();
    for service in SERVICES {
        let path = format!("/{service}/openapi.json");
        let origin = [("origin", "https://example.org")];
        let reply = components.door.send_with("GET", &path, &origin, "").await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(
            reply.text(),
            content(&format!("components/{service}/openapi.json"))
        );
        let head = components.door.send("HEAD", &path, None, None).await;
        assert_eq!(head.status, 200);
    }
}

/// Contract 3.4 has the pages at `/docs` of the organizer service.
#[tokio::test]
async fn the_documents_are_pages_too() {
    let components = Components::with(&["organizer", "web"], &[]);
    let redirect = components.door.send("GET", "/organizer/docs", None, None).await;
    redirect.empty(302);
    assert_eq!(redirect.header("location"), Some("../docs/organizer"));
    // The component has what was built when it was built. What the page shows, it reads from the documents.
    let status = if is_built("docs.html") { 200 } else { 503 };
    for path in [
        "/docs",
        "/docs/organizer",
        "/docs/participant",
        "/docs/messenger",
        "/docs/socket",
    ] {
        let page = components.door.send("GET", path, None, None).await;
        assert_eq!(page.status, status, "{path}");
    }
    let nothing = components.door.send("GET", "/docs/nowhere", None, None).await;
    assert_eq!(nothing.status, 404);
}

/// The component has it by itself, so a machine without Node serves it, too.
#[tokio::test]
async fn the_document_of_the_socket_is_beside_the_pages() {
    let components = Components::with(&["web"], &[]);
    let reply = components.door.send("GET", "/asyncapi.json", None, None).await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, content("sidecar/asyncapi.json"))
    );
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let policy = reply.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
}
