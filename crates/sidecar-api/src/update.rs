//! The text of updates: what the messenger writes into its log, what the answer to an exchange carries, and what
//! sidecars publish to each other.
//!
//! An update is text in lines, so that a sidecar can skip frames for users it does not serve without parsing them:
//!
//! ```text
//! update 17 1777629600120 1777629600093 161
//! queue 4
//! to both o12 p31
//! {"type":"closed_chat","payload":{"chatId":"0a1b2c3d4e5f60718293a4b5"}}
//! to 51 o12
//! {"type":"user_message","payload":{"content":"hello","seq":7}}
//! ```
//!
//! The first line has the update's id, the time of its commit, the time of its predecessor's commit, and the number of
//! bytes that follow. The rest is the update's body, which is what the log stores:
//!
//! - `queue` names an agency whose queue has changed.
//! - `to` names the recipients of the frame on the next line: `o` is an organizer, `p` a participant. The word before
//!   them selects the protocol: `both` see the frame, only the `contract`'s clients do, only protocol `two` does. If it
//!   is a number, protocol 2 sees the frame, and the contract's clients see that many bytes of it, closed by `}}`.
//!
//! JSON never holds a line break, so a frame is always one line.

use std::fmt::Write;
use std::str::FromStr;

use crate::{Cursor, Protocol, Realm, User};

/// The end of a frame: closes the payload and the frame itself.
const CLOSING: &str = "}}";

/// A frame as the clients of each protocol see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    form: Form,
    text: &'a str,
}

/// Which clients see which part of a frame's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Both,
    Contract,
    Two,
    /// Protocol 2 sees all of it, the contract's clients this many bytes and [`CLOSING`].
    Extended(usize),
}

