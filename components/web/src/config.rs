//! `GET /config.json`: what the pages have to know that differs from one installation to the next.

use http::StatusCode;
use serde::Serialize;
use service::door::Answer;
use service::settings;

use crate::error::Error;

/// The languages of the pages.
const LANGUAGES: [&str; 7] = ["en", "de", "pl", "es", "fr", "uk", "ar"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    /// Where the sockets are; empty: `/connect` on the page's own host.
    websocket_url: String,
    /// Where map tiles are, with `{z}`, `{x}` and `{y}`; empty: there are none.
    tile_url: String,
    languages: [&'static str; 7],
}

pub(crate) fn show() -> Result<Answer, Error> {
    let config = Config {
        websocket_url: settings::text("websocket_url")?,
        tile_url: settings::text("tile_url")?,
        languages: LANGUAGES,
    };
    Ok(Answer::json(StatusCode::OK, "application/json", &config).with("cache-control", "no-cache"))
}
