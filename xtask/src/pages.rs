//! The pages: `web/`, which Node builds into `web/dist` before the component that embeds it.
//!
//! A machine without Node builds and runs everything else. CI insists on the pages.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;

use crate::command::{native, root, run};
use crate::tools::{ensure_chromium, ensure_node};

/// What is no source, wherever it is in `web/`.
const NO_SOURCES: [&str; 4] = ["build", "dist", "node_modules", "test-results"];

/// The page that every build has.
const FIRST_PAGE: &str = "index.html";

/// Builds the pages, unless they are newer than everything they are built of.
pub(crate) fn build_pages() -> Result<()> {
    if !web().join("package.json").exists() || is_fresh(&web())? {
        return Ok(());
    }
    if prepare("the pages are not built")? {
        run(&mut npm(&["run", "build"]))?;
    } else {
        // The component is built of what is there. A folder that is missing would be looked for at every build.
        fs::create_dir_all(dist())?;
    }
    Ok(())
}

/// Checks types, style, texts and sizes.
pub(crate) fn check() -> Result<()> {
    if web().join("package.json").exists() && prepare("the pages are not checked")? {
        build_pages()?;
        run(&mut npm(&["run", "check"]))?;
    }
    Ok(())
}

/// Runs the tests of the client library and of the pages, each of which starts a system of its own.
pub(crate) fn test() -> Result<()> {
    if !web().join("package.json").exists() || !prepare("the pages are not tested")? {
        return Ok(());
    }
    // Not the path of this process: the build may have replaced the file.
    let xtask = native("xtask")?;
    run(npm(&["test"]).env("MAYDAY_XTASK", &xtask))?;
    let chromium = match ensure_chromium() {
        Ok(chromium) => chromium,
        Err(error) if !insists() => {
            println!("the pages are not tested in a browser: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    run(npm(&["run", "test:pages"])
        .env("MAYDAY_XTASK", &xtask)
        .env("MAYDAY_CHROMIUM", chromium))
}

/// Whether a build has made this page.
pub(crate) fn is_built(page: &str) -> bool {
    dist().join(page).exists()
}

fn web() -> PathBuf {
    root().join("web")
}

fn dist() -> PathBuf {
    web().join("dist")
}

fn insists() -> bool {
    env::var_os("CI").is_some()
}

/// Gets Node and the packages that the pages are built with. Where that cannot be done it says `what` is left out, and
/// that is an error in CI only.
fn prepare(what: &str) -> Result<bool> {
    match ensure_node().and_then(|()| install_packages()) {
        Ok(()) => Ok(true),
        Err(error) if !insists() => {
            println!("{what}: {error:#}");
            Ok(false)
        }
        Err(error) => Err(error.context(what.to_owned())),
    }
}

/// Installs what the lock file has, unless that has been done. No package may run anything at that.
fn install_packages() -> Result<()> {
    let installed = modified(&web().join("node_modules/.package-lock.json"));
    let wanted = modified(&web().join("package-lock.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    run(&mut npm(&["ci", "--ignore-scripts"]))
}

fn npm(args: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(args).current_dir(web());
    command
}

/// Whether the first page is newer than every source.
fn is_fresh(web: &Path) -> Result<bool> {
    let Some(built) = modified(&web.join("dist").join(FIRST_PAGE)) else {
        return Ok(false);
    };
    Ok(newest_source(web)? <= built)
}

fn newest_source(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if NO_SOURCES.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        // That of a folder tells when something was removed from it.
        newest = newest.max(entry.metadata()?.modified()?);
        if entry.file_type()?.is_dir() {
            newest = newest.max(newest_source(&entry.path())?);
        }
    }
    Ok(newest)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn pages_are_built_again_after_a_source_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let web = directory.path();
        let start = SystemTime::now() - Duration::from_secs(1000);
        let write = |name: &str, seconds: u64| {
            let path = web.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = File::create(&path).unwrap();
            let time = start + Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
            let mut folder = path.parent().unwrap();
            while folder != web {
                File::open(folder).unwrap().set_modified(time).unwrap();
                folder = folder.parent().unwrap();
            }
        };
        write("help/help.ts", 1);
        write("package.json", 2);
        assert!(!is_fresh(web).unwrap(), "nothing is built");
        write("dist/index.html", 10);
        assert!(is_fresh(web).unwrap());
        write("node_modules/preact/index.js", 20);
        write("client/node_modules/x.js", 5);
        assert!(is_fresh(web).unwrap(), "what is installed is no source");
        write("help/help.ts", 30);
        assert!(!is_fresh(web).unwrap());
        write("dist/index.html", 40);
        assert!(is_fresh(web).unwrap());
    }
}
