//! Agencies, for their own users (contract 3.4, "Agency").

use http::StatusCode;
use service::database::{self, Connection, transaction};
use service::door::{Answer, Request};
use service::settings;
use service::throttle::{self, Newcomers};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::store::agencies::{self, AgencyEdits, AgencyWithSettings, SettingsEdits};
use crate::store::changelogs::{self, Change};
use crate::store::users::{self, Role};
use crate::store::{self, removal};
use crate::users::{PHONE_RULES, Person};

const NAME_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(200)];
const ADDRESS_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(400)];
const WEBSITE_RULES: &[Rule] = &[Rule::Website, Rule::MaxLength(400)];

/// The largest cap that an agency can set.
const MOST_OPEN_CHATS: i64 = 1000;

/// An agency that is founded, and its owner.
pub(crate) struct Registration {
    pub name: String,
    pub address: String,
    pub website: String,
    pub owner: Person,
}

impl Registration {
    pub(crate) fn read(form: &mut Form) -> Registration {
        let (name, address, website) = form.nested("agency", "agency.", |agency| {
            (
                agency.text("name", NAME_RULES),
                agency.text("address", ADDRESS_RULES),
                agency.text("website", WEBSITE_RULES),
            )
        });
        Registration {
            name,
            address,
            website,
            owner: form.nested("owner", "owner.", Person::read),
        }
    }
}

/// `POST /agency`: an agency, unapproved, and its owner, in one transaction.
pub(crate) fn register_agency(request: &Request) -> Result<Answer, Error> {
    let Registration {
        name,
        address,
        website,
        owner,
    } = Form::parse(request, Registration::read)?;
    owner
        .context(Some(&name))
        .check("owner.password", &owner.password)?;

    let connection = store::open()?;
    admit(&connection, request)?;
    let owner = owner.into_user(&connection, Role::AgencyOwner, false)?;
    let agency = transaction(&connection, |connection| {
        let agency = agencies::insert(connection, &name, &address, &website)?.ok_or_else(name_taken)?;
        let owner = users::insert(connection, &owner, Some(agency.id), database::now(connection)?)?
            .ok_or_else(|| Error::BadRequest("Owner email is already taken".to_owned()))?;
        changelogs::record(connection, &owner, Change::insert(&agency)?)?;
        changelogs::record(connection, &owner, Change::insert(&owner)?)?;
        Ok::<_, Error>(agency)
    })?;
    Ok(json(StatusCode::CREATED, &agency))
}

/// Counts an agency, unless too many come from the same address.
fn admit(connection: &Connection, request: &Request) -> Result<(), Error> {
    let address = throttle::address(request, &settings::text("client_address_header")?);
    let secret = settings::secret("organizer_jwt_secret")?;
    let now = database::now(connection)?;
    throttle::admit(connection, Newcomers::Agencies, &secret, &address, now).map_err(|throttled| {
        Error::TooManyAgencies {
            retry_after: throttled.retry_after,
        }
    })
}

/// `GET /agency`. An administrator without preview gets an empty body.
pub(crate) fn show_agency(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    Ok(caller.agency.map_or_else(
        || Answer::empty(StatusCode::OK),
        |agency| json(StatusCode::OK, &agency),
    ))
}

pub(crate) fn read_edits(form: &mut Form) -> AgencyEdits {
    AgencyEdits {
        name: form.optional_text("name", NAME_RULES),
        address: form.optional_text("address", ADDRESS_RULES),
        website: form.nullable_text("website", WEBSITE_RULES),
    }
}

/// `PATCH /agency`
pub(crate) fn edit_agency(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Owner)?;
    let edits = Form::parse(request, read_edits)?;

    let agency = caller.change(&connection, |connection, caller| {
        let agency = agencies::update(connection, caller.agency_id()?, &edits)?.ok_or_else(name_taken)?;
        changelogs::record(connection, &caller.user, Change::update(&agency)?)?;
        Ok(agency)
    })?;
    Ok(json(StatusCode::OK, &agency))
}

/// `DELETE /agency`
pub(crate) fn delete_agency(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Owner)?;
    let agency = caller.change(&connection, |connection, caller| {
        let agency = caller.agency()?;
        removal::delete_agency(connection, &caller.user, agency)?;
        Ok(agency.clone())
    })?;
    Ok(json(StatusCode::OK, &agency))
}

/// `GET /agency/settings`. The contract does not have them, so they are not fields of the agency.
pub(crate) fn show_settings(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let settings = agencies::settings(&connection, caller.agency_id()?)?.ok_or(Error::Forbidden)?;
    Ok(json(StatusCode::OK, &settings))
}

pub(crate) fn read_settings(form: &mut Form) -> SettingsEdits {
    SettingsEdits {
        max_open_chats: form.nullable_integer("maxOpenChats", 1, MOST_OPEN_CHATS),
        help_phone_number: form.nullable_text("helpPhoneNumber", PHONE_RULES),
    }
}

/// `PATCH /agency/settings`
pub(crate) fn edit_settings(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Owner)?;
    let edits = Form::parse(request, read_settings)?;

    let settings = caller.change(&connection, |connection, caller| {
        let agency = caller.agency()?;
        let settings = agencies::update_settings(connection, agency.id, &edits)?.ok_or(Error::Forbidden)?;
        let updated = AgencyWithSettings {
            agency,
            settings: &settings,
        };
        changelogs::record(connection, &caller.user, Change::update(&updated)?)?;
        Ok(settings)
    })?;
    Ok(json(StatusCode::OK, &settings))
}

fn name_taken() -> Error {
    Error::BadRequest("Agency name is already taken".to_owned())
}
