use std::fmt::Write as _;

use athenaeum_hardware::{Report, Vendor, probe};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::tree::{Tree, plain};

/// What a report says, in a form short enough to compare.
fn told(report: &Report) -> String {
    let Report { cpu, caches, nodes, memory, .. } = report;
    let number = |number: Option<u32>| number.map_or("?".to_owned(), |number| number.to_string());
    let mib = |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| (bytes >> 20).to_string());
    let mut text = format!(
        "{} logical, {} physical ({} fast), usable {}/{} ({} fast), quota {}; memory {}/{}, limit {}/{}",
        number(cpu.logical),
        number(cpu.physical),
        number(cpu.physical_fast),
        number(cpu.usable_logical),
        number(cpu.usable_physical),
        number(cpu.usable_fast),
        number(cpu.quota_millicores),
        mib(memory.available_bytes),
        mib(memory.total_bytes),
        mib(memory.limit_free_bytes),
        mib(memory.limit_bytes),
    );
    for cache in caches {
        let (level, kind) = (cache.level, cache.kind.as_str());
        write!(text, "; L{level} {kind} {}x{}/{}", cache.count, cache.bytes >> 10, cache.shared_by).unwrap();
    }
    for node in nodes {
        write!(text, "; node {} {:?} {}", node.id, node.cores, mib(node.memory_bytes)).unwrap();
    }
    text
}

fn unknown(report: &Report) -> Vec<&str> {
    report.unknown.iter().map(|unknown| unknown.what.as_str()).collect()
}

#[test]
fn a_plain_machine() {
    let report = plain().look();
    assert_eq!(report.cpu.model.as_deref(), Some("Example 5000"));
    assert_eq!(
        told(&report),
        "4 logical, 2 physical (? fast), usable 4/2 (? fast), quota ?; memory 8192/16384, limit ?/?; \
         L1 data 2x32/2; L1 instruction 2x64/2; L2 unified 2x1024/2; node 0 [0, 1, 2, 3] 16384"
    );
    assert_eq!((report.memory.swap_bytes, report.memory.swap_free_bytes), (Some(2 << 20), Some(1 << 20)));
    assert!(report.unknown.is_empty(), "{:?}", report.unknown);
    assert!(report.gpus.is_empty());
}

/// How cores are counted: the machine's lists, and what the report says of cores.
#[test]
fn odd_topologies() {
    let check = |online: &str, allowed: &str, siblings: &[&str], more: &[(&str, &str)], expected: &str| {
        let status = format!("Cpus_allowed_list:\t{allowed}\n");
        let mut tree =
            Tree::new(&[("/sys/devices/system/cpu/online", online), ("/proc/self/status", &status)]);
        tree.cores(siblings);
        for (path, text) in more {
            tree.add(path, text);
        }
        let told = told(&tree.look());
        assert!(told.starts_with(expected), "{told}");
    };
    // The second core is switched off; the mask still allows it.
    check("0,2-3", "0-3", &["0", "", "2", "3"], &[], "3 logical, 3 physical (? fast), usable 3/3 (? fast)");
    // One logical core of each of two physical ones is switched off.
    check("0-1", "0-3", &["0", "1"], &[], "2 logical, 2 physical (? fast), usable 2/2");
    // The process may use both halves of one core, and one half of another.
    check("0-3", "0,2,3", &["0,2", "1,3", "0,2", "1,3"], &[], "4 logical, 2 physical (? fast), usable 3/2");
    // Two fast cores with two logical ones each, four slow ones.
    let hybrid = ["0-1", "0-1", "2-3", "2-3", "4", "5", "6", "7"];
    let fast = [("/sys/devices/cpu_core/cpus", "0-3\n")];
    check("0-7", "0-7", &hybrid, &fast, "8 logical, 6 physical (2 fast), usable 8/6 (2 fast)");
    check("0-7", "2-5", &hybrid, &fast, "8 logical, 6 physical (2 fast), usable 4/3 (1 fast)");
    check("0-7", "4-7", &hybrid, &fast, "8 logical, 6 physical (2 fast), usable 4/4 (? fast)");
    // All of one kind is not hybrid.
    check("0-1", "0-1", &["0", "1"], &fast, "2 logical, 2 physical (? fast)");
    // Arm: one big core, one middle, one little.
    let capacities = [
        ("/sys/devices/system/cpu/cpu0/cpu_capacity", "160\n"),
        ("/sys/devices/system/cpu/cpu1/cpu_capacity", "512"),
        ("/sys/devices/system/cpu/cpu2/cpu_capacity", "1024"),
    ];
    check("0-2", "0-2", &["0", "1", "2"], &capacities, "3 logical, 3 physical (2 fast), usable 3/3 (2 fast)");
    // Two packages whose core ids repeat, told without lists of siblings.
    let places = [
        ("/sys/devices/system/cpu/cpu0/topology/core_id", "0"),
        ("/sys/devices/system/cpu/cpu0/topology/physical_package_id", "0"),
        ("/sys/devices/system/cpu/cpu1/topology/core_id", "0"),
        ("/sys/devices/system/cpu/cpu1/topology/physical_package_id", "1"),
    ];
    check("0-1", "0-1", &[], &places, "2 logical, 2 physical");
    // A kernel that hides its topology, as in some sandboxes.
    check("0-1", "0-1", &[], &[], "2 logical, ? physical (? fast), usable 2/? (? fast)");
    check("garbage", "0-1", &["0", "1"], &[], "2 logical, 2 physical");
    check("0-1", "garbage", &["0", "1"], &[], "2 logical, 2 physical (? fast), usable 2/2");
    check("0-99999999999", "", &[], &[], "? logical, ? physical (? fast), usable ?/?");
}

