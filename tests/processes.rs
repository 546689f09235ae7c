//! Processor time, memory and limits of processes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The processor time of a process so far, ended threads included. It comes in steps of 10 ms.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("could not read the processor time of process {pid}"))?;
    let ticks = ticks(&stat).context("/proc/<pid>/stat is not what proc(5) says")?;
    Ok(duration(ticks))
}

/// The processor time of the whole machine since it started.
pub fn processor_time_of_all() -> Result<Duration> {
    let stat =
        fs::read_to_string("/proc/stat").context("could not read the processor time of the machine")?;
    let ticks = busy_ticks(&stat).context("/proc/stat is not what proc(5) says")?;
    Ok(duration(ticks))
}

/// The resident memory of a process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("could not read the memory of process {pid}"))?;
    resident(&status).context("/proc/<pid>/status is not what proc(5) says")
}

/// Raises the limit of open files to its maximum, for this process and those that it starts from now on.
pub fn raise_descriptor_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).context("could not raise the limit of open files")
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// `utime` and `stime`, fields 14 and 15 of proc(5). Fields are counted after the name, which may contain any
/// character.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let mut fields = behind_name.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// All but `idle` and `iowait`, the fourth and the fifth field of the first line, and `guest`, which is in `user` as
/// well.
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    Some(ticks.get(..3)?.iter().sum::<u64>() + ticks.get(5..8)?.iter().sum::<u64>())
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 120 30 0 0 20 0";

        assert_eq!(ticks(stat), Some(150));
    }

    #[test]
    fn all_processor_time_but_waiting_counts_as_busy() {
        let stat = "cpu  100 20 3 9000 800 4 5 6 70 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n";

        assert_eq!(busy_ticks(stat), Some(138));
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        let status = "Name:\ta\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\n";

        assert_eq!(resident(status), Some(8 * 1024 * 1024));
    }
}
