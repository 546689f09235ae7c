//! `{{ name }}` templates, and which names a variable may have.
//!
//! Parity: Spin's `crates/expressions/src/template.rs` and `lib.rs` (`Key::validate`).

use std::collections::HashMap;

use anyhow::{Context as _, bail};

/// A text in which variables are to be filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Reads a template; its braces must match.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (name, after) = after
                .split_once("}}")
                .with_context(|| format!("unmatched '{{{{' in template {text:?}"))?;
            parts.push(Part::Variable(name.trim().to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text with every variable replaced; an unknown one is an error.
    pub(crate) fn fill(&self, values: &HashMap<String, String>) -> anyhow::Result<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Variable(name) => {
                    text.push_str(
                        values
                            .get(name)
                            .with_context(|| format!("unknown variable {name:?}"))?,
                    );
                }
            }
        }
        Ok(text)
    }
}

/// Fails unless a variable can have this name. Names must survive becoming environment variables and file names.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let reason = match name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_')) {
        Some(character) => {
            format!(
                "invalid character {character:?}. Variable names may contain only lower-case letters, \
                 numbers, and underscores."
            )
        }
        None if name.is_empty() => "must not be empty".into(),
        None if !name.starts_with(|c: char| c.is_ascii_lowercase()) => {
            "must start with a lowercase ASCII letter".into()
        }
        None if name.ends_with('_') => "must end with a lowercase ASCII letter or digit".into(),
        None if name.contains("__") => "must not contain multiple consecutive underscores".into(),
        None => return Ok(()),
    };
    bail!("{name:?}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> HashMap<String, String> {
        HashMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())])
    }

    #[test]
    fn variables_are_filled_in_wherever_they_stand() {
        for (template, text) in [
            ("", ""),
            ("plain", "plain"),
            ("{{ a }}", "1"),
            ("x-{{a}}-y", "x-1-y"),
            ("{{ a }}{{ b }}", "12"),
            ("single { brace }", "single { brace }"),
        ] {
            assert_eq!(
                Template::parse(template).unwrap().fill(&values()).unwrap(),
                text,
                "{template}"
            );
        }
    }

    #[test]
    fn unmatched_braces_and_unknown_variables_are_errors() {
        Template::parse("{{ a }} {{ b").unwrap_err();
        Template::parse("{{ c }}").unwrap().fill(&values()).unwrap_err();
    }

    #[test]
    fn names_follow_spins_rules() {
        for good in ["a", "abc", "a1b2", "a_1_b_3"] {
            check_name(good).unwrap();
        }
        for bad in ["", "aX", "1bc", "_x", "x.y", "x_", "a__b", "x-y"] {
            check_name(bad).unwrap_err();
        }
    }
}
