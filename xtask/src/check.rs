//! `cargo xtask check`: formatting, lints, documentation, deployment and dependencies, with every warning of ours an
//! error.

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::build::{COMPONENTS, PROBE};
use crate::command::{cargo, root, run};
use crate::tools::{WASM_TARGET, ensure_program, ensure_python_packages, ensure_wasm_target};
use crate::{dependencies, pages};

/// Runs every check; the first that fails ends it.
pub(crate) fn run_all() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    // Warnings are denied here and not by RUSTFLAGS: those would make cargo compile everything a second time.
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    ensure_wasm_target()?;
    let mut sandboxed = cargo();
    sandboxed.args(["clippy", "--target", WASM_TARGET]);
    sandboxed.args(
        COMPONENTS
            .iter()
            .chain(&[PROBE])
            .flat_map(|package| ["--package", package]),
    );
    run(sandboxed.args(["--", "--deny", "warnings"]))?;
    run(cargo()
        .args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "--deny warnings"))?;
    pages::check()?;
    check_deployment()?;
    dependencies::check()
}

/// What `deploy/` has for clusters, by a script that needs a few packages of Python, and first whether that script finds
/// mistakes. CI insists on the packages. Elsewhere a machine without Python or without a network is told what was not
/// checked.
fn check_deployment() -> Result<()> {
    let python = match ensure_python_packages("deploy", &root().join("deploy/check/requirements.txt")) {
        Ok(python) => python,
        Err(error) if env::var_os("CI").is_none() => {
            println!("deploy/ is not checked: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    // The script says what it leaves out without it.
    let _ = ensure_program("logrotate");
    for script in ["deploy/check/test_check.py", "deploy/check/check.py"] {
        // `-B`: no cache of bytecode beside the scripts.
        run(Command::new(&python).args(["-B", script]).current_dir(root()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::command::root;

    /// All files below a folder whose names end so, or the file itself.
    fn files(path: &Path, ending: &str) -> Vec<PathBuf> {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            let found = entries.flat_map(|entry| files(&entry.unwrap().path(), ending));
            return found.collect();
        }
        let matches = path.to_str().is_some_and(|path| path.ends_with(ending));
        matches.then(|| path.to_owned()).into_iter().collect()
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A fuzzed component is built by a manifest of its own, which nothing else builds.
    #[test]
    fn fuzzed_components_have_the_dependencies_of_their_manifests() {
        let dependencies = |path: &str| -> BTreeSet<String> {
            let manifest: toml::Table =
                toml::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap();
            manifest["dependencies"]
                .as_table()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        for component in ["organizer", "participant", "messenger"] {
            assert_eq!(
                dependencies(&format!("fuzz/{component}/Cargo.toml")),
                dependencies(&format!("components/{component}/Cargo.toml")),
                "{component}"
            );
        }
    }

    /// A fuzz target is one call, which only `cargo fuzz` compiles. To check the targets here would take minutes: it
    /// needs `--cfg fuzzing` in the compiler's flags, and other flags compile every dependency once more. What the
    /// targets call is compiled for the tests of the corpora.
    #[test]
    fn fuzz_targets_call_what_exists() {
        for (target, library, folder) in [
            ("frame", "mayday_sidecar", "sidecar"),
            ("organizer", "organizer_fuzz", "components/organizer"),
            ("participant", "participant_fuzz", "components/participant"),
            ("messenger", "messenger_fuzz", "components/messenger"),
        ] {
            let text = read(&root().join(format!("fuzz/fuzz_targets/{target}.rs")));
            let (_, call) = text.split_once(&format!("{library}::fuzzing::")).unwrap();
            let (function, _) = call.split_once("(input)").unwrap();
            let fuzzing = read(&root().join(folder).join("src/fuzzing.rs"));
            assert!(
                fuzzing.contains(&format!("\npub fn {function}(input: &[u8]) {{")),
                "{target}"
            );
        }
    }

    /// So nothing runs with a secret that others know. A previous one is there only while its key is being replaced.
    #[test]
    fn secrets_have_no_defaults() {
        for path in [
            "spin.toml",
            "deploy/fermyon-cloud/spin.toml",
            "deploy/fermyon-cloud/organizer.toml",
        ] {
            let manifest: toml::Table = toml::from_str(&read(&root().join(path))).unwrap();
            let variables = manifest["variables"].as_table().unwrap();
            let mut secrets = 0;
            for (name, variable) in variables {
                let is = |property: &str| variable.get(property) == Some(&toml::Value::Boolean(true));
                let default = variable.get("default").and_then(toml::Value::as_str);
                if ["_secret", "_key", "_password"]
                    .iter()
                    .any(|end| name.ends_with(end))
                {
                    assert!(
                        is("required") && is("secret") && default.is_none(),
                        "{path}: {name}"
                    );
                    secrets += 1;
                } else if name.ends_with("_previous") {
                    assert!(is("secret") && default == Some(""), "{path}: {name}");
                }
            }
            assert!(secrets >= 3, "{path}: {secrets}");
        }
    }

    /// Documents and comments of tests name tests and functions as `module::function`.
    #[test]
    fn functions_that_documents_name_exist() {
        let sources: Vec<(PathBuf, String)> = ["components", "crates", "host", "sidecar", "tests", "xtask"]
            .iter()
            .flat_map(|folder| files(&root().join(folder), ".rs"))
            .map(|path| (path.clone(), read(&path)))
            .collect();
        let exists = |name: &str| {
            let (path, function) = name.rsplit_once("::").unwrap();
            let module = path.rsplit("::").next().unwrap();
            let starts = [format!("fn {function}("), format!("fn {function}<")];
            sources.iter().any(|(path, text)| {
                let is_module =
                    path.ends_with(format!("{module}.rs")) || path.ends_with(format!("{module}/mod.rs"));
                path.ends_with(format!("{module}/{function}.rs"))
                    || is_module && starts.iter().any(|start| text.contains(start))
            })
        };
        let is_name = |text: &&str| {
            let is_part = |part: &str| {
                !part.is_empty() && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
            };
            // What begins with `crate` is a link, which rustdoc checks.
            text.contains("::") && !text.starts_with("crate::") && text.split("::").all(is_part)
        };
        let comments = files(&root().join("tests"), ".rs").into_iter().map(|path| {
            let comments: Vec<String> = read(&path)
                .lines()
                .filter(|line| line.trim_start().starts_with("//"))
                .map(str::to_owned)
                .collect();
            (path, comments.join("\n"))
        });
        let pages = files(&root().join("docs"), ".md")
            .into_iter()
            .chain([root().join("ARCHITECTURE.md")])
            .map(|path| (path.clone(), read(&path)));
        let mut named = 0;
        for (path, text) in pages.chain(comments) {
            for name in text.split('`').filter(is_name) {
                named += 1;
                assert!(exists(name), "{} names {name}", path.display());
            }
        }
        assert!(named > 10, "{named}");
    }

    /// What a row of the table of ASVS says.
    #[derive(Clone, Copy, PartialEq)]
    enum Status {
        Met,
        NotMet,
        DoesNotApply,
    }

    /// The rows of ASVS in docs/security.md: numbers, status and evidence. A row may be about several requirements,
    /// such as `17.3.1 – 17.3.2`.
    fn rows_of_asvs(page: &str) -> Vec<(Vec<String>, Status, &str)> {
        page.lines()
            .filter(|line| line.starts_with("| ") && line.split('.').count() > 2)
            .filter_map(|line| {
                let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
                let [number, _, how, evidence] = cells[..] else {
                    return None;
                };
                let (first, last) = number.split_once(" – ").unwrap_or((number, number));
                let (section, from) = first.rsplit_once('.')?;
                let (from, to): (u32, u32) = (from.parse().ok()?, last.rsplit_once('.')?.1.parse().ok()?);
                let numbers = (from..=to).map(|place| format!("{section}.{place}")).collect();
                let status = match how {
                    how if how.starts_with("not met") => Status::NotMet,
                    how if how.starts_with("does not apply") => Status::DoesNotApply,
                    _ => Status::Met,
                };
                Some((numbers, status, evidence))
            })
            .collect()
    }

    #[test]
    fn the_page_about_security_counts_right_and_lists_what_is_open() {
        let page = read(&root().join("docs/security.md"));
        let rows = rows_of_asvs(&page);
        let of = |wanted: Status| -> Vec<&String> {
            let rows = rows.iter().filter(|(_, status, _)| *status == wanted);
            rows.flat_map(|(numbers, ..)| numbers).collect()
        };
        let counts = [Status::Met, Status::NotMet, Status::DoesNotApply].map(|status| of(status).len());
        let [met, not_met, rest] = counts;
        let line = format!("| both | {met} | {not_met} | {rest} | {} |", met + not_met + rest);
        assert!(page.contains(&line), "{line}");
        let (open, _) = page.split_once("## Threat model").unwrap();
        let listed: Vec<&str> = open
            .lines()
            .filter_map(|line| line.split(" | ").nth(1))
            .flat_map(|numbers| numbers.split(", "))
            .collect();
        for number in of(Status::NotMet) {
            assert!(listed.contains(&number.as_str()), "{number} is not in the table");
        }
        for number in of(Status::Met) {
            assert!(!listed.contains(&number.as_str()), "{number} is met");
        }
    }

    #[test]
    fn files_and_tests_that_the_page_about_security_names_exist() {
        let page = read(&root().join("docs/security.md"));
        let all = |folders: &[&str], ending| -> String {
            let folders = folders.iter().map(|folder| root().join(folder));
            let files = folders.flat_map(|folder| files(&folder, ending));
            files.map(|path| read(&path)).collect()
        };
        let sources = all(
            &["components", "crates", "host", "sidecar", "tests", "xtask"],
            ".rs",
        );
        let tests_of_pages = all(&["web/tests"], ".mjs") + &all(&["web/client/test"], ".ts");
        let documents = all(&["docs"], ".md");
        let mut named = 0;
        for (numbers, _, evidence) in rows_of_asvs(&page) {
            for name in evidence.split('`').skip(1).step_by(2) {
                let is_file = ["", "docs"]
                    .iter()
                    .any(|folder| root().join(folder).join(name).exists());
                let item = name.rsplit("::").next().unwrap();
                let is_item = [format!("fn {item}("), format!("const {item}:")]
                    .iter()
                    .any(|start| sources.contains(start));
                assert!(is_file || is_item, "{numbers:?} names {name}");
                named += 1;
            }
            for title in evidence.split('"').skip(1).step_by(2) {
                let is_section = [format!("# {title}"), format!("**{title}")]
                    .iter()
                    .any(|start| documents.contains(start));
                assert!(
                    is_section || tests_of_pages.contains(title),
                    "{numbers:?} names {title:?}"
                );
                named += 1;
            }
        }
        assert!(named > 200, "{named}");
    }
}
