//! A disk that can be filled: a file system in memory, which is made as small as what is in it. The databases keep
//! their sizes in mind that way, and nothing has to be written to fill it.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::statvfs;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;

/// The size while there is room. Memory is only used for what is stored.
const ROOM: u64 = 8 << 30;

/// What is left when it is full: less than a write needs that grows a log.
const REST: u64 = 32 << 10;

/// How often it is made small. Others write meanwhile, and it cannot become smaller than what is in it.
const ATTEMPTS: usize = 50;

pub(crate) struct Disk {
    directory: TempDir,
}

impl Disk {
    /// Mounts one, which needs the rights of an administrator.
    pub(crate) fn mount() -> Result<Disk> {
        let directory = tempfile::tempdir()?;
        let output = std::process::Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={ROOM},mode=0700"),
                "mayday-soak",
            ])
            .arg(directory.path())
            .output()
            .context("could not run mount")?;
        succeeded(&output)?;
        Ok(Disk { directory })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves no room.
    pub(crate) async fn fill(&self) -> Result<()> {
        for _ in 1..ATTEMPTS {
            let used = used(self.path())?;
            if self.resize(used + REST).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.resize(used(self.path())? + REST).await
    }

    /// Makes room again.
    pub(crate) async fn free(&self) -> Result<()> {
        self.resize(ROOM).await
    }

    async fn resize(&self, bytes: u64) -> Result<()> {
        let output = Command::new("mount")
            .args(["-o", &format!("remount,size={bytes}")])
            .arg(self.path())
            .output()
            .await
            .context("could not run mount")?;
        succeeded(&output)
    }

    /// Copies what is on it to another directory.
    pub(crate) fn leave_behind(self, to: &Path) -> Result<()> {
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that still ends may have files open; the file system goes with the last of them.
        let unmounted = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .output();
        if !unmounted.is_ok_and(|output| output.status.success()) {
            eprintln!("{} is still mounted", self.path().display());
        }
    }
}

fn used(path: &Path) -> Result<u64> {
    let found = statvfs(path)?;
    Ok((found.f_blocks - found.f_bfree) * found.f_frsize)
}

fn succeeded(output: &Output) -> Result<()> {
    if !output.status.success() {
        bail!("mount: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