/// What control groups leave: their files, and what the report says of quota and limit.
#[test]
fn limits_of_control_groups() {
    let check = |mounts: &str, groups: &str, files: &[(&str, &str)], expected: &str| {
        let mut tree = plain();
        tree.add("/proc/self/mountinfo", mounts).add("/proc/self/cgroup", groups);
        for (path, text) in files {
            tree.add(path, text);
        }
        let report = tree.look();
        let told = told(&report);
        let limits = told.split("quota ").nth(1).unwrap().split("; L1").next().unwrap();
        assert_eq!(limits, expected, "{:?}", report.unknown);
    };
    let two = "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let one = "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
               32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    let mib = |number: u64| (number << 20).to_string();
    let (limit, used) = (mib(1024), mib(512));
    // A container of one and a half cores and a gibibyte, of which a quarter is a cache of files.
    let container = [
        ("/sys/fs/cgroup/cpu.max", "150000 100000\n"),
        ("/sys/fs/cgroup/memory.max", limit.as_str()),
        ("/sys/fs/cgroup/memory.current", used.as_str()),
        ("/sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 268435456\n"),
    ];
    check(two, "0::/\n", &container, "1500; memory 8192/16384, limit 768/1024");
    // The outer group is the stricter one.
    let nested = [
        ("/sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
        ("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"),
        ("/sys/fs/cgroup/a/memory.max", limit.as_str()),
        ("/sys/fs/cgroup/a/memory.current", used.as_str()),
        ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
    ];
    check(two, "0::/a/b\n", &nested, "500; memory 8192/16384, limit 512/1024");
    let first = [
        ("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "250000\n"),
        ("/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n"),
        ("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", limit.as_str()),
        ("/sys/fs/cgroup/memory/m/memory.usage_in_bytes", used.as_str()),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
    ];
    check(one, "4:memory:/m\n1:cpu:/c\n0::/\n", &first, "2500; memory 8192/16384, limit 512/1024");
    let unlimited = [("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n")];
    check(one, "1:cpu:/c\n", &unlimited, "?; memory 8192/16384, limit ?/?");
    // More used than allowed, as right before the kernel ends somebody.
    let full =
        [("/sys/fs/cgroup/memory.max", used.as_str()), ("/sys/fs/cgroup/memory.current", limit.as_str())];
    check(two, "0::/\n", &full, "?; memory 8192/16384, limit 0/512");
    let garbage = [("/sys/fs/cgroup/cpu.max", "lots\n"), ("/sys/fs/cgroup/memory.max", "-5\n")];
    check(two, "0::/\n", &garbage, "?; memory 8192/16384, limit ?/?");
    check("garbage", "garbage", &[], "?; memory 8192/16384, limit ?/?");
}

#[test]
fn memory_is_looked_at_alone_as_with_all_else() {
    let mut tree = plain();
    tree.add("/proc/self/cgroup", "0::/\n")
        .add("/proc/self/mountinfo", "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        .add("/sys/fs/cgroup/memory.max", "1073741824\n")
        .add("/sys/fs/cgroup/memory.current", "73741824\n");
    let report = tree.look();
    let memory = tree.probe().memory();
    assert_eq!(memory, report.memory);
    assert_eq!((memory.free_bytes(), memory.whole_bytes()), (Some(1_000_000_000), Some(1 << 30)));
}

#[test]
fn several_nodes() {
    let mut tree = plain();
    tree.add("/sys/devices/system/node/online", "0,2-3\n")
        .add("/sys/devices/system/node/node0/cpulist", "0-1\n")
        .add("/sys/devices/system/node/node2/cpulist", "2-3\n")
        .add("/sys/devices/system/node/node2/meminfo", "Node 2 MemTotal:  2048 kB\n")
        // Memory without cores, as on an expansion card.
        .add("/sys/devices/system/node/node3/cpulist", "\n")
        .add("/sys/devices/system/node/node3/meminfo", "Node 3 MemTotal:  1024 kB\n");
    let told = told(&tree.look());
    assert!(told.ends_with("node 0 [0, 1] 16384; node 2 [2, 3] 2; node 3 [] 1"), "{told}");
}

#[test]
fn nothing_is_there() {
    let report = Tree::new(&[]).look();
    let expected = "? logical, ? physical (? fast), usable ?/? (? fast), quota ?; memory ?/?, limit ?/?";
    assert_eq!(told(&report), expected);
    let expected = [
        "cpu",
        "cpu.model",
        "cpu.logical",
        "cpu.usable",
        "cpu.physical",
        "limits",
        "memory",
        "caches",
        "nodes",
    ];
    assert_eq!(unknown(&report), expected);
    assert!(report.unknown.iter().all(|unknown| unknown.why.len() > 10));
}

#[test]
fn a_file_that_never_ends_is_not_read_to_its_end() {
    let tree = plain();
    tree.write("/proc/meminfo", &vec![b'x'; 2 << 20]);
    let report = tree.look();
    let why = &report.unknown.iter().find(|unknown| unknown.what == "memory").unwrap().why;
    assert!(why.contains("larger than the 1048576 bytes"), "{why}");
}

#[test]
fn amds_cards() {
    let mut tree = plain();
    tree.add("/sys/class/drm/card1/device/vendor", "0x1002\n")
        .add("/sys/class/drm/card1/device/mem_info_vram_total", "17163091968\n")
        .add("/sys/class/drm/card1/device/mem_info_vram_used", "163091968\n")
        .add("/sys/class/drm/card1/device/product_name", "Example XT\n")
        .add("/sys/class/drm/card1/device/drm/renderD129/dev", "226:129\n")
        .add("/sys/class/drm/card1-DP-1/status", "connected\n")
        .add("/sys/class/drm/card0/device/vendor", "0x8086\n")
        .add("/sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 8\ndrm_render_minor 0\n")
        .add(
            "/sys/class/kfd/kfd/topology/nodes/1/properties",
            "drm_render_minor 129\ngfx_target_version 110001\n",
        );
    let gpus = tree.look().gpus;
    assert_eq!([gpus[0].vendor, gpus[1].vendor], [Vendor::Amd, Vendor::Intel]);
    assert_eq!((gpus[0].name.as_deref(), gpus[0].target.as_deref()), (Some("Example XT"), Some("gfx1101")));
    assert_eq!(
        (gpus[0].memory_bytes, gpus[0].memory_free_bytes),
        (Some(17_163_091_968), Some(17_000_000_000))
    );
}

#[cfg(unix)]
mod nvidia {
    use std::{
        os::unix::fs::PermissionsExt,
        time::{Duration, Instant},
    };

    use super::*;

    fn check(script: &str, expected: &str) {
        let mut tree = plain();
        tree.add("/proc/driver/nvidia/version", "NVRM version: 1\n").add("/nvidia-smi", script);
        let rights = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(tree.real("/nvidia-smi"), rights).unwrap();
        let mut probe = tree.probe();
        if script.contains("sleep") {
            probe.time_limit = Duration::from_millis(300);
        }
        let begun = Instant::now();
        let report = probe.look();
        assert!(begun.elapsed() < Duration::from_secs(20));
        let gpus: Vec<_> = report.gpus.iter().map(|gpu| gpu.name.clone().unwrap_or_default()).collect();
        let why = report.unknown.iter().map(|unknown| unknown.why.as_str()).collect::<String>();
        assert!(format!("{gpus:?} {why}").contains(expected), "{gpus:?} {why}");
    }

    #[test]
    fn cards_are_told_by_their_makers_program() {
        let two =
            "#!/bin/sh\necho '0, 100, 90, 550.1, 8.9, Example A'\necho '1, 200, 90, 550.1, 8.9, Example B'\n";
        check(two, r#"["Example A", "Example B"] "#);
        check("#!/bin/sh\nsleep 60\n", "[] ");
        check("#!/bin/sh\nsleep 60\n", "did not end within 0.3 seconds");
        check("#!/bin/sh\necho NVIDIA-SMI has failed; exit 9\n", "exit status: 9): NVIDIA-SMI has failed");
        check("#!/bin/sh\necho No devices were found\n", "not understood");
        check("#!/bin/sh\nwhile :; do echo 0, 1, 1, 1, 1, x; done\n", "more than the 65536 bytes");
    }

    #[test]
    fn without_the_driver_nothing_is_run() {
        let mut tree = plain();
        tree.add("/sys/class/drm/card0/device/vendor", "0x10de\n");
        tree.add("/nvidia-smi", "#!/bin/sh\necho 0, 1, 1, 1, 1, x\n");
        std::fs::set_permissions(tree.real("/nvidia-smi"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let report = tree.look();
        assert!(report.gpus.is_empty());
        assert!(report.unknown[0].why.contains("driver is not loaded"), "{:?}", report.unknown);
    }
}

#[test]
fn this_machine() {
    let report = probe();
    assert_eq!(report.architecture, std::env::consts::ARCH);
    assert!(report.cpu.logical.is_some_and(|cores| cores >= 1), "{:?}", report.unknown);
    assert!(report.cpu.usable_logical <= report.cpu.logical);
    assert!(report.memory.total_bytes.is_some_and(|bytes| bytes > 1 << 20), "{:?}", report.unknown);
}

/// Each file in turn of a whole machine holds anything at all.
#[test]
fn no_file_breaks_a_report() {
    let tree = plain();
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let text = "([0-9]{1,25}|max|-|,|:| |/|\\.\\.|\n|kB|0-){0,12}".prop_map(String::into_bytes);
    let damage = (any::<prop::sample::Index>(), prop_oneof![bytes, text]);
    let damages = prop::collection::vec(damage, 1..4);
    let ran = TestRunner::default().run(&damages, |damages| {
        for (at, bytes) in &damages {
            tree.write(&at.get::<(String, String)>(&tree.files).0, bytes);
        }
        let cpu = tree.look().cpu;
        for (at, _) in &damages {
            let (path, text) = at.get::<(String, String)>(&tree.files);
            tree.write(path, text.as_bytes());
        }
        prop_assert!(cpu.usable_logical <= cpu.logical && cpu.usable_physical <= cpu.physical, "{cpu:?}");
        Ok(())
    });
    ran.unwrap();
}
