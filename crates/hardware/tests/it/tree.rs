use std::{path::PathBuf, time::Duration};

use athenaeum_hardware::{Probe, Report};
use tempfile::TempDir;

/// A made-up `/proc` and `/sys`.
pub(crate) struct Tree {
    folder: TempDir,
    pub(crate) files: Vec<(String, String)>,
}

impl Tree {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut tree = Self { folder: tempfile::tempdir().unwrap(), files: Vec::new() };
        for (path, text) in files {
            tree.add(path, text);
        }
        tree
    }

    pub(crate) fn add(&mut self, path: &str, text: &str) -> &mut Self {
        self.write(path, text.as_bytes());
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.real(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn real(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Adds logical cores 0, 1, … whose physical cores have the given siblings.
    pub(crate) fn cores(&mut self, siblings: &[&str]) -> &mut Self {
        for (id, siblings) in siblings.iter().enumerate() {
            self.add(&format!("/sys/devices/system/cpu/cpu{id}/topology/core_cpus_list"), siblings);
        }
        self
    }

    pub(crate) fn probe(&self) -> Probe {
        Probe {
            root: self.folder.path().to_owned(),
            nvidia_smi: self.real("/nvidia-smi"),
            time_limit: Duration::from_secs(20),
        }
    }

    pub(crate) fn look(&self) -> Report {
        self.probe().look()
    }
}

/// A plain machine of two physical cores with two logical ones each, under control groups of version 2.
pub(crate) fn plain() -> Tree {
    let mut tree = Tree::new(&[
        ("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Example 5000\nflags\t\t: fpu avx2\n"),
        ("/proc/self/status", "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n"),
        ("/proc/self/cgroup", "0::/user/app\n"),
        (
            "/proc/self/mountinfo",
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
        ),
        (
            "/proc/meminfo",
            "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\nSwapTotal: 2048 kB\nSwapFree: 1024 kB\n",
        ),
        ("/sys/devices/system/cpu/online", "0-3\n"),
        ("/sys/devices/system/node/online", "0\n"),
        ("/sys/devices/system/node/node0/cpulist", "0-3\n"),
        ("/sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 16777216 kB\n"),
        ("/sys/fs/cgroup/user/app/cpu.max", "max 100000\n"),
        ("/sys/fs/cgroup/user/app/memory.max", "max\n"),
    ]);
    tree.cores(&["0,2", "1,3", "0,2", "1,3"]);
    for (index, kind, level, size) in
        [(0, "Data", 1, "32K"), (1, "Instruction", 1, "64K"), (2, "Unified", 2, "1M")]
    {
        for (id, shared) in ["0,2", "1,3", "0,2", "1,3"].iter().enumerate() {
            let folder = format!("/sys/devices/system/cpu/cpu{id}/cache/index{index}");
            tree.add(&format!("{folder}/type"), kind);
            tree.add(&format!("{folder}/level"), &level.to_string());
            tree.add(&format!("{folder}/size"), size);
            tree.add(&format!("{folder}/shared_cpu_list"), shared);
        }
    }
    tree
}
