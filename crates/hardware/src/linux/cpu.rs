use std::collections::{BTreeMap, BTreeSet};

use super::{files::Files, list};
use crate::{
    gap::{Gap, Gaps},
    report::{Cache, CacheKind, Cpu},
};

/// Finds out everything about processors but their features and quota.
pub(crate) fn look(files: &Files, cpuinfo: &str, gaps: &mut Gaps) -> Cpu {
    let name = || model(cpuinfo).or_else(|| board(files)).ok_or(Gap::Plain("the system tells no name"));
    let model = gaps.keep("cpu.model", name());
    let online = gaps.keep("cpu.logical", online(files));
    let allowed = gaps.keep("cpu.usable", allowed(files));
    let online = online.or_else(|| allowed.clone()).unwrap_or_default();
    let logical = Some(count(online.len())).filter(|count| *count > 0);
    // A process may be allowed processors that are switched off.
    let usable: Vec<u32> = match &allowed {
        Some(allowed) => online.iter().copied().filter(|id| allowed.binary_search(id).is_ok()).collect(),
        None => online.clone(),
    };
    let usable_logical = Some(count(usable.len())).filter(|count| *count > 0);
    let cores = gaps.keep("cpu.physical", cores(files, &online));
    let fast = fast(files, &online);
    // Physical cores among `ids`: logical ones that stand for the same core count once.
    let physical = |ids: &mut dyn Iterator<Item = u32>| {
        let cores = cores.as_ref()?;
        let distinct: BTreeSet<&CoreKey> = ids.filter_map(|id| cores.get(&id)).collect();
        Some(count(distinct.len())).filter(|count| *count > 0)
    };
    let of_fast = |ids: &[u32]| {
        let fast = fast.as_ref()?;
        physical(&mut ids.iter().copied().filter(|id| fast.contains(id)))
    };
    Cpu {
        model,
        features: Vec::new(),
        logical,
        physical: physical(&mut online.iter().copied()),
        physical_fast: of_fast(&online),
        usable_logical,
        usable_physical: physical(&mut usable.iter().copied()),
        usable_fast: of_fast(&usable),
        quota_millicores: None,
    }
}

/// Returns the first processor's flags.
pub(crate) fn flags(cpuinfo: &str) -> &str {
    field(cpuinfo, "flags").unwrap_or_default()
}

/// What tells a physical core from another: its logical cores, or package, die and core id.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CoreKey {
    Siblings(Vec<u32>),
    Place(i64, i64),
}

fn online(files: &Files) -> Result<Vec<u32>, Gap> {
    let listed = files
        .list("/sys/devices/system/cpu/online")
        .and_then(some_of("/sys/devices/system/cpu/online", files));
    // Kernels without hot-plugging have no such file.
    match listed {
        Ok(online) => Ok(online),
        Err(gap) => match files.numbered("/sys/devices/system/cpu", "cpu") {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(gap),
        },
    }
}

fn some_of<'a>(path: &'a str, files: &'a Files) -> impl Fn(Vec<u32>) -> Result<Vec<u32>, Gap> + 'a {
    move |list| if list.is_empty() { Err(files.not_understood(path, "any processor")) } else { Ok(list) }
}

/// Affinity and cpusets together, as the kernel reckons them.
fn allowed(files: &Files) -> Result<Vec<u32>, Gap> {
    let path = "/proc/self/status";
    let status = files.read(path)?;
    let text = field(&status, "Cpus_allowed_list");
    let allowed = text.and_then(list::parse).filter(|list| !list.is_empty());
    allowed.ok_or_else(|| files.not_understood(path, "a list of allowed processors"))
}

/// Returns of each logical core which physical one it belongs to. All or nothing: a part would count wrong.
fn cores(files: &Files, online: &[u32]) -> Result<BTreeMap<u32, CoreKey>, Gap> {
    if online.is_empty() {
        return Err(Gap::Plain("the processors themselves are not known"));
    }
    online
        .iter()
        .map(|id| {
            let topology = format!("/sys/devices/system/cpu/cpu{id}/topology");
            // The second name is that of kernels before 5.3.
            let siblings = files
                .list(&format!("{topology}/core_cpus_list"))
                .or_else(|_| files.list(&format!("{topology}/thread_siblings_list")));
            if let Ok(siblings) = siblings
                && siblings.contains(id)
            {
                return Ok((*id, CoreKey::Siblings(siblings)));
            }
            let core = files.value(&format!("{topology}/core_id"), "a number")?;
            let package = files.value(&format!("{topology}/physical_package_id"), "a number").unwrap_or(0);
            Ok((*id, CoreKey::Place(package, core)))
        })
        .collect()
}

