//! The plan of an event's venue (docs/organizer-api.md): an image, and where its edges are.

use http::StatusCode;
use service::database::Connection;
use service::door::{Answer, Request};

use crate::access::{self, Caller, Need};
use crate::answer::json;
use crate::chain::sha256;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::store::changelogs::{self, Change};
use crate::store::events::Event;
use crate::store::plans::{self, EventWithPlan, Plan};
use crate::{events, image, store};

/// The most bytes of the body of a plan: the image in base64, and the rest.
pub(crate) const BODY_LIMIT: usize = image::MOST_BYTES / 3 * 4 + 16 * 1024;

/// `GET /agency/events/:id/plan`
pub(crate) fn show_plan(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    find_event(&connection, &caller, id)?;
    let plan = plans::find(&connection, id)?.ok_or_else(|| not_found(id))?;
    Ok(json(StatusCode::OK, &plan))
}

/// The plan of an event, and its image.
pub(crate) fn read_plan(form: &mut Form, event_id: i64) -> (Plan, String) {
    let image = form.text("image", &[Rule::Image]);
    let plan = Plan {
        event_id,
        sha256: image::bytes(&image).map(sha256).unwrap_or_default(),
        north: form.coordinate("north", Rule::Latitude).degrees,
        south: form.coordinate("south", Rule::Latitude).degrees,
        east: form.coordinate("east", Rule::Longitude).degrees,
        west: form.coordinate("west", Rule::Longitude).degrees,
    };
    form.must_exceed("north", "south");
    form.must_exceed("east", "west");
    (plan, image)
}

/// `PUT /agency/events/:id/plan`
pub(crate) fn set_plan(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let (plan, image) = Form::parse(request, |form| read_plan(form, id))?;

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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_largest_image_fits_into_a_body() {
        let image = STANDARD.encode(vec![0; image::MOST_BYTES]);
        assert!(image.len() + 1024 < BODY_LIMIT);
    }
}
