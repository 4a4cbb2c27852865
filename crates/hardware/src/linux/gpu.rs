use super::files::Files;
use crate::{
    gap::{Gap, Gaps},
    nvidia,
    probe::Probe,
    report::{Gpu, Vendor},
};

/// Looks for graphics processors. The program that knows NVIDIA's is run only where their driver is loaded.
pub(crate) fn look(files: &Files, probe: &Probe, gaps: &mut Gaps) -> Vec<Gpu> {
    let cards = files.numbered("/sys/class/drm", "card").unwrap_or_default();
    let vendor = |card: &u32| {
        let text = files.read_start(&format!("/sys/class/drm/card{card}/device/vendor")).ok()?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    let of = |wanted: u32| cards.iter().copied().filter(move |card| vendor(card) == Some(wanted));
    let mut gpus = Vec::new();
    // The second is the driver that Windows hands into its Linux guests.
    let driver = files.exists("/proc/driver/nvidia/version") || files.exists("/usr/lib/wsl/lib/libcuda.so.1");
    if driver {
        gpus.extend(gaps.keep("gpus", nvidia::ask(&probe.nvidia_smi, probe.time_limit)).unwrap_or_default());
    } else if of(NVIDIA).next().is_some() {
        gaps.note("gpus", &Gap::Plain("an NVIDIA GPU is there, but NVIDIA's driver is not loaded"));
    }
    let amd = of(AMD).zip(0..).map(|(card, index)| amd(files, card, index));
    gpus.extend(amd);
    let intel = of(INTEL).zip(0..).map(|(_, index)| Gpu {
        vendor: Vendor::Intel,
        index,
        name: None,
        memory_bytes: None,
        memory_free_bytes: None,
        driver: None,
        target: None,
    });
    gpus.extend(intel);
    gpus
}

/// The kernel's own driver tells about AMD's, in files.
fn amd(files: &Files, card: u32, index: u32) -> Gpu {
    let device = format!("/sys/class/drm/card{card}/device");
    let bytes = |name: &str| files.value::<u64>(&format!("{device}/{name}"), "a number of bytes").ok();
    let name = files.read_start(&format!("{device}/product_name")).ok();
    let name = name.map(|name| name.trim().chars().take(200).collect::<String>());
    let (total, used) = (bytes("mem_info_vram_total"), bytes("mem_info_vram_used"));
    let kernel = files.read_start("/sys/module/amdgpu/version").ok();
    Gpu {
        vendor: Vendor::Amd,
        index,
        name: name.filter(|name| !name.is_empty()),
        memory_bytes: total,
        memory_free_bytes: total.zip(used).map(|(total, used)| total.saturating_sub(used)),
        driver: kernel.map(|version| version.trim().to_owned()),
        target: render_number(files, &device).and_then(|number| target(files, number)),
    }
}

/// Returns N of the card's `renderD{N}`, by which the compute driver knows it.
fn render_number(files: &Files, device: &str) -> Option<u32> {
    files.numbered(&format!("{device}/drm"), "renderD").ok()?.first().copied()
}

/// Returns what the compute driver calls the card's instruction set: `gfx1100`.
fn target(files: &Files, render: u32) -> Option<String> {
    let folder = "/sys/class/kfd/kfd/topology/nodes";
    files.numbered(folder, "").ok()?.into_iter().find_map(|node| {
        let text = files.read_start(&format!("{folder}/{node}/properties")).ok()?;
        let mine = property(&text, "drm_render_minor")? == render;
        mine.then(|| property(&text, "gfx_target_version").and_then(target_name)).flatten()
    })
}

fn property(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The number is major × 10000 + minor × 100 + stepping; the name has the last two in hexadecimal.
fn target_name(version: u32) -> Option<String> {
    let (major, minor, stepping) = (version / 10_000, version / 100 % 100, version % 100);
    (major > 0).then(|| format!("gfx{major}{minor:x}{stepping:x}"))
}

/// Numbers of the makers on the PCI bus (<https://pci-ids.ucw.cz>).
const NVIDIA: u32 = 0x10de;
const AMD: u32 = 0x1002;
const INTEL: u32 = 0x8086;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let check = |version, expected: Option<&str>| assert_eq!(target_name(version).as_deref(), expected);
        check(110_000, Some("gfx1100"));
        check(90_010, Some("gfx90a"));
        check(100_302, Some("gfx1032"));
        check(0, None);
        assert_eq!(property("simd_count 96\ndrm_render_minor 128\n", "drm_render_minor"), Some(128));
        assert_eq!(property("drm_render_minor -1", "drm_render_minor"), None);
    }
}
