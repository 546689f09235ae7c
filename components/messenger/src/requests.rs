//! Requests for help: the participant service delivers them, asks for their place in the queue, and cancels them.

use http::StatusCode;
use service::clock;
use service::database::{Connection, snapshot, transaction};
use service::door::{Answer, Request};
use service::internal::{
    AmendOutcome, Amended, Amendment, Cancellation, Cancelled, ContactChange, ContactChanges, HandOver,
    HandOvers, HelpRequest, HelpRequests, Progress, Standing, Standings,
};
use sidecar_api::update::Body;
use sidecar_api::{Realm, User};

use crate::answer::json;
use crate::error::Error;
use crate::notes::GUEST_SIGNED_IN;
use crate::store::contacts::Kept;
use crate::store::queue::{self, Arrival, Place};
use crate::store::{chats, contacts, hand_overs, stored, updates};
use crate::{access, body, description, frames, ids, notes, store};

/// `POST /internal/requests`: stores presses. After the answer they are in their queues.
pub(crate) fn enqueue(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let HelpRequests { requests } = body::parse(request)?;
    let arrivals = requests.into_iter().map(arrival).collect::<Result<Vec<_>, _>>()?;
    queue::enqueue(&store::open()?, &arrivals)?;
    let ids: Vec<&str> = arrivals
        .iter()
        .map(|arrival| arrival.request.id.as_str())
        .collect();
    service::info!("requests are queued: {}", ids.join(", "));
    Ok(Answer::empty(StatusCode::OK))
}

fn arrival(request: HelpRequest) -> Result<Arrival, Error> {
    let first_message = description::compose(request.kind.as_deref(), &request.description);
    let now = clock::now();
    Ok(Arrival {
        request,
        chat_id: ids::new(now)?,
        message_id: ids::new(now)?,
        first_message,
    })
}

/// `GET /internal/standings?ids=...`: where each request is.
pub(crate) fn list_standings(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ids: Vec<&str> = request
        .query("ids")
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.is_empty())
        .collect();
    let standings = snapshot(&store::open()?, |connection| standings(connection, &ids))?;
    Ok(json(StatusCode::OK, &Standings { standings }))
}

fn standings(connection: &Connection, ids: &[&str]) -> Result<Vec<Option<Standing>>, Error> {
    let standing = |open: queue::Open| {
        let progress = match open.place {
            Place::Waiting { agency_id, ahead } => Progress::Waiting {
                ahead,
                estimate: queue::estimate(connection, agency_id)?,
            },
            Place::Active => Progress::Active,
        };
        let own_words = description::own_words(open.kind.as_deref(), &open.first_message).to_owned();
        Ok::<_, Error>(Standing {
            progress,
            chat_id: open.chat_id,
            kind: open.kind,
            description: own_words,
        })
    };
    queue::places(connection, ids)?
        .into_iter()
        .map(|open| open.map(standing).transpose())
        .collect()
}

/// `POST /internal/cancellations`: takes a request back, unless an organizer has it. The messenger also releases its
/// lock, since the participant service may die before it does.
pub(crate) fn cancel(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Cancellation { request_id } = body::parse(request)?;
    let connection = store::open()?;
    let cancelled = transaction(&connection, |connection| {
        // A re-queued chat is still open to its participant.
        let open = chats::waiting_again(connection, &request_id)?;
        let cancelled = queue::cancel(connection, &request_id)?;
        let mut update = Body::default();
        if let Some(chat) = open {
            frames::cancelled(&mut update, &chat)?;
        }
        updates::append(connection, &update)?;
        Ok::<_, Error>(cancelled)
    })?;
    Ok(json(StatusCode::OK, &Cancelled { cancelled }))
}

/// `POST /internal/amendments`: adds to a request what its participant says after the press, for as long as nobody has
/// seen it. Later it is a message of the chat.
pub(crate) fn amend(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let amendment: Amendment = body::parse(request)?;
    let message_id = ids::new(clock::now())?;
    let outcome = transaction(&store::open()?, |connection| {
        let Some(found) = queue::find_amendable(connection, &amendment.request_id)? else {
            return Ok::<_, Error>(AmendOutcome::Unknown);
        };
        if found.is_started {
            return Ok(AmendOutcome::Started);
        }
        let before = description::own_words(found.kind.as_deref(), &found.first_message);
        let kind = amendment.kind.as_deref().or(found.kind.as_deref());
        let now = amendment.description.as_deref().unwrap_or(before);
        let first_message = description::compose(kind, now);
        queue::amend(connection, &amendment, kind, &message_id, &first_message)?;
        Ok(AmendOutcome::Amended)
    })?;
    Ok(json(StatusCode::OK, &Amended { outcome }))
}

