//! How much memory a process may still take, from what the system says in `/proc` and `/sys/fs/cgroup`.

use std::fs;

/// Memory that this process may still take on the CPU, in bytes: the least of what the machine has available, what is left of
/// its control group's limit, and what is left of its limit on address space (`ulimit -v`). None where the system does not say.
#[must_use]
pub fn free_memory() -> Option<u64> {
    [available(), of_cgroup(), of_limit()].into_iter().flatten().min()
}

/// Memory that this process holds now, in bytes.
#[must_use]
pub fn held_memory() -> Option<u64> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

fn available() -> Option<u64> {
    kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// Of the innermost group, as it is seen from inside a container. What the group's files keep in the page cache can be had.
fn of_cgroup() -> Option<u64> {
    let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let number = |text: String| text.trim().parse::<u64>().ok();
    let (limit, used) = match read("memory.max") {
        Some(limit) => (number(limit)?, number(read("memory.current")?)?),
        None => (number(read("memory/memory.limit_in_bytes")?)?, number(read("memory/memory.usage_in_bytes")?)?),
    };
    let stat = read("memory.stat").or_else(|| read("memory/memory.stat")).unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}

fn of_limit() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?.split_whitespace().next()?;
    let taken = kib(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(soft.parse::<u64>().ok()?.saturating_sub(taken))
}

/// The number of KiB after `field`, in bytes.
fn kib(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_bytes_and_nothing_else_is() {
        let text = "VmPeak:\t  99 kB\nVmRSS:\t     12 kB\n";
        assert_eq!(
            (kib(text, "VmRSS:"), kib(text, "VmHWM:"), kib("VmRSS: many", "VmRSS:")),
            (Some(12_288), None, None)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn there_is_some_memory_and_this_process_holds_some() {
        assert!(free_memory().is_some_and(|bytes| bytes > 0));
        assert!(held_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
