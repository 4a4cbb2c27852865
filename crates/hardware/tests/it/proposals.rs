use athenaeum_hardware::{Backends, Device, Gpu, Kernel, Overrides, Report, Source, Vendor, propose};

const GIB: u64 = 1 << 30;

/// What is proposed, as `device threads kernel MiB`, each with a `!` where the settings were refused and an `=` where
/// they hold.
fn proposed(report: &Report, overrides: &Overrides, backends: Backends) -> String {
    let plan = propose(report, overrides, backends);
    let mark = |source| match source {
        Source::Proposed => "",
        Source::Settings => "=",
        Source::Refused => "!",
    };
    format!(
        "{}{} {}{} {}{} {}{}",
        plan.device.value,
        mark(plan.device.source),
        plan.threads.value,
        mark(plan.threads.source),
        plan.kernel.value,
        mark(plan.kernel.source),
        plan.memory_budget_bytes.value >> 20,
        mark(plan.memory_budget_bytes.source),
    )
}

/// Eight physical cores, AVX2, 16 GiB with 8 free.
fn desktop() -> Report {
    let mut report = Report::default();
    report.cpu.features = vec!["sse4_1", "avx", "avx2", "fma", "f16c"];
    report.cpu.logical = Some(16);
    report.cpu.physical = Some(8);
    report.cpu.usable_logical = Some(16);
    report.cpu.usable_physical = Some(8);
    report.memory.total_bytes = Some(16 * GIB);
    report.memory.available_bytes = Some(8 * GIB);
    report
}

fn gpu(vendor: Vendor, index: u32, memory: u64) -> Gpu {
    Gpu {
        vendor,
        index,
        name: Some("Example".to_owned()),
        memory_bytes: Some(memory),
        memory_free_bytes: Some(memory / 2),
        driver: None,
        target: None,
    }
}

/// A machine as a change of the desktop, and what is proposed for it.
fn check(change: impl Fn(&mut Report), expected: &str) {
    let mut report = desktop();
    change(&mut report);
    assert_eq!(proposed(&report, &Overrides::default(), Backends::default()), expected, "{report:#?}");
}

#[test]
fn machines() {
    let cores = |logical, physical| {
        move |report: &mut Report| {
            report.cpu.usable_logical = logical;
            report.cpu.usable_physical = physical;
        }
    };
    let quota = |millicores| move |report: &mut Report| report.cpu.quota_millicores = Some(millicores);
    check(|_| {}, "cpu 8 avx2 6553");
    check(cores(Some(4), Some(2)), "cpu 2 avx2 6553");
    check(cores(Some(4), None), "cpu 4 avx2 6553");
    check(cores(None, None), "cpu 1 avx2 6553");
    check(|report| report.cpu.usable_fast = Some(6), "cpu 6 avx2 6553");
    check(quota(1_500), "cpu 1 avx2 6553");
    check(quota(100), "cpu 1 avx2 6553");
    check(quota(3_999), "cpu 3 avx2 6553");
    check(quota(64_000), "cpu 8 avx2 6553");
}

#[test]
fn budgets() {
    let limited = |limit, left| {
        move |report: &mut Report| {
            report.memory.limit_bytes = Some(limit);
            report.memory.limit_free_bytes = Some(left);
        }
    };
    check(limited(4 * GIB, 3 * GIB), "cpu 8 avx2 2560");
    check(limited(64 * GIB, 60 * GIB), "cpu 8 avx2 6553");
    check(limited(GIB, GIB / 4), "cpu 8 avx2 0");
    check(|report| report.memory.available_bytes = None, "cpu 8 avx2 6553");
    check(
        |report| {
            report.memory.available_bytes = None;
            report.memory.total_bytes = None;
        },
        "cpu 8 avx2 1024",
    );
    check(|report| report.memory.available_bytes = Some(0), "cpu 8 avx2 0");
}

#[test]
fn kernels() {
    let has = |features: &'static [&'static str]| {
        move |report: &mut Report| report.cpu.features = features.to_vec()
    };
    check(has(&[]), "cpu 8 scalar 6553");
    check(has(&["sse4_1"]), "cpu 8 sse4.1 6553");
    check(has(&["sse4_1", "avx2", "fma"]), "cpu 8 sse4.1 6553");
    check(has(&["avx2", "fma", "f16c", "avx_vnni"]), "cpu 8 avx-vnni 6553");
    let wide: &[&str] = &["avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512dq"];
    check(has(wide), "cpu 8 avx512 6553");
    check(
        |report| {
            report.cpu.features = wide.to_vec();
            report.cpu.features.push("avx512_vnni");
        },
        "cpu 8 avx512-vnni 6553",
    );
    check(has(&["neon"]), "cpu 8 neon 6553");
    check(has(&["neon", "i8mm"]), "cpu 8 neon 6553");
    check(has(&["neon", "dotprod", "i8mm", "sve"]), "cpu 8 neon-i8mm 6553");
}

