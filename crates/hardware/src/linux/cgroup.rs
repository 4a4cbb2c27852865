//! Limits that control groups put on this process, of version 1, version 2, or both side by side.

use super::files::Files;
use crate::gap::{Gap, Gaps};

/// What the groups grant at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Limits {
    pub(crate) cpu_millicores: Option<u32>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) memory_free_bytes: Option<u64>,
}

/// Looks at the process's own groups and all above them, of which the strictest counts.
pub(crate) fn look(files: &Files, gaps: &mut Gaps) -> Limits {
    let (Ok(memberships), Ok(mounts)) = (files.read("/proc/self/cgroup"), files.read("/proc/self/mountinfo"))
    else {
        gaps.note("limits", &Gap::Plain("the kernel tells nothing of control groups"));
        return Limits::default();
    };
    let mounts: Vec<Mount> = mounts.lines().take(MOUNTS_MAX).filter_map(Mount::parse).collect();
    let mut limits = Limits::default();
    for (version, folder) in groups(&memberships, &mounts, "cpu") {
        if let Some(quota) = gaps.keep("limits.cpu", quota(files, version, &folder)).flatten() {
            limits.cpu_millicores = Some(limits.cpu_millicores.map_or(quota, |least| least.min(quota)));
        }
    }
    for (version, folder) in groups(&memberships, &mounts, "memory") {
        let Some(limit) = gaps.keep("limits.memory", memory(files, version, &folder)).flatten() else {
            continue;
        };
        let free =
            limit.saturating_sub(gaps.keep("limits.memory", used(files, version, &folder)).unwrap_or(0));
        limits.memory_bytes = Some(limits.memory_bytes.map_or(limit, |least| least.min(limit)));
        limits.memory_free_bytes = Some(limits.memory_free_bytes.map_or(free, |least| least.min(free)));
    }
    limits
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A place where groups are mounted.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// The group that stands at `point`.
    root: String,
    point: String,
    /// Controllers of version 1.
    controllers: Vec<String>,
}

impl Mount {
    /// Reads a line as proc_pid_mountinfo(5) describes it: root and mount point are the fourth and fifth fields, and
    /// after a lone hyphen come type, source and the superblock's options.
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, point) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let version = match after.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let controllers = after.nth(1).unwrap_or_default().split(',').map(str::to_owned).collect();
        Some(Self { version, root: unescape(root), point: unescape(point), controllers })
    }
}

/// Returns the folders of the groups that `controller` counts this process in, the innermost first.
fn groups(memberships: &str, mounts: &[Mount], controller: &str) -> Vec<(Version, String)> {
    let member = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let version = if controllers.is_empty() { Version::Two } else { Version::One };
        let counts = version == Version::Two || controllers.split(',').any(|name| name == controller);
        counts.then(|| (version, path.to_owned()))
    };
    let mut found = Vec::new();
    for (version, path) in memberships.lines().take(MEMBERSHIPS_MAX).filter_map(member) {
        let fits = |mount: &&Mount| {
            let holds = version == Version::Two || mount.controllers.iter().any(|name| name == controller);
            mount.version == version && holds
        };
        let Some(mount) = mounts.iter().find(fits) else { continue };
        // A container sees its own group at the mount point, whatever path it is told.
        let inner = match path.strip_prefix(mount.root.trim_end_matches('/')) {
            Some(inner) if inner.is_empty() || inner.starts_with('/') => inner,
            _ => "",
        };
        let mut parts: Vec<&str> = inner.split('/').filter(|part| !part.is_empty()).take(DEPTH_MAX).collect();
        if parts.contains(&"..") {
            parts.clear();
        }
        for depth in (0..=parts.len()).rev() {
            let mut folder = mount.point.clone();
            for part in parts.iter().take(depth) {
                folder.push('/');
                folder.push_str(part);
            }
            found.push((version, folder));
        }
    }
    found
}

/// Returns the thousandths of a core that a group may use. `Ok(None)` is no limit, as where the file is absent: the
/// outermost group has none.
fn quota(files: &Files, version: Version, folder: &str) -> Result<Option<u32>, Gap> {
    match version {
        Version::One => {
            let path = format!("{folder}/cpu.cfs_quota_us");
            let Ok(quota) = files.read_start(&path) else { return Ok(None) };
            if quota.trim() == "-1" {
                return Ok(None);
            }
            let period: u64 = files.value(&format!("{folder}/cpu.cfs_period_us"), "a number")?;
            let quota = quota.trim().parse().ok().and_then(|quota| millicores(quota, period));
            quota.map(Some).ok_or_else(|| files.not_understood(&path, "a quota"))
        }
        Version::Two => {
            let path = format!("{folder}/cpu.max");
            let Ok(text) = files.read_start(&path) else { return Ok(None) };
            let mut fields = text.split_whitespace();
            let (quota, period) = (fields.next().unwrap_or_default(), fields.next().unwrap_or("100000"));
            if quota == "max" {
                return Ok(None);
            }
            let both = quota.parse().ok().zip(period.parse().ok());
            let quota = both.and_then(|(quota, period)| millicores(quota, period));
            quota.map(Some).ok_or_else(|| files.not_understood(&path, "a quota"))
        }
    }
}

