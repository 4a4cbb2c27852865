/// What this machine can do. Numbers that could not be found out are `None`, and [`Report::unknown`] says why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The operating system: `linux`, `macos`, `windows`, ….
    pub system: &'static str,
    /// The architecture that this program was built for: `x86_64`, `aarch64`, ….
    pub architecture: &'static str,
    /// Processors and how many of them this process may use.
    pub cpu: Cpu,
    /// Caches by level, data before instructions; empty where unknown.
    pub caches: Vec<Cache>,
    /// Memory nodes by number; one on most machines, none where unknown.
    pub nodes: Vec<NumaNode>,
    /// Memory and its limits.
    pub memory: Memory,
    /// Graphics processors that were recognised, NVIDIA's first.
    pub gpus: Vec<Gpu>,
    /// What could not be found out, and why.
    pub unknown: Vec<Unknown>,
}

/// Processors. A *logical* core is what the system schedules on; a *physical* one may carry two or more of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// The maker's name for it.
    pub model: Option<String>,
    /// Those instruction sets that matter for inference and can be used here, named as Linux names them
    /// (`avx512_vnni`), in a fixed order.
    pub features: Vec<&'static str>,
    /// Logical cores that are switched on.
    pub logical: Option<u32>,
    /// Physical cores that are switched on.
    pub physical: Option<u32>,
    /// Of these, the fast ones, where the machine has cores of several kinds; `None` where all are alike.
    pub physical_fast: Option<u32>,
    /// Logical cores that this process may run on.
    pub usable_logical: Option<u32>,
    /// Physical cores with at least one logical core that this process may run on.
    pub usable_physical: Option<u32>,
    /// Of these, the fast ones, where the machine has cores of several kinds.
    pub usable_fast: Option<u32>,
    /// Thousandths of a core that the process's control groups grant it at most; `None` without a limit.
    pub quota_millicores: Option<u32>,
}

/// Caches of one level, kind and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// 1 is nearest to the core.
    pub level: u8,
    /// What it holds.
    pub kind: CacheKind,
    /// Size of each, in bytes.
    pub bytes: u64,
    /// How many there are.
    pub count: u32,
    /// Logical cores that share one, at most.
    pub shared_by: u32,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheKind {
    /// Data only.
    Data,
    /// Instructions only.
    Instruction,
    /// Both.
    Unified,
}

/// Memory and the cores that are near to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaNode {
    /// The system's number of it.
    pub id: u32,
    /// Logical cores, in ascending order; none for a node of memory alone.
    pub cores: Vec<u32>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
}

/// Memory, all in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// What the system has to give.
    pub total_bytes: Option<u64>,
    /// What the system could give now without swapping.
    pub available_bytes: Option<u64>,
    /// The least of the limits of the process's control groups; `None` without a limit.
    pub limit_bytes: Option<u64>,
    /// What is left under those limits, counting file pages that can be dropped as free.
    pub limit_free_bytes: Option<u64>,
    /// Swap space.
    pub swap_bytes: Option<u64>,
    /// Swap space that is not used.
    pub swap_free_bytes: Option<u64>,
}

impl Memory {
    /// Returns what this process could still be given: the least that system and limits leave.
    pub fn free_bytes(&self) -> Option<u64> {
        [self.available_bytes, self.limit_free_bytes].into_iter().flatten().min()
    }

    /// Returns what there is for it in all: the least of system and limits.
    pub fn whole_bytes(&self) -> Option<u64> {
        [self.total_bytes, self.limit_bytes].into_iter().flatten().min()
    }
}

/// A graphics processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Who made it.
    pub vendor: Vendor,
    /// The driver's number of it among this maker's, from 0.
    pub index: u32,
    /// The maker's name for it.
    pub name: Option<String>,
    /// Its own memory in bytes; `None` also where it shares the machine's.
    pub memory_bytes: Option<u64>,
    /// What of that is free, in bytes.
    pub memory_free_bytes: Option<u64>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// What it computes with: NVIDIA's compute capability (`9.0`), AMD's target (`gfx1100`).
    pub target: Option<String>,
}

/// Who made a graphics processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Apple.
    Apple,
    /// Intel.
    Intel,
}

/// Something that could not be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What: `cpu.physical`, `memory`, `gpus`, ….
    pub what: String,
    /// Why, as a clause.
    pub why: String,
}

impl CacheKind {
    /// Returns its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Instruction => "instruction",
            Self::Unified => "unified",
        }
    }
}

impl Vendor {
    /// Returns its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nvidia => "nvidia",
            Self::Amd => "amd",
            Self::Apple => "apple",
            Self::Intel => "intel",
        }
    }
}
