//! CPU time and memory of a process, from Linux. <https://docs.kernel.org/filesystems/proc.html>

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// What one process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Time on a processor, in user and kernel, of all its threads. Counted in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// The most memory that it had in RAM at once, in bytes.
    pub(crate) peak_rss: u64,
}

/// A process and all that it has started, directly or not.
fn with_descendants(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let children: String = tasks.into_iter().flatten().flatten().map(children).collect();
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    [process].into_iter().chain(children.flat_map(with_descendants)).collect()
}

/// How long a process has been on a processor so far, with the processes that it has started and that are still there.
///
/// # Errors
/// It has ended.
pub(crate) fn cpu_with_descendants(process: u32) -> anyhow::Result<Duration> {
    with_descendants(process).into_iter().map(|id| Ok(usage(id)?.cpu)).sum()
}

/// # Errors
/// There is no such process, or this is not Linux.
pub(crate) fn usage(process: u32) -> anyhow::Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{process}/{file}");
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    };
    let ticks = cpu_ticks(&read("stat")?).context("/proc/<pid>/stat has an unknown form")?;
    let peak_rss = peak_rss(&read("status")?).context("/proc/<pid>/status names no VmHWM")?;
    let cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Ok(Usage { cpu, peak_rss })
}

/// `utime` and `stime`, the fields 14 and 15. The second is the program's name in brackets, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_does_not_shift_the_fields() {
        let stat = "42 (a ) b 1 2) S 1 42 42 0 -1 4194560 300 0 0 0 70 30 0 0 20 0 4 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(100));
        assert_eq!(cpu_ticks("42 (a) S 1"), None);
    }

    #[test]
    fn the_peak_is_told_in_kilobytes() {
        assert_eq!(peak_rss("VmPeak:\t  900 kB\nVmHWM:\t   12 kB\nVmRSS:\t 7 kB\n"), Some(12 * 1024));
    }

    #[test]
    fn what_a_child_has_started_is_found() {
        // `wait` keeps the shell from becoming the other program.
        let mut shell = std::process::Command::new("sh").args(["-c", "sleep 600 & wait"]).spawn().unwrap();
        let found = || with_descendants(shell.id());
        let start = std::time::Instant::now();
        while found().len() < 2 && start.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        let found = found();
        assert_eq!((found.len(), found[0]), (2, shell.id()));
        assert!(with_descendants(std::process::id()).contains(&found[1]));
        for id in found.into_iter().rev() {
            let id = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(std::process::id()).unwrap().peak_rss > 100_000);
    }
}
