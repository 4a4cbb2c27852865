use super::files::Files;
use crate::{
    gap::{Gap, Gaps},
    report::{Memory, NumaNode},
};

/// Reads the system's memory; limits are the control groups' business.
pub(crate) fn look(files: &Files, gaps: &mut Gaps) -> Memory {
    let path = "/proc/meminfo";
    let Some(text) = gaps.keep("memory", files.read(path)) else { return Memory::default() };
    let found = |name, expected| bytes(&text, name).ok_or_else(|| files.not_understood(path, expected));
    let total_bytes = gaps.keep("memory.total", found("MemTotal", "MemTotal in kB"));
    Memory {
        total_bytes,
        available_bytes: gaps.keep("memory.available", found("MemAvailable", "MemAvailable in kB")),
        swap_bytes: bytes(&text, "SwapTotal"),
        swap_free_bytes: bytes(&text, "SwapFree"),
        ..Memory::default()
    }
}

/// Reads the memory nodes.
pub(crate) fn nodes(files: &Files, gaps: &mut Gaps) -> Vec<NumaNode> {
    let folder = "/sys/devices/system/node";
    if !files.exists(folder) {
        gaps.note("nodes", &Gap::Plain("the kernel tells nothing of memory nodes"));
        return Vec::new();
    }
    let ids = files.list(&format!("{folder}/online")).or_else(|_| files.numbered(folder, "node"));
    let ids = gaps.keep("nodes", ids).unwrap_or_default();
    ids.into_iter()
        .take(NODES_MAX)
        .map(|id| {
            let what = format!("nodes.{id}");
            let node = format!("{folder}/node{id}");
            let meminfo = gaps.keep(&what, files.read(&format!("{node}/meminfo"))).unwrap_or_default();
            let cores = gaps.keep(&what, files.list(&format!("{node}/cpulist"))).unwrap_or_default();
            NumaNode { id, cores, memory_bytes: node_bytes(&meminfo) }
        })
        .collect()
}

/// Returns the value of a line such as `MemTotal:  24576 kB` in bytes.
fn bytes(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    kilobytes(value)
}

/// Returns the value of `Node 0 MemTotal:  24576 kB` in bytes.
fn node_bytes(meminfo: &str) -> Option<u64> {
    kilobytes(meminfo.lines().find_map(|line| line.split_once("MemTotal:"))?.1)
}

/// The kernel says kB and means kibibytes.
fn kilobytes(value: &str) -> Option<u64> {
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Linux knows at most 1,024 nodes (`NODES_SHIFT` ≤ 10).
const NODES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(bytes(text, "MemTotal"), expected, "{text}");
        check("MemTotal:       24576 kB\nMemFree: 1 kB", Some(24_576 * 1024));
        check("MemTotalX: 1 kB\nMemTotal: 2 kB", Some(2048));
        check("MemTotal: 24576", None);
        check("MemTotal: -1 kB", None);
        check("MemTotal: 18446744073709551615 kB", None);
        check("", None);
        assert_eq!(node_bytes("Node 3 MemTotal:  8 kB\nNode 3 MemFree: 1 kB"), Some(8192));
    }

    proptest! {
        #[test]
        fn no_text_breaks_them(text in any::<String>()) {
            let _ = (bytes(&text, "MemTotal"), node_bytes(&text));
        }
    }
}
