//! What Linux says of a process: its memory and its time on a CPU.

use std::{fs, time::Duration};

/// Resident memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: usize,
    /// The most it has been.
    pub(crate) peak: usize,
    /// The part of `now` that is no file's: without the pages of the program itself.
    pub(crate) own: usize,
}

/// `pid`: a process that runs, or `self`.
pub(crate) fn memory(pid: &str) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process has ended");
    let field = |name: &str| {
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).expect("a field of /proc/…/status");
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
    };
    Memory { now: field("VmRSS:"), peak: field("VmHWM:"), own: field("RssAnon:") }
}

/// On any CPU, all threads that live together.
pub(crate) fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process has ended");
    let times = threads.filter_map(|thread| {
        let times = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?; // it may just have ended
        times.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum::<u64>())
}
