//! The web component: whatever `web/dist` had when the component was built is served as it is. Where there was nothing,
//! a page says so.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::json;

use crate::support::components::{Components, workspace};
use crate::support::door::Reply;

fn dist() -> PathBuf {
    workspace().join("web/dist")
}

/// What `web/` has built, by its path in URLs.
fn built() -> Vec<(String, Vec<u8>)> {
    fn find(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.expect("an entry");
            let name = format!("{prefix}/{}", entry.file_name().to_str().expect("UTF-8"));
            match entry.path().is_dir() {
                true => find(&entry.path(), &name, files),
                false => files.push((name, fs::read(entry.path()).expect("a file"))),
            }
        }
    }
    let mut files = Vec::new();
    find(&dist(), "", &mut files);
    files
}

async fn get(components: &Components, path: &str, headers: &[(&str, &str)]) -> Reply {
    components.door.send_with("GET", path, headers, "").await
}

/// The headers that every answer has.
#[track_caller]
fn check_guarded(reply: &Reply) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let permissions = reply.header("permissions-policy").expect("permissions");
    assert!(permissions.starts_with("geolocation=(self), "), "{permissions}");
    let policy = reply.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn every_address_of_a_page_leads_to_it() {
    let components = Components::with(&["web"], &[]);
    for (address, file) in [
        ("/", "index.html"),
        ("/help", "help.html"),
        ("/help/", "help.html"),
        ("/help/17", "help.html"),
        ("/help/17?lang=de", "help.html"),
        ("/console", "console.html"),
        ("/console/chats/3", "console.html"),
    ] {
        let reply = get(&components, address, &[]).await;
        check_guarded(&reply);
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        if built().is_empty() {
            assert_eq!(reply.status, 503, "{address}");
            assert!(reply.text().contains("cargo xtask build"), "{}", reply.text());
        } else if let Ok(page) = fs::read(dist().join(file)) {
            assert_eq!((reply.status, &reply.body[..]), (200, &page[..]), "{address}");
            assert_eq!(reply.header("cache-control"), Some("no-cache"));
        } else {
            assert_eq!(reply.status, 404, "{address}: the build has no {file}");
        }
    }
}

