use athenaeum_hardware as hardware;
use serde::Serialize;
use utoipa::ToSchema;

/// What the machine can do, and what of it is used. `athenaeum doctor --json` prints the same object.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Hardware {
    /// The operating system.
    #[schema(examples("linux"))]
    system: &'static str,
    /// The architecture that the program was built for.
    #[schema(examples("x86_64"))]
    architecture: &'static str,
    /// Processors.
    cpu: Cpu,
    /// Caches by level.
    caches: Vec<Cache>,
    /// Memory nodes, and the cores near to each.
    numa_nodes: Vec<NumaNode>,
    /// Memory and its limits.
    memory: Memory,
    /// Graphics processors.
    gpus: Vec<Gpu>,
    /// What could not be found out.
    unknown: Vec<Unknown>,
    /// What is used.
    plan: Plan,
}

/// Processors. Numbers that could not be found out are null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Cpu {
    /// The maker's name for it.
    model: Option<String>,
    /// Instruction sets that matter for inference and can be used, as Linux names them.
    #[schema(examples(json!(["avx2", "fma", "avx512_vnni"])))]
    features: Vec<&'static str>,
    /// Logical cores that are switched on.
    logical_cores: Option<u32>,
    /// Physical cores that are switched on.
    physical_cores: Option<u32>,
    /// Of these, the fast ones; null where all are alike.
    physical_cores_fast: Option<u32>,
    /// Logical cores that the program may run on.
    usable_logical_cores: Option<u32>,
    /// Physical cores that the program may run on.
    usable_physical_cores: Option<u32>,
    /// Of these, the fast ones; null where all are alike.
    usable_physical_cores_fast: Option<u32>,
    /// Thousandths of a core that control groups grant at most; null without a limit.
    quota_millicores: Option<u32>,
}

/// Caches of one level, kind and size.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Cache {
    /// 1 is nearest to the core.
    level: u8,
    /// data, instruction or unified.
    kind: &'static str,
    /// Size of each.
    bytes: u64,
    /// How many there are.
    count: u32,
    /// Logical cores that share one, at most.
    shared_by: u32,
}

/// Memory and the cores near to it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct NumaNode {
    /// The system's number of it.
    id: u32,
    /// Logical cores.
    cores: Vec<u32>,
    /// Its memory.
    memory_bytes: Option<u64>,
}

/// Memory. Numbers that could not be found out are null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Memory {
    /// What the system has to give.
    total_bytes: Option<u64>,
    /// What it could give now without swapping.
    available_bytes: Option<u64>,
    /// The strictest limit of the program's control groups; null without one.
    limit_bytes: Option<u64>,
    /// What is left under these limits.
    limit_free_bytes: Option<u64>,
    /// Swap space.
    swap_bytes: Option<u64>,
    /// Swap space that is not used.
    swap_free_bytes: Option<u64>,
}

/// A graphics processor.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Gpu {
    /// nvidia, amd, apple or intel.
    vendor: &'static str,
    /// The driver's number of it among this maker's.
    index: u32,
    /// The maker's name for it.
    name: Option<String>,
    /// Its own memory; null also where it shares the machine's.
    memory_bytes: Option<u64>,
    /// What of that is free.
    memory_free_bytes: Option<u64>,
    /// Version of the driver.
    driver: Option<String>,
    /// What it computes with: a compute capability (`9.0`) or a target (`gfx1100`).
    target: Option<String>,
}

/// Something that could not be found out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Unknown {
    /// What.
    #[schema(examples("cpu.physical"))]
    what: String,
    /// Why.
    why: String,
}

/// What is used of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Plan {
    /// What computes: cpu, cuda:0, metal.
    device: TextChoice,
    /// Threads that compute.
    threads: NumberChoice,
    /// Family of kernels for what the processor computes.
    kernel: TextChoice,
    /// Memory that models and their caches may take, in bytes.
    memory_budget_bytes: NumberChoice,
}

