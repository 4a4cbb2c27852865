use crate::shell::{present, run_with, say};

/// Runs the kernels' tests as ARM processors would, by emulation; skips them, and says so, where what it takes is missing.
///
/// It takes rustup's library for the target (`rustup target add aarch64-unknown-linux-gnu`), a compiler that links for it
/// (`aarch64-linux-gnu-gcc`) and QEMU's emulator of programs (`qemu-aarch64-static` or `qemu-aarch64`).
#[derive(clap::Args)]
pub(crate) struct Arm {}

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Where compilers for other machines have their libraries on Debian and what comes from it.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Processors by QEMU's names, and the instructions that have to be chosen on each: tests fail where others are.
const PROCESSORS: [(&str, &str); 3] =
    [("max", "neon-i8mm"), ("neoverse-n1", "neon-dotprod"), ("cortex-a57", "neon")];

impl Arm {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let emulators = ["qemu-aarch64-static", "qemu-aarch64"];
        let emulator = emulators.into_iter().find(|emulator| present(emulator, &["--version"]));
        let Some(emulator) = emulator else {
            return skipped("there is no qemu-aarch64-static (package qemu-user-static)");
        };
        if !present("aarch64-linux-gnu-gcc", &["--version"]) {
            return skipped("there is no aarch64-linux-gnu-gcc (package gcc-aarch64-linux-gnu)");
        }
        if !has_library()? {
            return skipped("there is no library for it (rustup target add aarch64-unknown-linux-gnu)");
        }
        for (processor, instructions) in PROCESSORS {
            let runner = format!("{emulator} -L {LIBRARIES} -cpu {processor}");
            let variables = [
                ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc"),
                ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner.as_str()),
                ("ATHENAEUM_TEST_INSTRUCTIONS", instructions),
            ];
            let kernels = ["test", "-p", "athenaeum-kernels", "--features", "testing", "--lib", "--tests"];
            run_with("cargo", &[&kernels[..], &["--target", TARGET]].concat(), &variables)?;
        }
        Ok(())
    }
}

fn skipped(reason: &str) -> anyhow::Result<()> {
    say(&format!("\n── kernels on ARM: skipped, {reason}"));
    Ok(())
}

/// Asks the compiler that cargo calls, which need not be rustup's.
fn has_library() -> anyhow::Result<bool> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let place = std::process::Command::new(compiler)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    let place = String::from_utf8_lossy(&place.stdout);
    Ok(std::fs::read_dir(place.trim()).is_ok_and(|mut files| files.next().is_some()))
}
