//! Makes the table of files that the component serves: what `web/dist` has, compressed, and with the hashes that
//! headers need. Where `web/dist` is missing the table is empty.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", dist.display());
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files = Vec::new();
    if dist.is_dir() {
        find_files(&dist, "", &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (number, (name, path)) in files.iter().enumerate() {
        let content = fs::read(path)?;
        let media_type = media_type(name);
        let html = match media_type.starts_with("text/html") {
            true => String::from_utf8(content.clone())?,
            false => String::new(),
        };
        let compressed = match may_shrink(&media_type) {
            true => [brotli(&content)?, gzip(&content)?],
            false => [Vec::new(), Vec::new()],
        };
        let embed = |label: &str, bytes: &[u8]| -> Result<String, Box<dyn Error>> {
            let copy = out.join(format!("{number}.{label}"));
            fs::write(&copy, bytes)?;
            Ok(format!("include_bytes!({copy:?})"))
        };
        writeln!(
            table,
            "File {{ name: {name:?}, media_type: {media_type:?}, digest: {:?}, scripts: &{:?}, styles: &{:?}, \
             content: {}, brotli: {}, gzip: {} }},",
            hex(&Sha256::digest(&content)[..12]),
            inline_hashes(&html, "script"),
            inline_hashes(&html, "style"),
            embed("content", &content)?,
            worthwhile(&content, &compressed[0], |bytes| embed("br", bytes))?,
            worthwhile(&content, &compressed[1], |bytes| embed("gz", bytes))?,
        )?;
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// All files below a folder, by their path in URLs.
fn find_files(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| format!("{name:?} is not UTF-8"))?;
        let name = format!("{prefix}{name}");
        match entry.file_type()?.is_dir() {
            true => find_files(&entry.path(), &format!("{name}/"), files)?,
            false => files.push((name, entry.path().canonicalize()?)),
        }
    }
    Ok(())
}

fn media_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    match guess.type_() == "text" || guess.suffix().is_some_and(|suffix| suffix == "xml") {
        true => format!("{guess}; charset=utf-8"),
        false => guess.to_string(),
    }
}

/// Pictures and fonts are compressed already.
fn may_shrink(media_type: &str) -> bool {
    ["text/", "application/", "image/svg"]
        .iter()
        .any(|prefix| media_type.starts_with(prefix))
}

fn worthwhile(
    content: &[u8],
    compressed: &[u8],
    embed: impl FnOnce(&[u8]) -> Result<String, Box<dyn Error>>,
) -> Result<String, Box<dyn Error>> {
    if compressed.is_empty() || compressed.len() >= content.len() {
        return Ok("None".to_owned());
    }
    Ok(format!("Some({})", embed(compressed)?))
}

fn brotli(content: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compressed = Vec::new();
    // The highest quality, and the largest window that every browser takes.
    let mut encoder = brotli::CompressorWriter::new(&mut compressed, 4096, 11, 22);
    encoder.write_all(content)?;
    drop(encoder);
    Ok(compressed)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

/// The sources that a content security policy needs for the inline elements of a page, such as `'sha256-...'`.
fn inline_hashes(html: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}"), format!("</{element}"));
    let mut hashes = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find(&open) {
        rest = &rest[start + open.len()..];
        let Some((attributes, behind)) = rest.split_once('>') else {
            break;
        };
        let Some((content, behind)) = behind.split_once(&close) else {
            break;
        };
        rest = behind;
        if !attributes.contains(" src=") {
            let digest = BASE64_STANDARD.encode(Sha256::digest(content));
            hashes.push(format!("'sha256-{digest}'"));
        }
    }
    hashes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
