//! Invariants of query strings and searches that hold for any input. `cargo fuzz` looks for inputs that break them, and
//! the tests below run the corpus (`fuzz/corpus/messenger`) and mutations of each of its inputs.
//!
//! Clients send no other bodies to this service. Their frames are the sidecar's.

use service::door::Request;

use crate::error::Error;
use crate::store::chats::Filter;
use crate::{archive, statistics};

/// A moment in 2026.
const NOW: i64 = 1_777_629_600_000;

/// Reads the input as a search and as every query string, and panics if an invariant does not hold.
pub fn read_as_everything(input: &[u8]) {
    match archive::read_search(&Request::of(b"", "application/json", input)) {
        Err(error) => assert_refusal(error),
        Ok(filter) => assert_ids(&filter),
    }
    read_as_every_query(input);
}

fn read_as_every_query(query: &[u8]) {
    let request = of(query);
    let filter = archive::read_filter(&request);
    match filter.and_then(|filter| Ok((filter, archive::read_limit(&request)?))) {
        Err(error) => assert_refusal(error),
        Ok((filter, limit)) => {
            assert!((1..=500).contains(&limit));
            assert_ids(&filter);
            // The link to the next page means the same chats.
            let cursor = "0198c0de0000000000000000";
            let link = archive::next(&request, &archive::PAGE_PARAMETERS, cursor);
            let next = link
                .strip_prefix("<?")
                .and_then(|link| link.strip_suffix(">; rel=\"next\""));
            let next = of(next.expect("a link").as_bytes());
            assert_eq!(next.query("cursor"), Some(cursor));
            let same = archive::read_filter(&next).unwrap_or_else(|error| panic!("{error}: {link}"));
            assert_eq!(same, filter);
            let same = archive::read_limit(&next).unwrap_or_else(|error| panic!("{error}: {link}"));
            assert_eq!(same, limit);
        }
    }
    match archive::read_part(&request) {
        Err(error) => assert_refusal(error),
        Ok((after_seq, limit)) => {
            assert!(after_seq.is_none_or(|seq| seq >= 0) && limit.is_none_or(|limit| limit >= 1));
        }
    }
    let period = statistics::read_times(&request)
        .and_then(|(from, to)| Ok((from, to, statistics::period(from, to, NOW)?)));
    match period {
        Err(error) => assert_refusal(error),
        Ok((asked_from, asked_to, (from, to))) => {
            assert!(asked_from.is_none_or(|asked| asked == from));
            assert!(asked_to.is_none_or(|asked| asked == to));
            let length = to - from;
            assert!(length > 0 && length <= statistics::LONGEST);
            let step = statistics::step_seconds(from, to) * 1000;
            assert!(length <= step * statistics::MOST_STEPS, "the series is bounded");
        }
    }
}

fn of(query: &[u8]) -> Request {
    Request::of(query, "application/json", b"")
}

fn assert_ids(filter: &Filter) {
    for id in [filter.event_id, filter.organizer_id, filter.participant_id] {
        assert!(id.is_none_or(|id| id >= 1));
    }
}

fn assert_refusal(error: Error) {
    let answer = error.into_answer();
    let message = fuzz_corpus::assert_refusal(answer.status().as_u16(), answer.body());
    assert!(message.is_string(), "{message}");
}

#[cfg(test)]
mod tests {
    use fuzz_corpus::Corpus;

    use super::*;

    /// How many mutations of each input are tried.
    const CHANGES: u64 = 1000;

    /// Fragments that matter to the parsers.
    const PARTS: &[&[u8]] = &[
        b"&",
        b"=",
        b"%",
        b"%00",
        b"%ff",
        b"+",
        b"-1",
        b"0",
        b"501",
        b"9223372036854775808",
        b"&limit=",
        b"&q=",
        b"&from=",
        b"&to=",
        b"0000-01-01T00:00:00%2B23:59",
        b"9999-12-31T23:59:60.999999999-23:59",
        b"*?[",
        b"{\"q\":\"",
        b"\"}",
        b",\"eventId\":",
        b"\"from\":\"",
        b"\\u0000",
        "ẞ\u{202e}🙂".as_bytes(),
    ];

    #[test]
    fn every_input_of_the_corpus_keeps_the_invariants() {
        Corpus::read("messenger", PARTS).run(read_as_everything);
    }

    #[test]
    fn every_mutation_of_the_corpus_keeps_the_invariants() {
        Corpus::read("messenger", PARTS).run_mutations(CHANGES, read_as_everything);
    }
}
