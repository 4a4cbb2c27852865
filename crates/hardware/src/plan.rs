use crate::{
    overrides::{Device, Kernel, Overrides},
    report::{Gpu, Report, Vendor},
};

/// What to use of a machine, each part with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What computes.
    pub device: Choice<Device>,
    /// Threads that compute; at least 1.
    pub threads: Choice<u32>,
    /// Family of kernels for what the processor computes. Always one that it can run.
    pub kernel: Choice<Kernel>,
    /// Bytes that models and their caches may take in the device's memory.
    pub memory_budget_bytes: Choice<u64>,
}

/// A value, where it came from, and why it is that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<T> {
    /// What to use.
    pub value: T,
    /// Where it came from.
    pub source: Source,
    /// Why, as a clause for people.
    pub reason: String,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It follows from the machine.
    Proposed,
    /// The settings say so.
    Settings,
    /// The settings say something that this machine or this program cannot do, so it follows from the machine.
    Refused,
}

/// What this program can compute with beside the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backends {
    /// It was built with candle.
    pub candle: bool,
    /// It was built with CUDA.
    pub cuda: bool,
    /// It was built with Metal.
    pub metal: bool,
}

/// Proposes what to use of the machine that `report` describes. What `overrides` say holds where it is possible;
/// where it is not, the proposal stands as [`Source::Refused`] with a reason that says why.
///
/// - **Device**: the NVIDIA GPU with the most memory, Apple's GPU, or the processor; the first that `backends` reach.
/// - **Threads**: one for each physical core that the process may use, the fast ones where there are several kinds;
///   but no more than the whole cores of its quota, because a thread that is stopped holds all others up.
/// - **Kernel**: the fastest family that the processor runs.
/// - **Memory budget**: what is available now, or what is left under the control groups' limit where that is less,
///   minus a tenth of the memory (at least 512 MiB) for everybody else. Of a GPU's free memory, minus a tenth.
pub fn propose(report: &Report, overrides: &Overrides, backends: Backends) -> Plan {
    let device = device(report, overrides, backends);
    Plan {
        threads: threads(report, overrides),
        kernel: kernel(report, overrides),
        memory_budget_bytes: memory(report, overrides, device.value),
        device,
    }
}

fn device(report: &Report, overrides: &Overrides, backends: Backends) -> Choice<Device> {
    let proposed = propose_device(report, backends);
    let Some(wanted) = overrides.device else { return proposed };
    let has = |vendor, index| report.gpus.iter().any(|gpu| gpu.vendor == vendor && gpu.index == index);
    let obstacle = match wanted {
        Device::Cpu => None,
        Device::Candle => Some("this program was built without candle").filter(|_| !backends.candle),
        Device::Cuda(_) if !backends.cuda => Some("this program was built without CUDA"),
        Device::Cuda(index) => Some("no such NVIDIA GPU was found").filter(|_| !has(Vendor::Nvidia, index)),
        Device::Metal if !backends.metal => Some("this program was built without Metal"),
        Device::Metal => Some("no Apple GPU was found").filter(|_| !has(Vendor::Apple, 0)),
    };
    settle(proposed, wanted, "hardware.device", obstacle.map(str::to_owned))
}

fn propose_device(report: &Report, backends: Backends) -> Choice<Device> {
    let nvidia = report.gpus.iter().filter(|gpu| gpu.vendor == Vendor::Nvidia);
    // Of equals the first, as their drivers count them.
    let largest = nvidia.min_by_key(|gpu| (std::cmp::Reverse(gpu.memory_bytes), gpu.index));
    let apple = report.gpus.iter().find(|gpu| gpu.vendor == Vendor::Apple);
    let name = |gpu: &Gpu| gpu.name.clone().unwrap_or_else(|| "a GPU".to_owned());
    match (largest, apple) {
        (Some(gpu), _) if backends.cuda => {
            proposed(Device::Cuda(gpu.index), format!("{} has the most memory", name(gpu)))
        }
        (_, Some(gpu)) if backends.metal => proposed(Device::Metal, format!("{} has a GPU", name(gpu))),
        (Some(gpu), _) => {
            proposed(Device::Cpu, format!("{} is there, but this program has no CUDA", name(gpu)))
        }
        (_, Some(gpu)) => {
            proposed(Device::Cpu, format!("{} has a GPU, but this program has no Metal", name(gpu)))
        }
        (None, None) if report.gpus.is_empty() => proposed(Device::Cpu, "no GPU was found"),
        (None, None) => proposed(Device::Cpu, "the GPU is of a kind that is not used"),
    }
}

