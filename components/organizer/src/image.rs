//! Images in data URLs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most bytes of an image.
pub(crate) const MOST_BYTES: usize = 512 * 1024;

/// The bytes of an image of at most 512 KiB in a data URL: a PNG, a JPEG or a WebP, by its media type and by its first
/// bytes.
pub(crate) fn bytes(data_url: &str) -> Option<Vec<u8>> {
    let (media_type, data) = data_url.strip_prefix("data:image/")?.split_once(";base64,")?;
    let bytes = STANDARD.decode(data).ok()?;
    let begins_as_told = match media_type {
        "png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "jpeg" => bytes.starts_with(b"\xff\xd8\xff"),
        "webp" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        _ => false,
    };
    (begins_as_told && bytes.len() <= MOST_BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_url(media_type: &str, bytes: &[u8]) -> String {
        format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
    }

    #[test]
    fn an_image_is_what_its_first_bytes_say() {
        let (png, jpeg, webp) = (
            &b"\x89PNG\r\n\x1a\nrest"[..],
            &b"\xff\xd8\xff\xe0rest"[..],
            &b"RIFF\x10\0\0\0WEBPVP8 "[..],
        );
        for (media_type, bytes) in [("image/png", png), ("image/jpeg", jpeg), ("image/webp", webp)] {
            assert_eq!(super::bytes(&data_url(media_type, bytes)).as_deref(), Some(bytes));
        }
        for (media_type, bytes) in [
            ("image/png", jpeg),
            ("image/jpeg", png),
            ("image/webp", b"RIFF\x10\0\0\0WAVEfmt "),
            ("image/webp", b"RIFF"),
            ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            ("image/png;charset=utf-8", png),
            ("text/html", png),
            ("image/png", b""),
        ] {
            assert_eq!(super::bytes(&data_url(media_type, bytes)), None, "{media_type}");
        }
        let url = data_url("image/png", png);
        for broken in [
            &url[1..],
            &url.replace("base64", "utf8"),
            &url.replace("base64,", "base64,%"),
        ] {
            assert_eq!(super::bytes(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_image_has_a_bound() {
        let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
        image.resize(MOST_BYTES, 0);
        let url = data_url("image/png", &image);
        assert!(super::bytes(&url).is_some());
        image.push(0);
        assert_eq!(super::bytes(&data_url("image/png", &image)), None);
    }
}
