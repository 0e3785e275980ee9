//! What the kernel says of a process.

use crate::report::fail;

/// Ticks of `/proc/PID/stat` in a second on Linux.
const TICKS: u64 = 100;

/// Returns user and system time of all threads in microseconds. Resolution: one tick, 10 ms.
pub(crate) fn cpu_micros(pid: u32) -> u64 {
    let stat = read(pid, "stat");
    // The name in parentheses may hold spaces.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<u64> =
        after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    fields.iter().sum::<u64>() * 1_000_000 / TICKS
}

/// Returns the resident set in bytes.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.map_or_else(|| fail("the kernel does not tell the resident set"), |kib| kib * 1024)
}

fn read(pid: u32, what: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{what}"))
        .unwrap_or_else(|error| fail(&format!("the process {pid} is gone: {error}")))
}
