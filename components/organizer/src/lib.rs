//! The organizer service: agencies, their users and events, administration, and the record of every change.
//!
//! Contract 1 to 3. Routes are below, `access` authorizes callers, `form` validates bodies, and every query of the
//! database is a function in `store`.

mod access;
mod admin;
mod agency;
mod answer;
mod canary;
mod chain;
mod changelogs;
mod comments;
mod contacts;
mod error;
mod events;
mod form;
/// Not part of a release build. `cargo fuzz` compiles with `fuzzing`.
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod image;
mod issues;
mod lists;
mod plans;
mod profile;
mod retention;
mod second_factor;
mod services;
mod session;
mod store;
mod tokens;
mod totp;
mod users;
mod words;

use http::{Method, StatusCode};
use service::door::{self, Answer, PREFLIGHT_MAX_AGE, Readers, Request};
use spin_sdk::http::{IncomingRequest, ResponseOutparam};

use crate::error::Error;

/// Where the service is mounted in `spin.toml`.
const MOUNT: &str = "organizer";

/// The service for client authors, in OpenAPI.
const DOCUMENT: &str = include_str!("../openapi.json");

/// Contract 3.2. Routes for services have a larger limit: our own services send lists, and bound them.
const BODY_LIMIT: usize = 100 * 1024;
const SERVICE_BODY_LIMIT: usize = 4 * 1024 * 1024;

#[expect(unsafe_code, reason = "the SDK generates the function that the host calls")]
mod entry {
    use super::{IncomingRequest, ResponseOutparam};

    #[spin_sdk::http_component]
    async fn entry(incoming: IncomingRequest, out: ResponseOutparam) {
        super::handle(incoming).await.send(out).await;
    }
}

async fn handle(incoming: IncomingRequest) -> Answer {
    let readers = Readers::of(&incoming);
    let answer = door::serve(
        incoming,
        MOUNT,
        body_limit,
        route,
        Error::into_answer,
        Some(store::open),
    )
    .await;
    // Contract 2.9.
    answer
        .for_api()
        .for_readers(readers)
        .with("access-control-allow-credentials", "true")
        .with("access-control-expose-headers", "Link, Retry-After")
}

fn body_limit(path: &[String]) -> usize {
    match path {
        [first, ..] if first == "api" => SERVICE_BODY_LIMIT,
        [.., last] if last == "plan" => plans::BODY_LIMIT,
        _ => BODY_LIMIT,
    }
}

