//! The plan of an event's venue (docs/organizer-api.md): an image, and where its edges are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use service::database::Connection;
use service::door::{Answer, Request};

use crate::access::{self, Caller, Need};
use crate::chain::sha256;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::store::changelogs::{self, Change};
use crate::store::events::Event;
use crate::store::plans::{self, EventWithPlan, Plan};
use crate::{events, json, store};

/// The most bytes of an image.
const MOST_BYTES: usize = 512 * 1024;

/// The most bytes of the body of a plan: the image in base64, and the rest.
pub(crate) const BODY_LIMIT: usize = MOST_BYTES / 3 * 4 + 16 * 1024;

/// `GET /agency/events/:id/plan`
pub(crate) fn show_plan(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    find_event(&connection, &caller, id)?;
    let plan = plans::find(&connection, id)?.ok_or_else(|| not_found(id))?;
    Ok(json(StatusCode::OK, &plan))
}

/// `PUT /agency/events/:id/plan`
pub(crate) fn set_plan(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let mut form = Form::read(request)?;
    let image = form.text("image", &[Rule::Image]);
    let plan = Plan {
        event_id: id,
        sha256: image_bytes(&image).map(sha256).unwrap_or_default(),
        north: form.coordinate("north", Rule::Latitude).degrees,
        south: form.coordinate("south", Rule::Latitude).degrees,
        east: form.coordinate("east", Rule::Longitude).degrees,
        west: form.coordinate("west", Rule::Longitude).degrees,
    };
    form.must_exceed("north", "south");
    form.must_exceed("east", "west");
    form.finish()?;

    caller.change(&connection, |connection, caller| {
        let event = Event {
            has_plan: true,
            ..find_event(connection, caller, id)?
        };
        plans::set(connection, &plan, &image)?;
        record(connection, caller, &event, Some(&plan))
    })?;
    Ok(json(StatusCode::OK, &plan))
}

/// `DELETE /agency/events/:id/plan`
pub(crate) fn remove_plan(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let plan = caller.change(&connection, |connection, caller| {
        let event = Event {
            has_plan: false,
            ..find_event(connection, caller, id)?
        };
        let plan = plans::remove(connection, id)?.ok_or_else(|| not_found(id))?;
        record(connection, caller, &event, None)?;
        Ok(plan)
    })?;
    Ok(json(StatusCode::OK, &plan))
}

fn find_event(connection: &Connection, caller: &Caller, id: i64) -> Result<Event, Error> {
    let agency_id = caller.agency_id()?;
    store::events::find_of_agency(connection, id, agency_id)?.ok_or_else(|| events::not_found(id, agency_id))
}

/// The record has the image's hash, not the image.
fn record(connection: &Connection, caller: &Caller, event: &Event, plan: Option<&Plan>) -> Result<(), Error> {
    let changed = Change::update(&EventWithPlan { event, plan })?;
    changelogs::record(connection, &caller.user, changed)
}

fn not_found(id: i64) -> Error {
    Error::NotFound(format!("Event with id {id} has no plan"))
}

/// The bytes of an image of at most 512 KiB in a data URL: a PNG, a JPEG or a WebP, by its media type and by its first
/// bytes.
pub(crate) fn image_bytes(data_url: &str) -> Option<Vec<u8>> {
    let (media_type, data) = data_url.strip_prefix("data:image/")?.split_once(";base64,")?;
    let bytes = STANDARD.decode(data).ok()?;
    let begins_as_told = match media_type {
        "png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "jpeg" => bytes.starts_with(b"\xff\xd8\xff"),
        "webp" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        _ => false,
    };
    (begins_as_told && bytes.len() <= MOST_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_url(media_type: &str, bytes: &[u8]) -> String {
        format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
    }

    #[test]
    fn an_image_is_what_its_first_bytes_say() {
        let (png, jpeg, webp) = (
            &b"\x89PNG\r\n\x1a\nrest"[..],
            &b"\xff\xd8\xff\xe0rest"[..],
            &b"RIFF\x10\0\0\0WEBPVP8 "[..],
        );
        for (media_type, bytes) in [("image/png", png), ("image/jpeg", jpeg), ("image/webp", webp)] {
            assert_eq!(image_bytes(&data_url(media_type, bytes)).as_deref(), Some(bytes));
        }
        for (media_type, bytes) in [
            ("image/png", jpeg),
            ("image/jpeg", png),
            ("image/webp", b"RIFF\x10\0\0\0WAVEfmt "),
            ("image/webp", b"RIFF"),
            ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            ("image/png;charset=utf-8", png),
            ("text/html", png),
            ("image/png", b""),
        ] {
            assert_eq!(image_bytes(&data_url(media_type, bytes)), None, "{media_type}");
        }
        let url = data_url("image/png", png);
        for broken in [
            &url[1..],
            &url.replace("base64", "utf8"),
            &url.replace("base64,", "base64,%"),
        ] {
            assert_eq!(image_bytes(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_image_and_its_body_have_bounds() {
        let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
        image.resize(MOST_BYTES, 0);
        let url = data_url("image/png", &image);
        assert!(image_bytes(&url).is_some());
        assert!(url.len() + 1024 < BODY_LIMIT);
        image.push(0);
        assert_eq!(image_bytes(&data_url("image/png", &image)), None);
    }
}
