use crate::{
    arm,
    shell::{present, run, run_with, say},
    tidy,
};

/// Everything that continuous integration runs, in its order: the cheap checks first.
#[derive(clap::Args)]
pub(crate) struct Ci {}

impl Ci {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        run("cargo", &["fmt", "--all", "--check"])?;
        tidy::Tidy {}.run()?;
        run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
        documentation()?;
        deny()?;
        test()?;
        instructions()?;
        arm::Arm {}.run()?;
        run("cargo", &["xtask", "conformance"])?;
        say("\nall checks passed");
        Ok(())
    }
}

/// The README's test command: unit and integration tests, examples, doctests. Uses nextest where it is installed.
pub(crate) fn test() -> anyhow::Result<()> {
    if present("cargo", &["nextest", "--version"]) {
        run("cargo", &["build", "--workspace", "--examples"])?;
        run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])?;
    } else {
        run("cargo", &["test", "--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"])?;
    }
    run("cargo", &["test", "--workspace", "--doc"])
}

/// Links of the documentation that lead nowhere are errors. Programs have none: what is written there is for the terminal.
fn documentation() -> anyhow::Result<()> {
    let arguments = ["doc", "--workspace", "--lib", "--no-deps"];
    run_with("cargo", &arguments, &[("RUSTDOCFLAGS", "-D warnings")])
}

/// The kernels, and what a model computes with them beside the references, once more with narrower vectors than this
/// machine's: what other machines run. One model, as plain code takes a quarter of a minute for each.
fn instructions() -> anyhow::Result<()> {
    for narrower in ["avx2", "plain"] {
        if narrower == "avx2" && !has_avx2() {
            say("\n── kernels with avx2: skipped, this machine has none");
            continue;
        }
        let variables = [("ATHENAEUM_TEST_INSTRUCTIONS", narrower)];
        if present("cargo", &["nextest", "--version"]) {
            // Of the same build as all tests, so that nothing is compiled again.
            let kernels = "package(athenaeum-kernels)";
            let model = "test(=golden::qwen2) + test(=tiny::both_forms_say_what_llama_cpp_says)";
            let which = format!("{kernels} + {model}");
            run_with("cargo", &["nextest", "run", "--workspace", "-E", &which], &variables)?;
        } else {
            let kernels = ["test", "-p", "athenaeum-kernels", "--features", "testing", "--lib", "--tests"];
            run_with("cargo", &kernels, &variables)?;
            run_with(
                "cargo",
                &["test", "-p", "athenaeum-inference", "--test", "it", "golden::qwen2"],
                &variables,
            )?;
        }
    }
    Ok(())
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Licences, duplicate crates and who may use what, of all systems: crates of the others may have to be downloaded first.
/// Advisories need a network every time and are left to a scheduled run.
fn deny() -> anyhow::Result<()> {
    if present("cargo", &["deny", "--version"]) {
        run("cargo", &["deny", "check", "bans", "licenses", "sources"])
    } else {
        say("\n── cargo deny: skipped, it is not installed (cargo install cargo-deny)");
        Ok(())
    }
}