/// A value and why it is that.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct TextChoice {
    /// What is used.
    value: String,
    /// proposed, settings, or refused where the settings want what cannot be.
    source: &'static str,
    /// Why.
    reason: String,
}

/// A number and why it is that.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct NumberChoice {
    /// What is used.
    value: u64,
    /// proposed, settings, or refused where the settings want what cannot be.
    source: &'static str,
    /// Why.
    reason: String,
}

impl Hardware {
    /// Writes a report and the plan that was made of it.
    pub fn new(report: hardware::Report, plan: hardware::Plan) -> Self {
        Self {
            system: report.system,
            architecture: report.architecture,
            cpu: report.cpu.into(),
            caches: report.caches.into_iter().map(Into::into).collect(),
            numa_nodes: report.nodes.into_iter().map(Into::into).collect(),
            memory: report.memory.into(),
            gpus: report.gpus.into_iter().map(Into::into).collect(),
            unknown: report.unknown.into_iter().map(Into::into).collect(),
            plan: plan.into(),
        }
    }
}

impl From<hardware::Cpu> for Cpu {
    fn from(cpu: hardware::Cpu) -> Self {
        Self {
            model: cpu.model,
            features: cpu.features,
            logical_cores: cpu.logical,
            physical_cores: cpu.physical,
            physical_cores_fast: cpu.physical_fast,
            usable_logical_cores: cpu.usable_logical,
            usable_physical_cores: cpu.usable_physical,
            usable_physical_cores_fast: cpu.usable_fast,
            quota_millicores: cpu.quota_millicores,
        }
    }
}

impl From<hardware::Cache> for Cache {
    fn from(cache: hardware::Cache) -> Self {
        let hardware::Cache { level, kind, bytes, count, shared_by } = cache;
        Self { level, kind: kind.as_str(), bytes, count, shared_by }
    }
}

impl From<hardware::NumaNode> for NumaNode {
    fn from(node: hardware::NumaNode) -> Self {
        let hardware::NumaNode { id, cores, memory_bytes } = node;
        Self { id, cores, memory_bytes }
    }
}

impl From<hardware::Memory> for Memory {
    fn from(memory: hardware::Memory) -> Self {
        Self {
            total_bytes: memory.total_bytes,
            available_bytes: memory.available_bytes,
            limit_bytes: memory.limit_bytes,
            limit_free_bytes: memory.limit_free_bytes,
            swap_bytes: memory.swap_bytes,
            swap_free_bytes: memory.swap_free_bytes,
        }
    }
}

impl From<hardware::Gpu> for Gpu {
    fn from(gpu: hardware::Gpu) -> Self {
        Self {
            vendor: gpu.vendor.as_str(),
            index: gpu.index,
            name: gpu.name,
            memory_bytes: gpu.memory_bytes,
            memory_free_bytes: gpu.memory_free_bytes,
            driver: gpu.driver,
            target: gpu.target,
        }
    }
}

impl From<hardware::Unknown> for Unknown {
    fn from(unknown: hardware::Unknown) -> Self {
        Self { what: unknown.what, why: unknown.why }
    }
}

impl From<hardware::Plan> for Plan {
    fn from(plan: hardware::Plan) -> Self {
        Self {
            device: plan.device.into(),
            threads: plan.threads.into(),
            kernel: plan.kernel.into(),
            memory_budget_bytes: plan.memory_budget_bytes.into(),
        }
    }
}

impl<T: std::fmt::Display> From<hardware::Choice<T>> for TextChoice {
    fn from(choice: hardware::Choice<T>) -> Self {
        Self { value: choice.value.to_string(), source: choice.source.as_str(), reason: choice.reason }
    }
}

impl<T: Into<u64>> From<hardware::Choice<T>> for NumberChoice {
    fn from(choice: hardware::Choice<T>) -> Self {
        Self { value: choice.value.into(), source: choice.source.as_str(), reason: choice.reason }
    }
}
