//! What `sysinfo` tells on systems other than Linux. Compiled for tests on Linux, too, to be held against it.

use sysinfo::{CpuRefreshKind, System};

use crate::{
    features,
    gap::{Gap, Gaps},
    nvidia,
    probe::Probe,
    report::{Cpu, Gpu, Memory, Report, Vendor},
};

/// Looks at memory alone; `None` where the system does not tell.
pub(crate) fn memory() -> Option<Memory> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let some = |bytes: u64| Some(bytes).filter(|bytes| *bytes > 0);
    Some(Memory {
        total_bytes: some(system.total_memory()),
        available_bytes: some(system.available_memory()),
        swap_bytes: Some(system.total_swap()),
        swap_free_bytes: Some(system.free_swap()),
        ..Memory::default()
    })
}

pub(crate) fn look(probe: &Probe) -> Report {
    let mut gaps = Gaps::default();
    let silent = || Gap::Plain("the system does not tell");
    let usable = std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok());
    let mut cpu =
        Cpu { features: features::detect(""), logical: usable, usable_logical: usable, ..Cpu::default() };
    match System::new() {
        Ok(mut system) => {
            system.refresh_cpu_list(CpuRefreshKind::nothing());
            cpu.model = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
            let counted = system.cpus().len();
            cpu.logical = u32::try_from(counted).ok().filter(|count| *count > 0).or(usable);
        }
        Err(_) => gaps.note("cpu", &silent()),
    }
    let memory = gaps.keep("memory", memory().ok_or_else(silent)).unwrap_or_default();
    cpu.model = gaps.keep("cpu.model", cpu.model.filter(|name| !name.is_empty()).ok_or_else(silent));
    cpu.physical = System::physical_core_count().ok().and_then(|count| u32::try_from(count).ok());
    cpu.physical = gaps.keep("cpu.physical", cpu.physical.ok_or_else(silent));
    cpu.usable_physical = cpu.physical.map(|cores| cores.min(usable.unwrap_or(cores)));
    gaps.note("caches", &Gap::Plain("they are looked for on Linux only"));
    gaps.note("nodes", &Gap::Plain("they are looked for on Linux only"));
    let gpus = gpus(probe, &cpu, &mut gaps);
    Report {
        system: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        cpu,
        caches: Vec::new(),
        nodes: Vec::new(),
        memory,
        gpus,
        unknown: gaps.0,
    }
}

fn gpus(probe: &Probe, cpu: &Cpu, gaps: &mut Gaps) -> Vec<Gpu> {
    if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        return vec![apple(cpu)];
    }
    if cfg!(target_os = "windows") {
        return gaps.keep("gpus", nvidia::ask(&probe.nvidia_smi, probe.time_limit)).unwrap_or_default();
    }
    gaps.note("gpus", &Gap::Plain("they are not looked for on this system"));
    Vec::new()
}

/// Every Mac with Apple's own processor has one, named as the processor, and it shares the memory.
fn apple(cpu: &Cpu) -> Gpu {
    Gpu {
        vendor: Vendor::Apple,
        index: 0,
        name: cpu.model.clone(),
        memory_bytes: None,
        memory_free_bytes: None,
        driver: None,
        target: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two ways to know memory and cores agree, so that the way of other systems is known to work.
    #[test]
    #[cfg(target_os = "linux")]
    fn both_ways_agree() {
        let probe = Probe::default();
        let (elsewhere, linux) = (look(&probe), crate::linux::look(&probe));
        assert_eq!(elsewhere.cpu.logical, linux.cpu.logical);
        assert_eq!(elsewhere.memory.total_bytes, linux.memory.total_bytes);
        assert_eq!(elsewhere.memory.swap_bytes, linux.memory.swap_bytes);
        assert_eq!(apple(&elsewhere.cpu).name, elsewhere.cpu.model);
    }
}
