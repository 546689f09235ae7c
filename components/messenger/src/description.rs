//! Message 1 of a chat: what the matter is, in a form that people read. Programs get the kind in a member of its own,
//! and can take the participant's own words out of the message.

/// What contract 5.6 begins the message with.
const PREFIX: &str = "Problem description: ";

/// Between the kind and the participant's own words.
const BETWEEN: &str = ". ";

/// The message; empty when the participant has said nothing.
pub(crate) fn compose(kind: Option<&str>, description: &str) -> String {
    match (kind.map(words), description) {
        (None, "") => String::new(),
        (None, description) => format!("{PREFIX}{description}"),
        (Some(words), "") => format!("{PREFIX}{words}"),
        (Some(words), description) => format!("{PREFIX}{words}{BETWEEN}{description}"),
    }
}

/// The participant's own words in a message that was composed with this kind.
pub(crate) fn own_words<'a>(kind: Option<&str>, message: &'a str) -> &'a str {
    let rest = message.strip_prefix(PREFIX).unwrap_or_default();
    match kind.map(words) {
        None => rest,
        Some(words) => rest
            .strip_prefix(words)
            .and_then(|rest| rest.strip_prefix(BETWEEN))
            .unwrap_or_default(),
    }
}

/// What it is about, in words.
fn words(kind: &str) -> &'static str {
    match kind {
        "medical" => "medical emergency",
        "lost" => "lost, or somebody is missing",
        "threat" => "threat or violence",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_without_a_kind_is_as_in_the_contract() {
        assert_eq!(compose(None, "I am lost"), "Problem description: I am lost");
        assert_eq!(compose(None, ""), "");
    }

    #[test]
    fn a_kind_comes_before_the_description() {
        assert_eq!(
            compose(Some("medical"), ""),
            "Problem description: medical emergency"
        );
        assert_eq!(
            compose(Some("threat"), "They have a knife"),
            "Problem description: threat or violence. They have a knife"
        );
    }

    #[test]
    fn the_own_words_are_found_again() {
        for kind in [
            None,
            Some("medical"),
            Some("lost"),
            Some("threat"),
            Some("other"),
            Some("new"),
        ] {
            for description in [
                "",
                "help",
                ". ",
                "medical emergency. Really",
                "Problem description: x",
            ] {
                let message = compose(kind, description);
                assert_eq!(own_words(kind, &message), description, "{message}");
            }
        }
    }
}