/// `POST /internal/hand-overs`: gives the chats of guests to the accounts they have signed in to.
pub(crate) fn hand_over(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let HandOvers { hand_overs } = body::parse(request)?;
    transaction(&store::open()?, |connection| {
        hand_overs
            .iter()
            .try_for_each(|hand_over| hand_over_chats(connection, hand_over))
    })?;
    Ok(Answer::empty(StatusCode::OK))
}

/// Gives a guest's chats to the account. The account's connections are shown the open chats, and a note tells both
/// sides who the guest is. Nothing of it is undone if the account is gone already: then the requests leave the queues,
/// as the account's own have.
fn hand_over_chats(connection: &Connection, hand_over: &HandOver) -> Result<(), Error> {
    let HandOver {
        guest_id,
        account_id,
        contact,
    } = hand_over;
    let user = |id: i64| User {
        realm: Realm::Participant,
        id,
    };
    // The account may be another guest's, who has signed in as well.
    let owner = hand_overs::owner(connection, *account_id)?;
    let mut update = Body::default();
    for agency_id in hand_overs::agencies_waited_for(connection, *guest_id)? {
        update.queue_changed(agency_id);
    }
    if contact.is_some() {
        let change = ContactChange {
            participant_id: *account_id,
            contact: contact.clone(),
        };
        contacts::update(connection, &[change])?;
    }
    let handed_over: Vec<String> = chats::open_of(connection, user(*guest_id))?
        .into_iter()
        .map(|chat| chat.id)
        .collect();
    hand_overs::hand_over(connection, *guest_id, owner)?;
    if contact.is_none() {
        contacts::forget(connection, &[*account_id])?;
    }
    for chat in chats::open_of(connection, user(owner))? {
        if !handed_over.contains(&chat.id) {
            continue;
        }
        frames::handed_over(&mut update, &chat)?;
        if let Some(contact) = contact {
            let text = notes::guest_signed_in(&contact.email);
            let note = notes::write(connection, &chat, text, clock::now())?;
            frames::message(&mut update, chat.parties(), &note)?;
        }
    }
    updates::append(connection, &update)?;
    Ok(())
}

/// `POST /internal/contacts`: updates contact details, and forgets participants who have deleted their accounts.
pub(crate) fn update_contacts(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ContactChanges { changes } = body::parse(request)?;
    let (present, gone): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.contact.is_some());
    let gone: Vec<i64> = gone.iter().map(|change| change.participant_id).collect();
    transaction(&store::open()?, |connection| {
        contacts::update(connection, &present)?;
        for participant_id in &gone {
            forget_kept_texts(connection, *participant_id)?;
        }
        Ok::<_, Error>(contacts::forget(connection, &gone)?)
    })?;
    Ok(Answer::empty(StatusCode::OK))
}

/// Removes a participant's contact details, also those as a guest, from frames that are kept for a while.
fn forget_kept_texts(connection: &Connection, participant_id: i64) -> Result<(), Error> {
    if !contacts::was_shown_lately(connection, participant_id)? {
        return Ok(());
    }
    let guest_ids = stored::guest_ids(connection, participant_id)?;
    for id in guest_ids.into_iter().chain([participant_id]) {
        rewrite_kept_texts(connection, &frames::contact_mark(id), |text| {
            frames::without_contact(text, id)
        })?;
    }
    if let Some(contact) = stored::contact(connection, participant_id)? {
        let note = frames::escaped(&notes::guest_signed_in(&contact.email))?;
        rewrite_kept_texts(connection, &note, |text| {
            // Updates contain the lengths of their parts.
            let short = format!("{GUEST_SIGNED_IN}.");
            Ok(text.replace(&note, &format!("{short:width$}", width = note.len())))
        })?;
    }
    Ok(())
}

/// Rewrites the kept texts that contain `part`.
fn rewrite_kept_texts(
    connection: &Connection,
    part: &str,
    rewrite: impl Fn(&str) -> Result<String, Error>,
) -> Result<(), Error> {
    for kept in [Kept::Updates, Kept::Replies] {
        for (row, text) in contacts::kept_texts(connection, kept, part)? {
            contacts::replace_kept_text(connection, kept, row, rewrite(&text)?)?;
        }
    }
    Ok(())
}