#[test]
fn gpus() {
    let check = |gpus: Vec<Gpu>, backends: Backends, wanted: Option<Device>, expected: &str| {
        let report = Report { gpus, ..desktop() };
        let overrides = Overrides { device: wanted, ..Overrides::default() };
        assert_eq!(proposed(&report, &overrides, backends), expected);
    };
    let (none, cuda) = (Backends::default(), Backends { cuda: true, ..Backends::default() });
    let metal = Backends { metal: true, ..Backends::default() };
    let two = || vec![gpu(Vendor::Nvidia, 0, 8 * GIB), gpu(Vendor::Nvidia, 1, 80 * GIB)];
    let twins = || vec![gpu(Vendor::Nvidia, 0, 8 * GIB), gpu(Vendor::Nvidia, 1, 8 * GIB)];
    let apple = || vec![gpu(Vendor::Apple, 0, 0)];
    check(two(), none, None, "cpu 8 avx2 6553");
    check(two(), cuda, None, "cuda:1 8 avx2 36864");
    check(twins(), cuda, None, "cuda:0 8 avx2 3686");
    check(two(), cuda, Some(Device::Cuda(0)), "cuda:0= 8 avx2 3686");
    check(two(), cuda, Some(Device::Cpu), "cpu= 8 avx2 6553");
    check(two(), cuda, Some(Device::Cuda(2)), "cuda:1! 8 avx2 36864");
    check(two(), none, Some(Device::Cuda(0)), "cpu! 8 avx2 6553");
    check(vec![gpu(Vendor::Amd, 0, GIB)], cuda, None, "cpu 8 avx2 6553");
    check(apple(), metal, None, "metal 8 avx2 6553");
    check(apple(), none, None, "cpu 8 avx2 6553");
    check(apple(), none, Some(Device::Metal), "cpu! 8 avx2 6553");
    check(two(), metal, Some(Device::Metal), "cpu! 8 avx2 6553");
    check(two(), cuda, Some(Device::Candle), "cuda:1! 8 avx2 36864");
    check(vec![], Backends { candle: true, ..none }, Some(Device::Candle), "candle= 8 avx2 6553");
    check(vec![], Backends { candle: true, ..none }, None, "cpu 8 avx2 6553");
}

#[test]
fn settings_win_where_they_are_possible() {
    let check = |overrides: Overrides, expected: &str, reason: &str| {
        let plan = propose(&desktop(), &overrides, Backends::default());
        assert_eq!(proposed(&desktop(), &overrides, Backends::default()), expected);
        let reasons =
            [plan.device.reason, plan.threads.reason, plan.kernel.reason, plan.memory_budget_bytes.reason];
        assert!(reasons.iter().any(|given| given.contains(reason)), "{reasons:?}");
    };
    let none = Overrides::default;
    check(none(), "cpu 8 avx2 6553", "8 physical cores can be used");
    check(none(), "cpu 8 avx2 6553", "8.0 GiB are available, and 1.6 GiB stay free for others");
    check(Overrides { threads: 64, ..none() }, "cpu 64= avx2 6553", "hardware.threads says so");
    check(
        Overrides { kernel: Some(Kernel::Scalar), ..none() },
        "cpu 8 scalar= 6553",
        "hardware.kernel says so",
    );
    check(
        Overrides { kernel: Some(Kernel::Avx512), ..none() },
        "cpu 8 avx2! 6553",
        "the processor has no avx512f, avx512bw, avx512vl, avx512dq",
    );
    check(
        Overrides { kernel: Some(Kernel::Neon), ..none() },
        "cpu 8 avx2! 6553",
        "the processor has no neon",
    );
    check(
        Overrides { memory_budget_mib: 100, ..none() },
        "cpu 8 avx2 100=",
        "hardware.memory_budget_mib says so",
    );
    let huge = Overrides { memory_budget_mib: u64::MAX, ..none() };
    assert_eq!(propose(&desktop(), &huge, Backends::default()).memory_budget_bytes.value, u64::MAX);
}
