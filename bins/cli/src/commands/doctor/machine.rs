use athenaeum::{
    api::Hardware,
    hardware::{Overrides, Plan, Report, Source, propose},
};

use super::{Finding, good};
use crate::output::{bytes, counted};

/// Tells what the machine is and what of it models would use. Only a wish that cannot be fulfilled is a fault.
pub(super) fn findings(report: Report, overrides: &Overrides) -> Vec<Finding> {
    let plan = propose(&report, overrides, athenaeum::backends());
    let mut findings =
        vec![good("machine", machine(&report)), good("memory", memory(&report)), good("gpus", gpus(&report))];
    for unknown in &report.unknown {
        findings.push(good("unknown", format!("{}: {}", unknown.what, unknown.why)));
    }
    let refused = refused(&plan);
    findings.push(Finding {
        check: "compute",
        ok: refused.is_empty(),
        found: used(&plan),
        advice: (!refused.is_empty()).then(|| refused.join("\n               ")),
        hardware: None,
    });
    if let Some(first) = findings.first_mut() {
        first.hardware = Some(Hardware::new(report, plan));
    }
    findings
}

fn machine(report: &Report) -> String {
    let cpu = &report.cpu;
    let mut text = cpu.model.clone().unwrap_or_else(|| "a processor without a name".to_owned());
    text += &format!(" ({})", report.architecture);
    if let Some(physical) = cpu.physical {
        text += &format!(", {}", counted(physical.into(), "core"));
    }
    if let Some(fast) = cpu.physical_fast {
        text += &format!(" of which {fast} fast");
    }
    if let Some(logical) = cpu.logical.filter(|logical| Some(*logical) != cpu.physical) {
        text += &format!(", {}", counted(logical.into(), "logical core"));
    }
    if let Some(usable) = cpu.usable_logical.filter(|usable| Some(*usable) != cpu.logical) {
        text += &format!(", {usable} of them for this program");
    }
    if let Some(quota) = cpu.quota_millicores {
        text += &format!(", at most {}.{:02} at a time", quota / 1000, quota % 1000 / 10);
    }
    if report.nodes.len() > 1 {
        text += &format!(", {} memory nodes", report.nodes.len());
    }
    text
}

fn memory(report: &Report) -> String {
    let memory = &report.memory;
    let told = |size: Option<u64>| size.map_or_else(|| "unknown".to_owned(), bytes);
    let mut text = format!("{}, available {}", told(memory.total_bytes), told(memory.available_bytes));
    if let Some(limit) = memory.limit_bytes {
        text += &format!("; this program may use {}, left {}", bytes(limit), told(memory.limit_free_bytes));
    }
    text
}

