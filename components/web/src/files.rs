//! The files of `web/dist`, embedded by `build.rs`, and the one of their forms that a client takes.

use headers::{ETag, Header, IfNoneMatch};
use http::{HeaderValue, StatusCode};
use service::door::{Answer, Request};

use crate::error::Error;
use crate::policy;

/// A file as it was built.
pub(crate) struct File {
    /// Its path below `web/dist`.
    pub name: &'static str,
    pub media_type: &'static str,
    /// Of its content.
    pub digest: &'static str,
    /// A page's inline scripts and styles, as sources of its policy.
    pub scripts: &'static [&'static str],
    pub styles: &'static [&'static str],
    pub content: &'static [u8],
    /// Compressed, where that makes it smaller.
    pub brotli: Option<&'static [u8]>,
    pub gzip: Option<&'static [u8]>,
}

pub(crate) static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Files below it have a hash of their content in their names, so they never change.
const HASHED: &str = "assets/";

const SERVICE_WORKER: &str = "sw.js";

/// Answers with a file, or with 304 when the client has it.
pub(crate) fn show(request: &Request, name: &str) -> Result<Answer, Error> {
    let file = find(FILES, name).ok_or(Error::NotFound)?;
    let encoding = file.choose(request.header("accept-encoding").unwrap_or_default());
    let etag = format!("\"{}{}\"", file.digest, encoding.suffix());
    let answer = match client_has(request, &etag) {
        true => Answer::empty(StatusCode::NOT_MODIFIED),
        false => {
            let body = file.encoded(encoding).unwrap_or(file.content);
            Answer::written(StatusCode::OK, file.media_type, body.to_vec())
        }
    };
    let answer = answer
        .with("etag", etag)
        .with("cache-control", file.cache_control());
    let answer = match encoding.name() {
        Some(name) => answer.with("content-encoding", name),
        None => answer,
    };
    let answer = match file.brotli.or(file.gzip) {
        Some(_) => answer.with("vary", "accept-encoding"),
        None => answer,
    };
    Ok(match file.name {
        SERVICE_WORKER => answer.with("content-security-policy", policy::SERVICE_WORKER),
        _ if file.media_type.starts_with("text/html") => answer.with(
            "content-security-policy",
            policy::of_page(request, file.scripts, file.styles)?,
        ),
        _ => answer,
    })
}

fn find<'a>(files: &'a [File], name: &str) -> Option<&'a File> {
    let place = files.binary_search_by(|file| file.name.cmp(name)).ok()?;
    files.get(place)
}

/// Whether an `If-None-Match` names this form of the file.
fn client_has(request: &Request, etag: &str) -> bool {
    let decode = || {
        let header = HeaderValue::from_str(request.header("if-none-match")?).ok()?;
        let condition = IfNoneMatch::decode(&mut [&header].into_iter()).ok()?;
        let etag: ETag = etag.parse().ok()?;
        Some(!condition.precondition_passes(&etag))
    };
    decode().unwrap_or(false)
}

/// The forms of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    /// Its name in headers.
    fn name(self) -> Option<&'static str> {
        match self {
            Encoding::Brotli => Some("br"),
            Encoding::Gzip => Some("gzip"),
            Encoding::Identity => None,
        }
    }

    /// Each form has an entity tag of its own: two bodies that differ must not have the same strong one.
    fn suffix(self) -> &'static str {
        match self {
            Encoding::Brotli => "-br",
            Encoding::Gzip => "-gz",
            Encoding::Identity => "",
        }
    }
}

impl File {
    fn encoded(&self, encoding: Encoding) -> Option<&'static [u8]> {
        match encoding {
            Encoding::Brotli => self.brotli,
            Encoding::Gzip => self.gzip,
            Encoding::Identity => Some(self.content),
        }
    }

    fn cache_control(&self) -> &'static str {
        match self.name.starts_with(HASHED) {
            true => "public, max-age=31536000, immutable",
            // Asked about each time, and answered 304 mostly.
            false => "no-cache",
        }
    }

    /// The smallest form that an `Accept-Encoding` takes.
    fn choose(&self, accept: &str) -> Encoding {
        [Encoding::Brotli, Encoding::Gzip]
            .into_iter()
            .filter(|encoding| encoding.name().is_some_and(|name| accepts(accept, name)))
            .filter_map(|encoding| Some((encoding, self.encoded(encoding)?.len())))
            .min_by_key(|(_, length)| *length)
            .map_or(Encoding::Identity, |(encoding, _)| encoding)
    }
}

/// Whether an `Accept-Encoding` takes a coding (RFC 9110, 12.5.3): it has it, or `*`, with a weight that is not zero.
fn accepts(accept: &str, coding: &str) -> bool {
    let weight = |wanted: &str| {
        accept.split(',').find_map(|entry| {
            let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = parameters.trim().strip_prefix("q=");
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0)))
        })
    };
    weight(coding).or_else(|| weight("*")).unwrap_or(0.0) > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File {
        name: "assets/a.js",
        media_type: "text/javascript; charset=utf-8",
        digest: "abc",
        scripts: &[],
        styles: &[],
        content: b"aaaaaaaa",
        brotli: Some(b"a"),
        gzip: Some(b"aa"),
    };

    #[test]
    fn a_client_gets_the_smallest_form_that_it_takes() {
        for (accept, expected) in [
            ("", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("GZIP", Encoding::Gzip),
            ("br;q=0, gzip;q=0.5", Encoding::Gzip),
            ("br; q=0.000, *", Encoding::Gzip),
            ("*", Encoding::Brotli),
            ("*;q=0", Encoding::Identity),
            ("br;q=x", Encoding::Identity),
        ] {
            assert_eq!(FILE.choose(accept), expected, "{accept}");
        }
        let incompressible = File {
            brotli: None,
            gzip: None,
            ..FILE
        };
        assert_eq!(incompressible.choose("br, gzip"), Encoding::Identity);
    }

    #[test]
    fn only_hashed_files_never_change() {
        assert!(FILE.cache_control().contains("immutable"));
        let page = File {
            name: "index.html",
            ..FILE
        };
        assert_eq!(page.cache_control(), "no-cache");
    }

    #[test]
    fn files_are_found_by_their_whole_name() {
        let named = |name| File { name, ..FILE };
        let files = [named("a.html"), named("assets/b.js"), named("sw.js")];
        for name in ["a.html", "assets/b.js", "sw.js"] {
            assert_eq!(find(&files, name).map(|file| file.name), Some(name));
        }
        for name in ["", "a", "b.js", "assets", "../sw.js"] {
            assert!(find(&files, name).is_none(), "{name}");
        }
    }
}
