//! Running other programs to their end, and finding them.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt};

use anyhow::{Context, Result, bail};

/// The root of the workspace. The chores are only ever run from a checkout, so where it was compiled is where it runs.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the workspace")
}

/// The same cargo that runs this chore, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Says what is run, runs it on this terminal, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    // Standard output may be a file on a full disk.
    let _ = writeln!(io::stdout(), "$ {}", Shown(command));
    let status = command
        .status()
        .with_context(|| format!("could not run {}", Shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", Shown(command));
    }
    Ok(())
}

/// Whether the command can be run and succeeds. What it prints is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Where a program is found on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// Where a native program of the workspace is: cargo puts it next to this one.
pub(crate) fn native(program: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("could not find the path of this program")?;
    let path = own.with_file_name(program);
    path.try_exists()?
        .then_some(())
        .with_context(|| format!("{} is missing; build it first: cargo xtask build", path.display()))?;
    Ok(path)
}

/// A command as a person would type it.
struct Shown<'a>(&'a Command);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Path::new(self.0.get_program());
        write!(
            out,
            "{}",
            program.file_name().unwrap_or_else(|| OsStr::new("?")).display()
        )?;
        for argument in self.0.get_args() {
            write!(out, " {}", argument.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_command_is_named() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();

        assert_eq!(error.to_string(), "sh -c exit 3 failed (exit status: 3)");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-of-mayday").is_none());
    }
}
