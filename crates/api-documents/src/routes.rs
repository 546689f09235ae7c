//! The paths of the services and of their documents.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use crate::answers::Service;

/// Whether a route is one that only our own components call, beyond the contract's routes for services. No document has
/// these routes, since both ends are ours and change together. A key protects them.
pub(crate) fn is_internal(mount: &str, segments: &[Cow<'_, str>]) -> bool {
    const OF_ORGANIZER: [&str; 7] = [
        "principals",
        "colleagues",
        "revocations",
        "canary",
        "removals",
        "deleted-agencies",
        "tick",
    ];
    match (mount, segments) {
        ("organizer", [first, second]) => first == "api" && OF_ORGANIZER.contains(&second.as_ref()),
        ("participant" | "messenger", [first, ..]) => first == "internal",
        _ => false,
    }
}

/// The segments of a path, as the services see them.
pub(crate) fn segments(path: &str) -> Vec<Cow<'_, str>> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
        .collect()
}

/// Whether a segment of a document's path is a parameter.
pub(crate) fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// Compares the routes of a service, as `service::routes!` lists them, with the operations of its document.
pub fn compare_routes(service: &str, routes: &[(&str, &str)]) -> Result<(), String> {
    let document = Service::mounted_at(service).ok_or("no such service")?;
    let documented: BTreeSet<String> = document
        .operations()
        .map(|(method, path)| format!("{method} {}", without_names(&segments(path))))
        .collect();
    let routes: BTreeSet<String> = routes
        .iter()
        .map(|(method, pattern)| (*method, segments_of_pattern(pattern)))
        .filter(|(_, segments)| !is_internal(service, segments))
        .map(|(method, segments)| format!("{method} {}", without_names(&segments)))
        .collect();
    let missing: Vec<_> = routes.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&routes).collect();
    match (missing.as_slice(), invented.as_slice()) {
        ([], []) => Ok(()),
        _ => Err(format!(
            "{}: it lacks {missing:?}, and has what is no route: {invented:?}",
            document.file()
        )),
    }
}

/// The segments of a route's pattern, in which literals are quoted: `["events", id]`.
fn segments_of_pattern(pattern: &str) -> Vec<Cow<'_, str>> {
    let inner = pattern.trim().trim_start_matches('[').trim_end_matches(']');
    inner
        .split(',')
        .map(str::trim)
        .filter(|segment| !segment.is_empty())
        .map(|segment| match segment.strip_prefix('"') {
            Some(literal) => literal.trim_end_matches('"').into(),
            None => format!("{{{segment}}}").into(),
        })
        .collect()
}

/// A path in which all parameters look the same.
fn without_names(segments: &[Cow<'_, str>]) -> String {
    segments
        .iter()
        .map(|segment| match is_parameter(segment) {
            true => "/{}".to_owned(),
            false => format!("/{segment}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_and_a_path_are_compared_without_the_names_of_their_ids() {
        let pattern = segments_of_pattern(r#"["agency", "chats", id, "messages"]"#);
        assert_eq!(without_names(&pattern), "/agency/chats/{}/messages");
        assert_eq!(
            without_names(&segments("/agency/chats/{chatId}/messages")),
            without_names(&pattern)
        );
        assert_eq!(without_names(&segments_of_pattern("[]")), "");
    }

    #[test]
    fn a_difference_either_way_is_told() {
        let error = compare_routes("messenger", &[("GET", r#"["nowhere"]"#)]).unwrap_err();
        assert!(error.contains(r#"lacks ["GET /nowhere"]"#), "{error}");
        assert!(error.contains("\"GET /agency/chats/{}\""), "{error}");
    }
}
