//! `GET /agency/organizers`: which organizers of an agency are present. docs/organizer-api.md describes it.

use http::StatusCode;
use serde::Serialize;
use service::door::{Answer, Request};

use crate::answer::json;
use crate::error::Error;
use crate::store::attendance::{self, Colleague};
use crate::{access, store};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ColleagueBody {
    organizer_id: i64,
    active_chats: i64,
    waiting: bool,
}

impl From<Colleague> for ColleagueBody {
    fn from(colleague: Colleague) -> Self {
        Self {
            organizer_id: colleague.organizer_id,
            active_chats: colleague.active_chats,
            waiting: colleague.is_waiting,
        }
    }
}

/// `GET /agency/organizers`
pub(crate) fn list_colleagues(request: &Request) -> Result<Answer, Error> {
    let agency_id = access::admit_organizer(request)?;
    let present = attendance::present(&store::open()?, agency_id)?;
    let bodies: Vec<_> = present.into_iter().map(ColleagueBody::from).collect();
    Ok(json(StatusCode::OK, &bodies))
}