fn millicores(quota_us: u64, period_us: u64) -> Option<u32> {
    let millicores = u128::from(quota_us).checked_mul(1000)?.checked_div(period_us.into())?;
    u32::try_from(millicores).ok().filter(|millicores| *millicores > 0)
}

fn memory(files: &Files, version: Version, folder: &str) -> Result<Option<u64>, Gap> {
    let name = match version {
        Version::One => "memory.limit_in_bytes",
        Version::Two => "memory.max",
    };
    let path = format!("{folder}/{name}");
    let Ok(text) = files.read_start(&path) else { return Ok(None) };
    if text.trim() == "max" {
        return Ok(None);
    }
    let limit: u64 = text.trim().parse().map_err(|_| files.not_understood(&path, "a number of bytes"))?;
    Ok(Some(limit).filter(|limit| *limit < UNLIMITED_BYTES))
}

/// Returns what a group uses of its memory without the file pages that the kernel drops first.
fn used(files: &Files, version: Version, folder: &str) -> Result<u64, Gap> {
    let (usage, idle) = match version {
        Version::One => ("memory.usage_in_bytes", "total_inactive_file "),
        Version::Two => ("memory.current", "inactive_file "),
    };
    let usage: u64 = files.value(&format!("{folder}/{usage}"), "a number of bytes")?;
    let stat = files.read_start(&format!("{folder}/memory.stat")).unwrap_or_default();
    let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.trim().parse().ok());
    Ok(usage.saturating_sub(idle.unwrap_or(0)))
}

/// Undoes the octal escapes of space, tab, line end and backslash.
fn unescape(path: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.into_iter().fold(path.to_owned(), |path, (escape, char)| path.replace(escape, char))
}

/// Version 1 says "no limit" with the largest multiple of a page, about 2⁶³.
const UNLIMITED_BYTES: u64 = 1 << 60;

/// Mounts that are looked at: hosts of many containers have thousands.
const MOUNTS_MAX: usize = 16_384;

/// Lines of `/proc/self/cgroup`: one for each hierarchy, of which there are about a dozen.
const MEMBERSHIPS_MAX: usize = 64;

/// Groups within groups.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(memberships: &str, mounts: &str, controller: &str, expected: &[&str]) {
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        let found = groups(memberships, &mounts, controller);
        let found: Vec<String> =
            found.into_iter().map(|(version, folder)| format!("{version:?} {folder}")).collect();
        assert_eq!(found, expected);
    }

    const TWO: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const ONE: &str = "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn groups_are_walked_outwards() {
        check(
            "0::/a/b\n",
            TWO,
            "cpu",
            &["Two /sys/fs/cgroup/a/b", "Two /sys/fs/cgroup/a", "Two /sys/fs/cgroup"],
        );
        check("0::/\n", TWO, "memory", &["Two /sys/fs/cgroup"]);
        check("0::/../../x\n", TWO, "memory", &["Two /sys/fs/cgroup"]);
        check("", TWO, "memory", &[]);
        let both = "5:memory:/m\n4:cpuacct,cpu:/c\n0::/u\n";
        let memory =
            ["One /sys/fs/cgroup/memory/m", "One /sys/fs/cgroup/memory", "Two /sys/fs/cgroup/unified/u"];
        check(both, ONE, "memory", &[&memory[..], &["Two /sys/fs/cgroup/unified"]].concat());
        // A container without a namespace for groups: its own group is mounted, its path is the host's.
        let own = "40 30 0:30 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        check("5:memory:/docker/1f\n", own, "memory", &["One /sys/fs/cgroup/memory"]);
        check(
            "5:memory:/docker/1f/in\n",
            own,
            "memory",
            &["One /sys/fs/cgroup/memory/in", "One /sys/fs/cgroup/memory"],
        );
        check("5:memory:/docker/1fx\n", own, "memory", &["One /sys/fs/cgroup/memory"]);
        check(
            "0::/a\n",
            "1 2 3:4 / /with\\040space rw - cgroup2 x rw\n",
            "cpu",
            &["Two /with space/a", "Two /with space"],
        );
    }

    #[test]
    fn shares_of_time() {
        let check =
            |quota, period, expected| assert_eq!(millicores(quota, period), expected, "{quota}/{period}");
        check(150_000, 100_000, Some(1_500));
        check(50_000, 100_000, Some(500));
        check(1, 100_000_000, None);
        check(100_000, 0, None);
        check(u64::MAX, 1, None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_them(
            memberships in "([0-9]{0,2}:[a-z,]{0,9}:[/.a-z]{0,20}\n?){0,4}",
            mounts in "([0-9 ]{0,9}[/a-z ]{0,20} - cgroup2? [a-z ,]{0,20}\n?){0,4}",
            anything in any::<String>(),
        ) {
            let parsed: Vec<Mount> = mounts.lines().chain(anything.lines()).filter_map(Mount::parse).collect();
            for (_, folder) in groups(&memberships, &parsed, "memory").into_iter().chain(groups(&anything, &parsed, "cpu")) {
                let beyond = folder.split('/').any(|part| part == "..");
                prop_assert!(!beyond || parsed.iter().any(|mount| mount.point.contains("..")));
            }
        }
    }
}