/// Returns the logical cores of the fast kind where there are several kinds.
fn fast(files: &Files, online: &[u32]) -> Option<BTreeSet<u32>> {
    let mixed = |fast: BTreeSet<u32>| Some(fast).filter(|fast| !fast.is_empty() && fast.len() < online.len());
    // Intel's hybrid processors have one of these folders for each kind.
    if let Ok(fast) = files.list("/sys/devices/cpu_core/cpus") {
        return mixed(fast.into_iter().filter(|id| online.contains(id)).collect());
    }
    // Arm's tell a capacity of at most 1024 for each core. Middle cores count as fast: the slow ones that would hold
    // all others up have a third of the fastest one's capacity or less.
    let capacity = |id: &u32| {
        let path = format!("/sys/devices/system/cpu/cpu{id}/cpu_capacity");
        Some((*id, files.value::<u32>(&path, "a number").ok()?))
    };
    let capacities: Vec<(u32, u32)> = online.iter().map_while(capacity).collect();
    if capacities.len() < online.len() {
        return None;
    }
    let most = capacities.iter().map(|(_, capacity)| *capacity).max()?;
    mixed(
        capacities
            .into_iter()
            .filter(|(_, capacity)| *capacity >= most.div_ceil(2))
            .map(|(id, _)| id)
            .collect(),
    )
}

fn model(cpuinfo: &str) -> Option<String> {
    let named = ["model name", "cpu model", "cpu"].into_iter().find_map(|name| field(cpuinfo, name));
    named.filter(|name| !name.is_empty()).map(|name| name.chars().take(NAME_CHARS_MAX).collect())
}

/// Arm's processors have no name of their own, but boards with a device tree do.
fn board(files: &Files) -> Option<String> {
    let name = files.read_start("/sys/firmware/devicetree/base/model").ok()?;
    let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    Some(name).filter(|name| !name.trim().is_empty())
}

/// Returns the first value that stands after `name` and a colon.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Finds the caches of all processors, each once.
pub(crate) fn caches(files: &Files, gaps: &mut Gaps) -> Vec<Cache> {
    let found = online(files).and_then(|online| {
        let mut seen = BTreeSet::new();
        let mut groups: BTreeMap<(u8, CacheKind, u64), (u32, u32)> = BTreeMap::new();
        for id in online {
            for index in 0..CACHES_MAX {
                let Some(cache) = cache(files, id, index) else { break };
                let Some((level, kind, bytes, cores)) = cache else { continue };
                let shared_by = count(cores.len());
                if seen.insert((level, kind, cores)) {
                    let (caches, most) = groups.entry((level, kind, bytes)).or_default();
                    *caches += 1;
                    *most = shared_by.max(*most);
                }
            }
        }
        let caches: Vec<Cache> = groups
            .into_iter()
            .map(|((level, kind, bytes), (count, shared_by))| Cache { level, kind, bytes, count, shared_by })
            .collect();
        if caches.is_empty() { Err(Gap::Plain("the system tells nothing of caches")) } else { Ok(caches) }
    });
    gaps.keep("caches", found).unwrap_or_default()
}

/// Returns level, kind, bytes and sharing cores; `Some(None)` for a cache of which not all is told.
#[expect(clippy::type_complexity, reason = "taken apart by the one caller")]
fn cache(files: &Files, cpu: u32, index: u32) -> Option<Option<(u8, CacheKind, u64, Vec<u32>)>> {
    let folder = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index{index}");
    let level = files.value(&format!("{folder}/level"), "a number").ok()?;
    let rest = || {
        let kind = match files.read_start(&format!("{folder}/type")).ok()?.trim() {
            "Data" => CacheKind::Data,
            "Instruction" => CacheKind::Instruction,
            "Unified" => CacheKind::Unified,
            _ => return None,
        };
        let bytes = size(files.read_start(&format!("{folder}/size")).ok()?.trim())?;
        let cores = files.list(&format!("{folder}/shared_cpu_list")).unwrap_or_else(|_| vec![cpu]);
        Some((level, kind, bytes, cores))
    };
    Some(rest())
}

/// Reads `32K`, `12M` or a number of bytes.
fn size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Caches of one core; processors have up to five.
const CACHES_MAX: u32 = 16;

/// A name longer than this is none.
const NAME_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(size(text), expected, "{text}");
        check("32K", Some(32_768));
        check("12M", Some(12_582_912));
        check("512", Some(512));
        check("0K", None);
        check("K", None);
        check("18446744073709551615K", None);
        check("-1K", None);
    }

    #[test]
    fn names() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(model(text).as_deref(), expected, "{text}");
        check(
            "processor\t: 0\nmodel name\t: Maker Model 5 @ 3:2 GHz\n\nmodel name\t: Other",
            Some("Maker Model 5 @ 3:2 GHz"),
        );
        check("cpu\t\t: POWER9, altivec supported\n", Some("POWER9, altivec supported"));
        check("processor\t: 0\nCPU implementer\t: 0x41\n", None);
        check("model name\t:\n", None);
        assert_eq!(flags("flags\t\t: fpu avx2\nflags: other"), "fpu avx2");
    }

    proptest! {
        #[test]
        fn no_text_breaks_them(text in any::<String>()) {
            let _ = (size(&text), model(&text), flags(&text).len());
        }
    }
}
