//! Slow clients and unusual headers at the host's door, with the real services behind it.

use std::convert::Infallible;

use api_documents::check_answer;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::components::Components;
use crate::support::door::Door;
use crate::support::people;
use crate::support::socket::Socket;
use crate::support::system::System;

/// An unfinished request takes no place, so it does not delay clients that send whole requests.
#[tokio::test]
async fn presses_and_chats_go_on_beside_two_thousand_unfinished_requests() {
    const CLIENTS: usize = 2000;
    listener::raise_open_file_limit();
    assert!(
        listener::open_file_limit() > CLIENTS + 200,
        "this test needs more open files"
    );
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let Door::Network { origin, .. } = &system.door else {
        panic!("the host is another process");
    };
    let address = origin.strip_prefix("http://").unwrap();
    let mut slow = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(address).await.unwrap();
        let half = b"POST /organizer/auth/sign-in HTTP/1.1\r\nhost: mayday\r\ncontent-length: 100\r\n\r\n{";
        client.write_all(half).await.unwrap();
        slow.push(client);
    }
    let person = people::sign_up(&system.door, "p@example.org").await;
    person.press_help(agency.event_id, "in a hurry").await.empty(200);
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    support.send("start_chat", "".into()).await;
    support.expect("new_chat").await;
    assert_eq!(support.expect_message().await, "Problem description: in a hurry");
    drop(slow);
}

/// Clients may send any bytes in headers that no service reads.
#[tokio::test]
async fn a_header_that_is_not_utf_8_fails_no_request() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    for (path, bearer) in [
        ("/organizer/profile", &agency.owner.token),
        ("/participant/events", &participant.token),
        ("/messenger/participant/chats", &participant.token),
    ] {
        let request = http::Request::get(path)
            .header("authorization", format!("Bearer {bearer}"))
            .header("user-agent", HeaderValue::from_bytes(b"caf\xe9").unwrap())
            .body(Full::<Bytes>::default())
            .unwrap();
        let reply = components.door.try_send_request(request).await.unwrap();
        assert_eq!(reply.status, 200, "{path}");
    }
    let request = http::Request::get("/participant/profile")
        .header(
            "authorization",
            HeaderValue::from_bytes(b"Bearer caf\xe9").unwrap(),
        )
        .body(Full::<Bytes>::default())
        .unwrap();
    let reply = components.door.try_send_request(request).await.unwrap();
    assert_eq!(reply.status, 401, "a header that is read may be wrong");
}

/// The host refuses a body that does not arrive, and the documents of the services say how.
#[tokio::test]
async fn a_body_that_never_arrives_is_refused_at_every_service() {
    let components = Components::start();
    components.superadmin().await;
    let Door::Host(app) = &components.door else {
        panic!("the host is a library here");
    };
    // The host's patience passes at once.
    tokio::time::pause();
    for path in [
        "/organizer/auth/sign-out",
        "/participant/chat-requests",
        "/messenger/agency/chats/search",
    ] {
        let never = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let request = http::Request::post(path).body(never).unwrap();
        let (head, body) = app.handle(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let status = head.status.as_u16();
        check_answer("POST", path, status, &head.headers, &body).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({
                "statusCode": 408,
                "message": "the request took too long to arrive",
                "error": "Request Timeout",
            })
        );
    }
}
