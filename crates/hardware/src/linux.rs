//! What Linux tells in `/proc` and `/sys`.

mod cgroup;
mod cpu;
mod files;
mod gpu;
mod list;
mod memory;

use files::Files;

use crate::{
    features,
    gap::Gaps,
    probe::Probe,
    report::{Memory, Report},
};

/// Looks under `probe.root`.
pub(crate) fn look(probe: &Probe) -> Report {
    let files = Files::new(&probe.root);
    let mut gaps = Gaps::default();
    let cpuinfo = gaps.keep("cpu", files.read_start("/proc/cpuinfo")).unwrap_or_default();
    let mut cpu = cpu::look(&files, &cpuinfo, &mut gaps);
    cpu.features = features::detect(cpu::flags(&cpuinfo));
    let limits = cgroup::look(&files, &mut gaps);
    cpu.quota_millicores = limits.cpu_millicores;
    let memory = within(memory::look(&files, &mut gaps), &limits);
    Report {
        system: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        cpu,
        caches: cpu::caches(&files, &mut gaps),
        nodes: memory::nodes(&files, &mut gaps),
        memory,
        gpus: gpu::look(&files, probe, &mut gaps),
        unknown: gaps.0,
    }
}

/// Looks at memory alone.
pub(crate) fn memory(probe: &Probe) -> Memory {
    let (files, mut gaps) = (Files::new(&probe.root), Gaps::default());
    within(memory::look(&files, &mut gaps), &cgroup::look(&files, &mut gaps))
}

fn within(mut memory: Memory, limits: &cgroup::Limits) -> Memory {
    memory.limit_bytes = limits.memory_bytes;
    memory.limit_free_bytes = limits.memory_free_bytes;
    memory
}