fn gpus(report: &Report) -> String {
    if report.gpus.is_empty() {
        return "none found".to_owned();
    }
    let told = report.gpus.iter().map(|gpu| {
        let name = gpu.name.clone().unwrap_or_else(|| format!("{} GPU", gpu.vendor.as_str()));
        match gpu.memory_bytes {
            Some(memory) => format!("{name} with {}", bytes(memory)),
            None => name,
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

fn used(plan: &Plan) -> String {
    format!(
        "{} with {} and {} kernels ({}), up to {} of memory",
        plan.device.value,
        counted(plan.threads.value.into(), "thread"),
        plan.kernel.value,
        plan.threads.reason,
        bytes(plan.memory_budget_bytes.value),
    )
}

/// Returns what the settings want and cannot have, with the reasons.
fn refused(plan: &Plan) -> Vec<String> {
    let choices = [(plan.device.source, &plan.device.reason), (plan.kernel.source, &plan.kernel.reason)];
    choices
        .into_iter()
        .filter(|(source, _)| *source == Source::Refused)
        .map(|(_, reason)| reason.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use athenaeum::hardware::{Gpu, Kernel, Unknown, Vendor};

    use super::*;

    /// A container of two and a half cores on a machine of eight.
    fn container() -> Report {
        let mut report = Report { system: "linux", architecture: "x86_64", ..Report::default() };
        report.cpu.model = Some("Example 5000".to_owned());
        report.cpu.features = vec!["sse4_1", "avx", "avx2", "fma", "f16c"];
        report.cpu.logical = Some(16);
        report.cpu.physical = Some(8);
        report.cpu.usable_logical = Some(12);
        report.cpu.usable_physical = Some(6);
        report.cpu.quota_millicores = Some(2_500);
        report.memory.total_bytes = Some(64_000_000_000);
        report.memory.available_bytes = Some(40_000_000_000);
        report.memory.limit_bytes = Some(8_000_000_000);
        report.memory.limit_free_bytes = Some(6_000_000_000);
        report.gpus = vec![Gpu {
            vendor: Vendor::Nvidia,
            index: 0,
            name: Some("Example RTX".to_owned()),
            memory_bytes: Some(24_000_000_000),
            memory_free_bytes: None,
            driver: None,
            target: None,
        }];
        report.unknown =
            vec![Unknown { what: "caches".into(), why: "the system tells nothing of caches".into() }];
        report
    }

    fn told(report: Report, overrides: &Overrides) -> String {
        let lines = findings(report, overrides).into_iter().map(|finding| {
            let mark = if finding.ok { "ok " } else { "bad" };
            let advice = finding.advice.map(|advice| format!("\n    {advice}")).unwrap_or_default();
            format!("{mark} {:<9} {}{advice}", finding.check, finding.found)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_container_reads_well() {
        insta::assert_snapshot!(told(container(), &Overrides::default()), @r"
        ok  machine   Example 5000 (x86_64), 8 cores, 16 logical cores, 12 of them for this program, at most 2.50 at a time
        ok  memory    64.0 GB, available 40.0 GB; this program may use 8.0 GB, left 6.0 GB
        ok  gpus      Example RTX with 24.0 GB
        ok  unknown   caches: the system tells nothing of caches
        ok  compute   cpu with 2 threads and avx2 kernels (the control group grants 2.50 cores), up to 5.2 GB of memory
        ");
    }

    #[test]
    fn a_wish_that_cannot_be_is_a_fault() {
        let overrides = Overrides { kernel: Some(Kernel::Avx512), threads: 3, ..Overrides::default() };
        insta::assert_snapshot!(told(container(), &overrides), @r"
        ok  machine   Example 5000 (x86_64), 8 cores, 16 logical cores, 12 of them for this program, at most 2.50 at a time
        ok  memory    64.0 GB, available 40.0 GB; this program may use 8.0 GB, left 6.0 GB
        ok  gpus      Example RTX with 24.0 GB
        ok  unknown   caches: the system tells nothing of caches
        bad compute   cpu with 3 threads and avx2 kernels (hardware.threads says so), up to 5.2 GB of memory
            hardware.kernel wants something else, but the processor has no avx512f, avx512bw, avx512vl, avx512dq; avx2 is the fastest family that the processor runs
        ");
    }

    #[test]
    fn nothing_known_is_told_too() {
        insta::assert_snapshot!(told(Report { architecture: "x86_64", ..Report::default() }, &Overrides::default()), @r"
        ok  machine   a processor without a name (x86_64)
        ok  memory    unknown, available unknown
        ok  gpus      none found
        ok  compute   cpu with 1 thread and scalar kernels (the number of cores is unknown), up to 1.1 GB of memory
        ");
    }

    #[test]
    fn programs_get_the_whole_report_and_the_plan() {
        let first = findings(container(), &Overrides::default()).remove(0);
        let json = serde_json::to_value(&first).unwrap();
        assert_eq!(json["hardware"]["cpu"]["quota_millicores"], 2_500);
        assert_eq!(json["hardware"]["gpus"][0]["vendor"], "nvidia");
        assert_eq!(json["hardware"]["plan"]["threads"]["value"], 2);
        assert_eq!(json["hardware"]["plan"]["kernel"]["source"], "proposed");
        assert_eq!(json["hardware"]["unknown"][0]["what"], "caches");
    }
}