impl<'a> Frame<'a> {
    /// The same for every client.
    pub fn both(text: &'a str) -> Frame<'a> {
        Frame {
            form: Form::Both,
            text,
        }
    }

    /// For clients of the contract only.
    pub fn contract(text: &'a str) -> Frame<'a> {
        Frame {
            form: Form::Contract,
            text,
        }
    }

    /// For clients of protocol 2 only.
    pub fn two(text: &'a str) -> Frame<'a> {
        Frame {
            form: Form::Two,
            text,
        }
    }

    /// Protocol 2 sees all of `text`, an extension of the contract's frame as [`extend`] makes it.
    pub fn extended(text: &'a str, contract: usize) -> Frame<'a> {
        Frame {
            form: Form::Extended(contract),
            text,
        }
    }

    /// The frame for a client, as one line with its line break; `None` if the frame is not for such clients.
    pub fn line_for(&self, protocol: Protocol) -> Option<String> {
        let (text, closing) = match (self.form, protocol) {
            (Form::Both, _)
            | (Form::Contract, Protocol::Contract)
            | (Form::Two | Form::Extended(_), Protocol::Two) => (self.text, ""),
            (Form::Extended(length), Protocol::Contract) => (self.text.get(..length)?, CLOSING),
            (Form::Contract, Protocol::Two) | (Form::Two, Protocol::Contract) => return None,
        };
        let mut line = String::with_capacity(text.len() + closing.len() + 1);
        line.push_str(text);
        line.push_str(closing);
        line.push('\n');
        Some(line)
    }

    /// Whether clients of both protocols see the same line.
    pub fn is_same_for_both(&self) -> bool {
        self.form == Form::Both
    }
}

/// Appends the members of the object `more` to the payload of `frame`. Returns how many bytes of it the contract's
/// frame shares with the result, for [`Frame::extended`]. Both texts must be JSON objects without white space, and the
/// payload must be the last member of the frame.
pub fn extend(frame: &mut String, more: &str) -> usize {
    let shared = frame.len().saturating_sub(CLOSING.len());
    frame.truncate(shared);
    if !frame.ends_with('{') {
        frame.push(',');
    }
    frame.push_str(more.strip_prefix('{').unwrap_or(more));
    frame.push('}');
    shared
}

/// The body of an update to be written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Body(String);

impl Body {
    /// Adds a frame for the connections of some users. Nothing is added if there are no users.
    pub fn deliver(&mut self, to: &[User], frame: Frame<'_>) {
        if to.is_empty() {
            return;
        }
        self.0.push_str("to ");
        // Writing to a string cannot fail, here and below.
        let _ = match frame.form {
            Form::Both => self.0.write_str("both"),
            Form::Contract => self.0.write_str("contract"),
            Form::Two => self.0.write_str("two"),
            Form::Extended(length) => write!(self.0, "{length}"),
        };
        for user in to {
            let _ = write!(self.0, " {}{}", letter(user.realm), user.id);
        }
        self.0.push('\n');
        self.0.push_str(frame.text);
        self.0.push('\n');
    }

    /// Adds that the queue of an agency has changed.
    pub fn queue_changed(&mut self, agency_id: i64) {
        let _ = writeln!(self.0, "queue {agency_id}");
    }

    /// Adds the content of another body.
    pub fn append(&mut self, other: &Body) {
        self.0.push_str(&other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// A parsed update. One that is not in the log, such as a typing notice, has id 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Update<'a> {
    pub cursor: Cursor,
    /// When the update before it in the log was committed; 0 if it has id 0.
    pub previous_made_at: i64,
    /// The text for [`entries`].
    pub body: &'a str,
}

impl Update<'_> {
    /// The update before it. In a restored log the update with the next id may have another predecessor than the one
    /// that was played.
    pub fn previous(&self) -> Cursor {
        Cursor {
            id: self.cursor.id - 1,
            made_at: self.previous_made_at,
        }
    }
}

/// Text that is not a sequence of updates.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the text of an update is broken")]
pub struct Broken;

/// Appends an update to `text`.
pub fn write_update(text: &mut String, update: Update<'_>) {
    let Update {
        cursor: Cursor { id, made_at },
        previous_made_at,
        body,
    } = update;
    let _ = writeln!(text, "update {id} {made_at} {previous_made_at} {}", body.len());
    text.push_str(body);
}

/// Reads the updates in a text.
pub fn read_updates(mut text: &str) -> impl Iterator<Item = Result<Update<'_>, Broken>> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        match read_update(text) {
            Some((update, rest)) => {
                text = rest;
                Some(Ok(update))
            }
            None => {
                text = "";
                Some(Err(Broken))
            }
        }
    })
}

fn read_update(text: &str) -> Option<(Update<'_>, &str)> {
    let (head, rest) = text.split_once('\n')?;
    let mut numbers = head.strip_prefix("update ")?.split(' ');
    let id = numbers.next()?.parse().ok()?;
    let made_at = numbers.next()?.parse().ok()?;
    let previous_made_at = numbers.next()?.parse().ok()?;
    let (body, rest) = rest.split_at_checked(numbers.next()?.parse().ok()?)?;
    let update = Update {
        cursor: Cursor { id, made_at },
        previous_made_at,
        body,
    };
    Some((update, rest))
}

/// One part of an update's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry<'a> {
    /// The queue of this agency has changed.
    Queue(i64),
    /// A frame for some users.
    Delivery { to: Recipients<'a>, frame: Frame<'a> },
}

/// The users that a frame is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Recipients<'a>(&'a str);

impl Recipients<'_> {
    pub fn iter(&self) -> impl Iterator<Item = User> {
        self.0.split(' ').filter_map(|text| {
            let (letter, id) = text.split_at_checked(1)?;
            let realm = match letter {
                "o" => Realm::Organizer,
                "p" => Realm::Participant,
                _ => return None,
            };
            Some(User {
                realm,
                id: id.parse().ok()?,
            })
        })
    }
}

/// Reads the body of an update.
pub fn entries(body: &str) -> impl Iterator<Item = Result<Entry<'_>, Broken>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match read_entry(rest) {
            Some((entry, behind)) => {
                rest = behind;
                Some(Ok(entry))
            }
            None => {
                rest = "";
                Some(Err(Broken))
            }
        }
    })
}

fn read_entry(text: &str) -> Option<(Entry<'_>, &str)> {
    let (head, rest) = split_line(text)?;
    if let Some(agency_id) = head.strip_prefix("queue ") {
        return Some((Entry::Queue(agency_id.parse().ok()?), rest));
    }
    let (form, to) = head.strip_prefix("to ")?.split_once(' ')?;
    let (text, rest) = split_line(rest)?;
    let frame = Frame {
        form: form.parse().ok()?,
        text,
    };
    let to = Recipients(to);
    Some((Entry::Delivery { to, frame }, rest))
}

/// The first line and what follows. Frames are long: this looks at many bytes at a time.
fn split_line(text: &str) -> Option<(&str, &str)> {
    let end = memchr::memchr(b'\n', text.as_bytes())?;
    Some((&text[..end], &text[end + 1..]))
}

