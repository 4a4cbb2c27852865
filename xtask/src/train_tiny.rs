//! The small model under `examples/models`: learnt by a program of its own (`xtask/train-tiny`), written in both formats.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::shell::{repository, say};

mod gguf;

/// Train the small generative model that examples and tests run on, and write it in both formats.
#[derive(clap::Args)]
pub(crate) struct TrainTiny {
    /// Steps of learning; about 0.4 s each on one core.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// The highest rate of learning; lower where a model is to learn further.
    #[arg(long, default_value_t = 0.004)]
    rate: f64,
    /// Go on from the model that is there, and its vocabulary, instead of beginning anew.
    #[arg(long)]
    further: bool,
    /// Another seed gives another model.
    #[arg(long, default_value_t = 18)]
    seed: u64,
    /// Folder to write `tiny/` and `tiny.gguf` into; those in the repository unless it is given.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Learn nothing: only make the GGUF file anew of the folder that is there.
    #[arg(long)]
    convert_only: bool,
}

impl TrainTiny {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let models = repository().join("examples/models");
        let out = self.out.clone().unwrap_or_else(|| models.clone());
        let folder = out.join("tiny");
        if !self.convert_only {
            self.train(&models.join("text"), &folder)?;
        }
        let path = out.join("tiny.gguf");
        let file = gguf::of(&folder)?;
        fs::write(&path, &file).with_context(|| format!("cannot write {}", path.display()))?;
        say(&format!("{}: {} bytes", path.display(), file.len()));
        Ok(())
    }

    /// Builds the trainer, in a target folder of its own, and runs it.
    fn train(&self, texts: &Path, folder: &Path) -> anyhow::Result<()> {
        let root = repository();
        let status = Command::new("cargo")
            .args(["run", "--release", "--quiet", "--manifest-path"])
            .arg(root.join("xtask/train-tiny/Cargo.toml"))
            .arg("--target-dir")
            .arg(root.join("target/train-tiny"))
            .args(["--", "--steps", &self.steps.to_string(), "--seed", &self.seed.to_string()])
            .args(["--rate", &self.rate.to_string()])
            .args(self.further.then_some("--further"))
            .arg("--texts")
            .arg(texts)
            .arg("--out")
            .arg(folder)
            // One thread adds numbers up in the same order every time.
            .env("RAYON_NUM_THREADS", "1")
            // Else glibc gives large tensors back to the system and asks for them again: a third of the time.
            .envs([("MALLOC_MMAP_THRESHOLD_", "4000000000"), ("MALLOC_TRIM_THRESHOLD_", "8000000000")])
            .status()
            .context("cannot start cargo")?;
        if !status.success() {
            bail!("training ended with {status}");
        }
        Ok(())
    }
}