service::routes! {
    /// Every route of the service (contract 3.4 and docs/organizer-api.md).
    fn routed(request: &Request) -> Result<Answer, Error> {
        "GET" ["openapi.json"] => Ok(Answer::document(DOCUMENT)),
        "GET" ["docs"] => Ok(redirect_to_docs()),

        "POST" ["auth", "sign-in"] => session::sign_in(request),
        "POST" ["auth", "sign-out"] => session::sign_out(request),
        "GET" ["profile"] => profile::show_profile(request),
        "PATCH" ["profile"] => profile::edit_profile(request),
        "PATCH" ["profile", "change-password"] => profile::change_password(request),
        "PATCH" ["profile", "set-agency"] => profile::set_agency(request),
        "GET" ["profile", "second-factor"] => second_factor::show_own(request),
        "POST" ["profile", "second-factor"] => second_factor::set_up(request),
        "POST" ["profile", "second-factor", "confirm"] => second_factor::confirm(request),
        "DELETE" ["profile", "second-factor"] => second_factor::remove_own(request),

        "POST" ["agency"] => agency::register_agency(request),
        "GET" ["agency"] => agency::show_agency(request),
        "PATCH" ["agency"] => agency::edit_agency(request),
        "DELETE" ["agency"] => agency::delete_agency(request),

        "GET" ["agency", "settings"] => agency::show_settings(request),
        "PATCH" ["agency", "settings"] => agency::edit_settings(request),

        "GET" ["agency", "users", "roles"] => users::list_roles(request),
        "GET" ["agency", "users"] => users::list_users(request),
        "GET" ["agency", "users", id] => users::show_user(request, id),
        "POST" ["agency", "users"] => users::create_user(request),
        "PATCH" ["agency", "users", id] => users::edit_user(request, id),
        "PATCH" ["agency", "users", id, "password"] => users::reset_password(request, id),
        "GET" ["agency", "users", id, "second-factor"] => users::show_second_factor(request, id),
        "DELETE" ["agency", "users", id, "second-factor"] => users::remove_second_factor(request, id),
        "DELETE" ["agency", "users", id] => users::delete_user(request, id),

        "GET" ["agency", "events"] => events::list_events(request),
        "GET" ["agency", "events", id] => events::show_event(request, id),
        "POST" ["agency", "events"] => events::create_event(request),
        "PATCH" ["agency", "events", id] => events::edit_event(request, id),
        "DELETE" ["agency", "events", id] => events::delete_event(request, id),

        "GET" ["agency", "events", id, "plan"] => plans::show_plan(request, id),
        "PUT" ["agency", "events", id, "plan"] => plans::set_plan(request, id),
        "DELETE" ["agency", "events", id, "plan"] => plans::remove_plan(request, id),

        "GET" ["agency", "contacts"] => contacts::list_contacts(request),
        "GET" ["agency", "contacts", id] => contacts::show_contact(request, id),
        "POST" ["agency", "contacts"] => contacts::create_contact(request),
        "PATCH" ["agency", "contacts", id] => contacts::edit_contact(request, id),
        "DELETE" ["agency", "contacts", id] => contacts::delete_contact(request, id),

        "GET" ["agency", "issues"] => issues::list_issues(request),
        "GET" ["agency", "issues", id] => issues::show_issue(request, id),
        "POST" ["agency", "issues"] => issues::create_issue(request),
        "PATCH" ["agency", "issues", id] => issues::edit_issue(request, id),
        "DELETE" ["agency", "issues", id] => issues::delete_issue(request, id),

        "GET" ["agency", "comments"] => comments::list_comments(request),
        "GET" ["agency", "comments", id] => comments::show_comment(request, id),
        "POST" ["agency", "comments"] => comments::create_comment(request),
        "PATCH" ["agency", "comments", id] => comments::edit_comment(request, id),
        "DELETE" ["agency", "comments", id] => comments::delete_comment(request, id),

        "GET" ["agency", "changelogs"] => changelogs::list_changelogs(request),
        "GET" ["agency", "changelogs", "verify"] => changelogs::verify_chain(request),
        "GET" ["agency", "changelogs", "chain"] => changelogs::list_chain(request),
        "GET" ["agency", "changelogs", id] => changelogs::show_changelog(request, id),

        "GET" ["admin", "agencies"] => admin::list_agencies(request),
        "GET" ["admin", "agencies", id] => admin::show_agency(request, id),
        "PATCH" ["admin", "agencies", id, "verify"] => admin::verify_agency(request, id),

        "GET" ["admin", "users", "roles"] => admin::list_roles(request),
        "GET" ["admin", "users"] => admin::list_users(request),
        "GET" ["admin", "users", id] => admin::show_user(request, id),
        "POST" ["admin", "users"] => admin::create_user(request),
        "PATCH" ["admin", "users", id] => admin::edit_user(request, id),
        "PATCH" ["admin", "users", id, "password"] => admin::reset_password(request, id),
        "GET" ["admin", "users", id, "second-factor"] => admin::show_second_factor(request, id),
        "DELETE" ["admin", "users", id, "second-factor"] => admin::remove_second_factor(request, id),
        "DELETE" ["admin", "users", id] => admin::delete_user(request, id),

        "GET" ["admin", "changelogs"] => changelogs::list_admin_changelogs(request),
        "GET" ["admin", "changelogs", "verify"] => changelogs::verify_admin_chain(request),
        "GET" ["admin", "changelogs", "chain"] => changelogs::list_admin_chain(request),
        "GET" ["admin", "changelogs", id] => changelogs::show_admin_changelog(request, id),

        "GET" ["api", "events"] => services::find_events(request),
        "GET" ["api", "events", id] => services::show_event(request, id),
        "POST" ["api", "principals"] => services::judge_tokens(request),
        "GET" ["api", "colleagues"] => services::list_colleagues(request),
        "GET" ["api", "deleted-agencies"] => services::list_deleted_agencies(request),
        "GET" ["api", "revocations"] => services::list_revocations(request),
        "POST" ["api", "canary"] => canary::set_up_agency(request),
        "POST" ["api", "removals"] => services::record_removals(request),
        "POST" ["api", "tick"] => retention::tick(request),
    }
}

fn route(request: &Request) -> Result<Answer, Error> {
    if request.method == Method::OPTIONS {
        return Ok(preflight(request));
    }
    routed(request).unwrap_or_else(|_| {
        Err(Error::UnknownRoute {
            method: request.method.to_string(),
            path: format!("/{}", request.path.join("/")),
        })
    })
}

/// Contract 3.4: the readable form of the document is one of the pages beside the services.
fn redirect_to_docs() -> Answer {
    Answer::empty(StatusCode::FOUND).with("location", "../docs/organizer")
}

/// Contract 2.9: 204, allowing all headers that the browser asks for.
fn preflight(request: &Request) -> Answer {
    let answer = Answer::empty(StatusCode::NO_CONTENT)
        .with("access-control-allow-methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
        .with("access-control-max-age", PREFLIGHT_MAX_AGE);
    match request.header("access-control-request-headers") {
        Some(headers) => answer
            .with("access-control-allow-headers", headers)
            .varying_by("Access-Control-Request-Headers"),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        api_documents::compare_routes(MOUNT, ROUTES).unwrap();
    }
}
