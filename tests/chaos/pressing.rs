//! What a participant does over REST: presses for help, repeats the press until its outcome is clear, polls the
//! request, sometimes changes the phone number or cancels the request, and presses again when the chat has ended.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::client::Phase;
use super::history::{Attempt, Cancel, CancelAnswer, Press, PressAnswer, Standing, now};
use super::rest::Rest;
use crate::accounts::Person;

/// The time between two polls of a request.
const LOOK: Duration = Duration::from_millis(700);

/// The time between two attempts.
const RETRY: Duration = Duration::from_millis(300);

pub(crate) struct Presser {
    pub(crate) name: String,
    pub(crate) person: Person,
    pub(crate) agency_id: i64,
    pub(crate) event_id: i64,
    pub(crate) rest: Rest,
    pub(crate) rng: Rng,
    pub(crate) phase: watch::Receiver<Phase>,
    /// How often the messenger's database was restored so far.
    pub(crate) restores: watch::Receiver<usize>,
    pub(crate) presses: Arc<Mutex<Vec<Press>>>,
}

impl Presser {
    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Presses again and again in phase `Busy`, and finishes in the phases after it.
    pub(crate) async fn live(mut self) {
        let mut number = 0;
        loop {
            let pause = Duration::from_millis(self.rng.u64(100..2_000));
            sleep(pause).await;
            let may_go_on = |phase: &Phase| matches!(phase, Phase::Busy | Phase::Over);
            if !self
                .phase
                .wait_for(may_go_on)
                .await
                .is_ok_and(|phase| *phase == Phase::Busy)
            {
                return;
            }
            if !self.may_press().await {
                continue;
            }
            number += 1;
            let place = self.begin(number);
            let restores = *self.restores.borrow();
            self.press(place).await;
            self.wait_for_the_end(place).await;
            // A restore may have lost the request. Its lock then keeps the participant from pressing again.
            let may_be_forgotten = *self.restores.borrow() > restores;
            while may_be_forgotten
                && self.cancel(place).await == CancelAnswer::Unclear
                && self.phase() != Phase::Over
            {
                sleep(RETRY).await;
            }
        }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = self.rest.send("GET", path, &self.person.token, None).await.ok()?;
        (answer.status == 200).then(|| answer.json().ok()).flatten()
    }

    /// Whether the participant has no open request and the phase is still `Busy`.
    async fn may_press(&self) -> bool {
        let path = format!("/participant/events/{}", self.event_id);
        let event = self.get(&path).await;
        self.phase() == Phase::Busy && event.is_some_and(|event| event["isChatRequested"] == false)
    }

    fn note<T>(&self, place: usize, note: impl FnOnce(&mut Press) -> T) -> T {
        note(&mut self.presses.lock().expect("no panic while locked")[place])
    }

    fn begin(&self, number: usize) -> usize {
        let mut presses = self.presses.lock().expect("no panic while locked");
        presses.push(Press {
            participant_id: self.person.id,
            agency_id: self.agency_id,
            event_id: self.event_id,
            description: format!("{} presses for the {number}. time", self.name),
            attempts: Vec::new(),
            cancels: Vec::new(),
            standings: Vec::new(),
            new_phone_numbers: Vec::new(),
        });
        presses.len() - 1
    }

    /// Repeats the press until an answer shows that there is an open request.
    async fn press(&self, place: usize) {
        let description = self.note(place, |press| press.description.clone());
        let body =
            json!({"eventId": self.event_id, "description": description, "lat": 50.061234, "lng": 19.937654});
        loop {
            let sent_at = now();
            let token = &self.person.token;
            let answer = self
                .rest
                .send("POST", "/participant/chat-requests", token, Some(&body))
                .await;
            let answer = match answer {
                Ok(answer) if answer.status == 200 => PressAnswer::Accepted,
                Ok(answer) if answer.message() == "chat request already exists" => PressAnswer::Exists,
                Ok(_) | Err(_) => PressAnswer::Unclear,
            };
            let attempt = Attempt {
                sent_at,
                answered_at: now(),
                answer,
            };
            self.note(place, |press| press.attempts.push(attempt));
            if answer != PressAnswer::Unclear || self.phase() == Phase::Over {
                return;
            }
            sleep(RETRY).await;
        }
    }

    /// Polls the request until it is not open any more. Cancels some of them.
    async fn wait_for_the_end(&mut self, place: usize) {
        let takes_back = self.rng.u32(..100) < 8;
        while self.phase() != Phase::Over {
            sleep(LOOK).await;
            let asked_at = now();
            let Some(mine) = self.get("/participant/chat-requests/mine").await else {
                continue;
            };
            let mine = mine.as_array().cloned().unwrap_or_default();
            let Some(request) = mine.iter().find(|request| request["eventId"] == self.event_id) else {
                return;
            };
            if self.rng.u32(..100) < 5 && self.phase() == Phase::Busy {
                self.change_phone_number(place).await;
            }
            if request["state"] != "waiting" {
                continue;
            }
            // A request without a position has not reached the queue yet.
            if request["position"].is_number() {
                let standing = Standing {
                    asked_at,
                    answered_at: now(),
                };
                self.note(place, |press| press.standings.push(standing));
            }
            if takes_back && self.phase() == Phase::Busy {
                self.cancel(place).await;
            }
        }
    }

    async fn change_phone_number(&mut self, place: usize) {
        let body = json!({"phoneNumber": self.rng.u32(..).to_string()});
        let token = &self.person.token;
        let answer = self
            .rest
            .send("PATCH", "/participant/profile", token, Some(&body))
            .await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            self.note(place, |press| press.new_phone_numbers.push(now()));
        }
    }

    async fn cancel(&self, place: usize) -> CancelAnswer {
        let path = format!("/participant/chat-requests/mine/{}", self.event_id);
        let answer = self.rest.send("DELETE", &path, &self.person.token, None).await;
        let answer = match answer {
            Ok(answer) if answer.status == 200 => CancelAnswer::TakenBack,
            Ok(answer) if answer.message() == "chat has already started" => CancelAnswer::TooLate,
            Ok(answer) if answer.status == 404 => CancelAnswer::NotFound,
            Ok(_) | Err(_) => CancelAnswer::Unclear,
        };
        let answered_at = now();
        self.note(place, |press| {
            press.cancels.push(Cancel { answered_at, answer });
        });
        answer
    }
}