#[tokio::test]
async fn every_built_file_is_served_in_the_form_that_a_client_takes() {
    let components = Components::with(&["web"], &[]);
    for (path, content) in built() {
        let mut tags = Vec::new();
        for accept in ["identity", "gzip", "gzip, br"] {
            let reply = get(&components, &path, &[("accept-encoding", accept)]).await;
            check_guarded(&reply);
            assert_eq!(reply.status, 200, "{path}");
            let policy = reply.header("content-security-policy").expect("a policy");
            let fetches = path.ends_with(".html") || path == "/sw.js";
            assert_eq!(
                policy.contains("; connect-src 'self'"),
                fetches,
                "{path}: {policy}"
            );
            let media_type = reply.header("content-type").expect("a type");
            let is_text = ["text/", "image/svg+xml"]
                .iter()
                .any(|text| media_type.starts_with(text));
            assert_eq!(
                media_type.ends_with("; charset=utf-8"),
                is_text,
                "{path}: {media_type}"
            );
            let body = match reply.header("content-encoding") {
                None => reply.body.to_vec(),
                Some("gzip") => {
                    let mut body = Vec::new();
                    GzDecoder::new(&reply.body[..])
                        .read_to_end(&mut body)
                        .expect("gzip");
                    body
                }
                Some("br") => {
                    let mut body = Vec::new();
                    brotli::Decompressor::new(&reply.body[..], 4096)
                        .read_to_end(&mut body)
                        .expect("brotli");
                    body
                }
                Some(other) => panic!("{path} comes as {other}"),
            };
            assert_eq!(body, content, "{path} as {accept}");
            assert!(reply.body.len() <= content.len(), "{path} as {accept}");
            assert_eq!(
                reply.header("cache-control"),
                Some(match path.starts_with("/assets/") {
                    true => "public, max-age=31536000, immutable",
                    false => "no-cache",
                })
            );
            let tag = reply.header("etag").expect("a tag").to_owned();
            assert!(tag.starts_with('"'), "{tag} is weak");
            tags.push((tag, reply.header("content-encoding").map(str::to_owned)));
        }
        for (tag, encoding) in &tags {
            let same = tags.iter().filter(|(other, _)| other == tag);
            assert!(
                same.clone().all(|(_, other)| other == encoding),
                "{path}: {tags:?}"
            );
            let headers = [
                (
                    "accept-encoding",
                    encoding.as_deref().map_or("identity", |encoding| encoding),
                ),
                ("if-none-match", &*format!("\"other\", W/{tag}")),
            ];
            let reply = get(&components, &path, &headers).await;
            assert_eq!((reply.status, reply.text().as_str()), (304, ""), "{path}");
            assert_eq!(reply.header("etag"), Some(&**tag));
            check_guarded(&reply);
            let changed = get(&components, &path, &[("if-none-match", "\"other\"")]).await;
            assert_eq!(changed.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn an_unknown_address_is_a_small_page() {
    let components = Components::with(&["web"], &[]);
    for path in [
        "/nothing",
        "/assets/",
        "/assets/../spin.toml",
        "/%2e%2e/spin.toml",
        "/help/1/2",
        "/nothing.js",
    ] {
        let reply = get(&components, path, &[]).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.text().contains("<a href=\"/\">"), "{}", reply.text());
        check_guarded(&reply);
    }
}

#[tokio::test]
async fn pages_can_only_be_read() {
    let components = Components::with(&["web"], &[]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let reply = components.door.send_with(method, "/config.json", &[], "").await;
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD"));
        check_guarded(&reply);
    }
    let whole = get(&components, "/config.json", &[]).await;
    let head = components.door.send_with("HEAD", "/config.json", &[], "").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), whole.header("content-length"));
}

#[tokio::test]
async fn pages_are_told_where_sockets_and_tiles_are() {
    let components = Components::with(&["web"], &[]);
    let languages = ["en", "de", "pl", "es", "fr", "uk", "ar"];
    let config = get(&components, "/config.json", &[]).await;
    check_guarded(&config);
    assert_eq!(config.header("cache-control"), Some("no-cache"));
    assert_eq!(
        config.json(200),
        json!({"websocketUrl": "", "tileUrl": "", "languages": languages})
    );
    let (websocket_url, tile_url) = (
        "wss://ws.example.org/connect",
        "https://tile.example.org/{z}/{x}/{y}.png",
    );
    let variables = [("websocket_url", websocket_url), ("tile_url", tile_url)];
    let elsewhere = Components::with(&["web"], &variables);
    assert_eq!(
        get(&elsewhere, "/config.json", &[]).await.json(200),
        json!({"websocketUrl": websocket_url, "tileUrl": tile_url, "languages": languages})
    );
    if !built().is_empty() {
        let policy = async |components: &Components, headers: &[(&str, &str)]| {
            let page = get(components, "/help", headers).await;
            page.header("content-security-policy")
                .expect("a policy")
                .to_owned()
        };
        let policy_elsewhere = policy(&elsewhere, &[]).await;
        for part in [
            "img-src 'self' data: https://tile.example.org; ",
            "connect-src 'self' wss://ws.example.org; ",
        ] {
            assert!(policy_elsewhere.contains(part), "{policy_elsewhere}");
        }
        let host = ("host", "help.example.org");
        // The host's own header comes after that of the client.
        let forged = ("spin-full-url", "http://other.example.org/help");
        for headers in [&[host][..], &[host, forged]] {
            let own = policy(&components, headers).await;
            assert!(
                own.contains("connect-src 'self' ws://help.example.org; "),
                "{own}"
            );
        }
    }
}

/// A proxy that ends TLS says so. The answers of all services say it, refusals too.
#[tokio::test]
async fn who_came_by_https_is_told_to_stay_there() {
    let all = &["organizer", "participant", "messenger", "web"];
    let by_default = Components::with(all, &[]);
    let subdomains = "max-age=31536000; includeSubDomains";
    let with_subdomains = Components::with(all, &[("strict_transport_security", subdomains)]);
    for path in [
        "/config.json",
        "/nothing",
        "/organizer/openapi.json",
        "/organizer/profile",
        "/participant/events",
        "/messenger/agency/chats",
    ] {
        let header = async |components: &Components, scheme: &str| {
            let answer = get(components, path, &[("x-forwarded-proto", scheme)]).await;
            answer.header("strict-transport-security").map(str::to_owned)
        };
        assert_eq!(header(&by_default, "http").await, None, "{path}");
        let year = Some("max-age=31536000".to_owned());
        assert_eq!(header(&by_default, "https").await, year, "{path}");
        let expected = Some(subdomains.to_owned());
        assert_eq!(header(&with_subdomains, "https").await, expected, "{path}");
    }
    let none = Components::with(&["web"], &[("strict_transport_security", "")]);
    let answer = get(&none, "/config.json", &[("x-forwarded-proto", "https")]).await;
    assert_eq!(answer.header("strict-transport-security"), None);
}

#[tokio::test]
async fn the_apis_win_over_the_pages() {
    let components = Components::with(&["organizer", "participant", "messenger", "web"], &[]);
    let get = async |path: &str| get(&components, path, &[]).await;
    assert_eq!(get("/organizer/nothing").await.json(404)["statusCode"], 404);
    for path in ["/participant/nothing", "/messenger/nothing"] {
        assert_eq!(get(path).await.text(), "404 page not found", "{path}");
    }
    assert_eq!(get("/participant").await.text(), "404 page not found");
    assert!(get("/participants").await.text().contains("<h1>"));
}