fn threads(report: &Report, overrides: &Overrides) -> Choice<u32> {
    let cpu = &report.cpu;
    let (cores, mut reason) = if let Some(fast) = cpu.usable_fast {
        (fast, format!("{} can be used", counted(fast, "fast core")))
    } else if let Some(physical) = cpu.usable_physical {
        (physical, format!("{} can be used", counted(physical, "physical core")))
    } else if let Some(logical) = cpu.usable_logical {
        (logical, format!("{} can be used, and how they share is unknown", counted(logical, "logical core")))
    } else {
        (1, "the number of cores is unknown".to_owned())
    };
    let mut threads = cores.max(1);
    if let Some(quota) = cpu.quota_millicores
        && quota / 1000 < threads
    {
        threads = (quota / 1000).max(1);
        reason = format!("the control group grants {}.{:02} cores", quota / 1000, quota % 1000 / 10);
    }
    settle_some(proposed(threads, reason), overrides.threads, "hardware.threads")
}

fn kernel(report: &Report, overrides: &Overrides) -> Choice<Kernel> {
    let lacks = |kernel: Kernel| {
        kernel.needs().iter().copied().filter(|need| !report.cpu.features.contains(need)).collect::<Vec<_>>()
    };
    let best = Kernel::ALL.into_iter().rev().find(|kernel| lacks(*kernel).is_empty());
    let best = best.unwrap_or(Kernel::Scalar);
    let reason = format!("{best} is the fastest family that the processor runs");
    let proposed = proposed(best, reason);
    let Some(wanted) = overrides.kernel else { return proposed };
    let lacking = lacks(wanted);
    let obstacle = (!lacking.is_empty()).then(|| format!("the processor has no {}", lacking.join(", ")));
    settle(proposed, wanted, "hardware.kernel", obstacle)
}

fn memory(report: &Report, overrides: &Overrides, device: Device) -> Choice<u64> {
    let gpu = match device {
        Device::Cuda(index) => {
            report.gpus.iter().find(|gpu| gpu.vendor == Vendor::Nvidia && gpu.index == index)
        }
        Device::Cpu | Device::Candle | Device::Metal => None,
    };
    let proposed = match gpu.and_then(|gpu| gpu.memory_free_bytes.or(gpu.memory_bytes)) {
        Some(free) => proposed(free - free / 10, format!("{} are free on the GPU", gibibytes(free))),
        None => propose_memory(report),
    };
    settle_some(proposed, overrides.memory_budget_mib.saturating_mul(1 << 20), "hardware.memory_budget_mib")
}

fn propose_memory(report: &Report) -> Choice<u64> {
    let memory = &report.memory;
    let whole = memory.whole_bytes();
    let (free, place) = match (memory.available_bytes, memory.limit_free_bytes) {
        (Some(available), Some(left)) if left < available => {
            (left, "are left under the control group's limit")
        }
        (Some(available), _) => (available, "are available"),
        (None, Some(left)) => (left, "are left under the control group's limit"),
        (None, None) => match whole {
            Some(whole) => (whole / 2, "are half of the memory, and what is available is unknown"),
            None => return proposed(BUDGET_BLIND_BYTES, "how much memory there is is unknown"),
        },
    };
    let margin = (whole.unwrap_or(free) / 10).max(MARGIN_BYTES_MIN);
    let reason = format!("{} {place}, and {} stay free for others", gibibytes(free), gibibytes(margin));
    proposed(free.saturating_sub(margin), reason)
}

fn proposed<T>(value: T, reason: impl Into<String>) -> Choice<T> {
    Choice { value, source: Source::Proposed, reason: reason.into() }
}

/// Lays the person's number over a proposal; 0 is none.
fn settle_some<T: Copy + Default + PartialEq>(proposed: Choice<T>, wanted: T, setting: &str) -> Choice<T> {
    if wanted == T::default() { proposed } else { settle(proposed, wanted, setting, None) }
}

/// Lays what the person wants over a proposal, unless there is an obstacle.
fn settle<T>(proposed: Choice<T>, wanted: T, setting: &str, obstacle: Option<String>) -> Choice<T> {
    match obstacle {
        None => Choice { value: wanted, source: Source::Settings, reason: format!("{setting} says so") },
        Some(obstacle) => Choice {
            source: Source::Refused,
            reason: format!("{setting} wants something else, but {obstacle}; {}", proposed.reason),
            ..proposed
        },
    }
}

fn counted(count: u32, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

impl Source {
    /// Returns its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Settings => "settings",
            Self::Refused => "refused",
        }
    }
}

/// Half a gibibyte is what a desktop or a small server's other programs want at least.
const MARGIN_BYTES_MIN: u64 = 512 << 20;

/// A gibibyte: a small model fits, and hardly any machine has less.
const BUDGET_BLIND_BYTES: u64 = 1 << 30;
