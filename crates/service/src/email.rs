//! E-mail addresses: RFC 5322, with the Unicode of RFC 6531.
//!
//! The parser refuses letters that are written with combining marks, such as those of Hindi and Thai. So it gets an
//! ASCII form of the address: RFC 6531 treats all characters beyond ASCII alike in a local part, and IDNA has an ASCII
//! form for domains.

use std::borrow::Cow;

use email_address::EmailAddress;
pub use email_address::Options;

/// Whether a text is an e-mail address. The options say whether it may have a display name, and what its domain is
/// like.
pub fn is_address(text: &str, options: Options) -> bool {
    ascii_form(text).is_some_and(|text| EmailAddress::parse_with_options(&text, options).is_ok())
}

/// The same address in ASCII; `None` when its domain has no ASCII form.
fn ascii_form(text: &str) -> Option<Cow<'_, str>> {
    if text.is_ascii() {
        return Some(text.into());
    }
    let (local, domain) = text.rsplit_once('@')?;
    let (domain, end) = domain
        .strip_suffix('>')
        .map_or((domain, ""), |domain| (domain, ">"));
    let domain = match domain.is_ascii() {
        true => domain.to_owned(),
        false => idna::domain_to_ascii_strict(domain).ok()?,
    };
    let local: String = local.chars().map(ascii_letters).collect();
    Some(format!("{local}@{domain}{end}").into())
}

/// ASCII letters in place of a character: as many as it has octets, since the length of a local part counts octets.
/// Characters that cannot occur in an address stay, so that the parser refuses them.
fn ascii_letters(c: char) -> Cow<'static, str> {
    if c.is_ascii() || c.is_whitespace() || c.is_control() {
        c.to_string().into()
    } else {
        "xxxx"[..c.len_utf8()].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_script_are_accepted() {
        for text in [
            "a@b.example",
            "अजय@डाटा.भारत",
            "संपर्क@डाटामेल.भारत",
            "x@हिन्दी.भारत",
            "น้ำ@b.example",
            "ñandú@b.example",
            "n\u{303}andu\u{301}@b.example",
            "用户@例子.广告",
            "δοκιμή@παράδειγμα.δοκιμή",
            "чебурашка@ящик-с-апельсинами.рф",
            "ராஜா@உதாரணம்.பரிட்சை",
            "محمد@مثال.إختبار",
            "\"น้ำ ใส\"@b.example",
            &format!("x@{}.th", "น้ำ".repeat(8)),
        ] {
            assert!(is_address(text, Options::default()), "{text}");
        }
    }

    #[test]
    fn a_display_name_may_be_in_every_script() {
        assert!(is_address("สมชาย น้ำใส <น้ำ@हिन्दी.भारत>", Options::default()));
        assert!(!is_address(
            "สมชาย <น้ำ@b.example>",
            Options::default().without_display_text()
        ));
    }

    #[test]
    fn addresses_that_are_invalid_in_ascii_are_invalid_in_unicode() {
        for text in [
            "น้ำ",
            "@हिन्दी.भारत",
            "น้ำ@",
            "น้ำ@हिन्दी..भारत",
            "น้ำ@-हिन्दी.भारत",
            "น้ำ@हिन्दी-.भारत",
            "น้ำ ใส@b.example",
            "น้ำ\u{a0}ใส@b.example",
            "น้ำ\u{3000}ใส@b.example",
            "น้ำ\u{85}@b.example",
            "น้ำ@b\u{200b}\u{ad}\u{378}.example",
            "x@हिन्दी .भारत",
            "x@ह\u{202e}न.भारत",
            ".น้ำ@b.example",
        ] {
            assert!(!is_address(text, Options::default()), "{text:?}");
        }
    }

    #[test]
    fn a_local_part_has_at_most_64_octets() {
        let with = |count: usize| format!("{}@b.example", "é".repeat(count));
        assert!(is_address(&with(32), Options::default()));
        assert!(!is_address(&with(33), Options::default()));
    }
}