impl FromStr for Form {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Form, Broken> {
        match text {
            "both" => Ok(Form::Both),
            "contract" => Ok(Form::Contract),
            "two" => Ok(Form::Two),
            _ => text.parse().map(Form::Extended).map_err(|_| Broken),
        }
    }
}

fn letter(realm: Realm) -> char {
    match realm {
        Realm::Organizer => 'o',
        Realm::Participant => 'p',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: User = User {
        realm: Realm::Organizer,
        id: 12,
    };
    const BOB: User = User {
        realm: Realm::Participant,
        id: 31,
    };
    const CURSOR: Cursor = Cursor {
        id: 17,
        made_at: 1_777_629_600_120,
    };

    fn seen(frame: Frame<'_>) -> [Option<String>; 2] {
        [Protocol::Contract, Protocol::Two].map(|protocol| frame.line_for(protocol))
    }

    #[test]
    fn an_update_is_read_as_it_was_written() {
        let mut frame = r#"{"type":"t","payload":{"a":1}}"#.to_owned();
        let shared = extend(&mut frame, r#"{"seq":7}"#);
        let mut body = Body::default();
        body.queue_changed(4);
        body.deliver(&[ALICE, BOB], Frame::extended(&frame, shared));
        body.deliver(&[], Frame::both("{}"));
        body.deliver(&[BOB], Frame::two("{}"));
        let mut text = String::new();
        let first = Update {
            cursor: CURSOR,
            previous_made_at: CURSOR.made_at - 27,
            body: body.as_str(),
        };
        let second = Update {
            cursor: Cursor { id: 18, ..CURSOR },
            previous_made_at: CURSOR.made_at,
            body: "",
        };
        write_update(&mut text, first);
        write_update(&mut text, second);

        let updates: Vec<_> = read_updates(&text).map(Result::unwrap).collect();
        assert_eq!(updates, [first, second]);
        assert_eq!(second.previous(), CURSOR);
        let entries: Vec<_> = entries(updates[0].body).map(Result::unwrap).collect();
        assert_eq!(entries[0], Entry::Queue(4));
        let Entry::Delivery { to, frame } = entries[1] else {
            panic!("{entries:?}")
        };
        assert_eq!(to.iter().collect::<Vec<_>>(), [ALICE, BOB]);
        assert_eq!(
            seen(frame),
            [
                Some("{\"type\":\"t\",\"payload\":{\"a\":1}}\n".to_owned()),
                Some("{\"type\":\"t\",\"payload\":{\"a\":1,\"seq\":7}}\n".to_owned()),
            ]
        );
        assert_eq!(entries.len(), 3);
    }

    #[test]
    fn an_empty_payload_is_extended_without_a_comma() {
        let mut frame = r#"{"type":"t","payload":{}}"#.to_owned();
        let shared = extend(&mut frame, r#"{"seq":7}"#);
        assert_eq!(frame, r#"{"type":"t","payload":{"seq":7}}"#);
        let contract = Frame::extended(&frame, shared).line_for(Protocol::Contract);
        assert_eq!(contract.as_deref(), Some("{\"type\":\"t\",\"payload\":{}}\n"));
    }

    #[test]
    fn a_frame_may_be_for_one_protocol_only() {
        let line = || Some("{}\n".to_owned());
        assert_eq!(seen(Frame::both("{}")), [line(), line()]);
        assert_eq!(seen(Frame::contract("{}")), [line(), None]);
        assert_eq!(seen(Frame::two("{}")), [None, line()]);
    }

    #[test]
    fn broken_text_is_an_error_and_ends_the_reading() {
        for text in [
            "x",
            "update 1\n",
            "update 1 2 0\n",
            "update 1 2 1 3\n",
            "update 1 2 1 5\nabc",
            "update a 2 1 0\n",
            "update 1 2 1 0",
        ] {
            let read: Vec<_> = read_updates(text).collect();
            assert_eq!(read, [Err(Broken)], "{text:?}");
        }
        for body in [
            "x\n",
            "queue x\n",
            "to both p1\n{}",
            "to p1\n{}\n",
            "to all p1\n{}\n",
        ] {
            let read: Vec<_> = entries(body).collect();
            assert_eq!(read, [Err(Broken)], "{body:?}");
        }
    }
}
