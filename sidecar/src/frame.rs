//! A frame that goes to clients, as each of them is to see it: the contract's clients get what they expect, and those that speak
//! protocol 2 get more. Made once, however many connections it is for.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use relay_protocol::{Audience, Place, Protocol, Stage};
use serde_json::value::RawValue;

/// One frame in both forms; absent where it is not for such clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    contract: Option<Utf8Bytes>,
    two: Option<Utf8Bytes>,
    /// When it happened, if that matters.
    revision: Option<i64>,
    /// Where it stands in its chat, if it is a message.
    message: Option<Arc<Place>>,
}

impl Frame {
    /// What the messenger made. Where protocol 2 is spoken the members of `more`, an object, belong into the payload, or the whole frame is `instead`.
    pub(crate) fn new(
        frame: &RawValue,
        more: Option<&RawValue>,
        instead: Option<&RawValue>,
        audience: Audience,
        revision: Option<i64>,
    ) -> Frame {
        let contract = line(frame.get());
        let two = instead
            .map(rendered)
            .or_else(|| with_more(frame.get(), more?.get()))
            .unwrap_or_else(|| contract.clone());
        Frame {
            contract: audience.includes(Protocol::Contract).then_some(contract),
            two: audience.includes(Protocol::Two).then_some(two),
            revision,
            message: None,
        }
    }

    /// The same at its place. Where the contract is spoken, what neither opens a chat nor closes it is a message.
    pub(crate) fn at(self, place: &Place) -> Frame {
        let is_message = place.stage == Stage::Middle && self.contract.is_some();
        Frame {
            message: is_message.then(|| Arc::new(place.clone())),
            ..self
        }
    }

    /// Where it stands in its chat, if it is a message.
    pub(crate) fn message(&self) -> Option<&Place> {
        self.message.as_deref()
    }

    /// Whether it is news to a connection that was accepted at a revision, and did not find it when it came.
    pub(crate) fn is_news_since(&self, revision: i64) -> bool {
        self.revision.is_none_or(|own| own > revision)
    }

    /// As a client that speaks `protocol` sees it.
    pub(crate) fn seen_with(&self, protocol: Protocol) -> Option<&Utf8Bytes> {
        match protocol {
            Protocol::Contract => self.contract.as_ref(),
            Protocol::Two => self.two.as_ref(),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_everyone(text: &str) -> Frame {
        Frame {
            contract: Some(text.into()),
            two: Some(text.into()),
            revision: None,
            message: None,
        }
    }
}

/// A frame the messenger made for one connection, as it goes to the client: the contract ends each with a newline.
pub(crate) fn rendered(frame: &RawValue) -> Utf8Bytes {
    line(frame.get())
}

fn line(text: &str) -> Utf8Bytes {
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    Utf8Bytes::from(line)
}

/// Adds the members of `more` to the payload, which is the last member of a frame and an object. Both texts are JSON of our own services
/// and not empty, so that only their ends have to be looked at; `None` if they are anything else.
fn with_more(frame: &str, more: &str) -> Option<Utf8Bytes> {
    let head = frame.strip_suffix("}}")?;
    let members = more.strip_prefix('{')?;
    let comma = if head.ends_with('{') { "" } else { "," };
    Some(Utf8Bytes::from(format!("{head}{comma}{members}}}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[track_caller]
    fn check(frame: &str, more: &str, contract: &str, two: &str) {
        let frame = Frame::new(&raw(frame), Some(&raw(more)), None, Audience::Everyone, None);
        assert_eq!(frame.seen_with(Protocol::Contract).unwrap().as_str(), contract);
        assert_eq!(frame.seen_with(Protocol::Two).unwrap().as_str(), two);
    }

    #[test]
    fn protocol_2_has_more_in_its_payload() {
        check(
            r#"{"type":"t","payload":{"a":"}}"}}"#,
            r#"{"seq":1,"b":{}}"#,
            "{\"type\":\"t\",\"payload\":{\"a\":\"}}\"}}\n",
            "{\"type\":\"t\",\"payload\":{\"a\":\"}}\",\"seq\":1,\"b\":{}}}\n",
        );
        check(
            r#"{"type":"t","payload":{}}"#,
            r#"{"seq":1}"#,
            "{\"type\":\"t\",\"payload\":{}}\n",
            "{\"type\":\"t\",\"payload\":{\"seq\":1}}\n",
        );
    }

    #[test]
    fn what_cannot_be_added_is_left_out() {
        check(
            r#"{"type":"t"}"#,
            r#"{"seq":1}"#,
            "{\"type\":\"t\"}\n",
            "{\"type\":\"t\"}\n",
        );
        check("7", "8", "7\n", "7\n");
    }

    #[test]
    fn protocol_2_may_have_another_frame() {
        let (contract, two) = (
            raw(r#"{"type":"a","payload":{}}"#),
            raw(r#"{"type":"b","payload":{}}"#),
        );
        let frame = Frame::new(&contract, None, Some(&two), Audience::Everyone, None);
        assert_eq!(frame.seen_with(Protocol::Contract), Some(&rendered(&contract)));
        assert_eq!(frame.seen_with(Protocol::Two), Some(&rendered(&two)));
    }

    #[test]
    fn some_frames_are_for_some_clients_only() {
        let frame = raw(r#"{"type":"t","payload":{}}"#);
        for (audience, contract, two) in [
            (Audience::Everyone, true, true),
            (Audience::Contract, true, false),
            (Audience::Two, false, true),
        ] {
            let frame = Frame::new(&frame, None, None, audience, None);
            assert_eq!(frame.seen_with(Protocol::Contract).is_some(), contract);
            assert_eq!(frame.seen_with(Protocol::Two).is_some(), two);
        }
    }
}
