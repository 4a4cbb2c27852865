//! A realistic export of any size: Zipf-like vocabulary, threads, branches, tool calls, attachments, code, several
//! scripts and languages, written in the providers' real formats.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;

use crate::shell::say;

mod agent;
mod chatgpt;
mod claude;
mod gemini;
mod openwebui;
mod random;
mod talk;
mod words;

pub(crate) use words::Words;

/// Generate a realistic export of any size, for benchmarks and by-hand trials.
#[derive(clap::Args)]
pub(crate) struct Corpus {
    /// How many messages, over all conversations.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) messages: u64,
    /// Whose format.
    #[arg(long, value_enum, default_value_t = Format::Chatgpt)]
    pub(crate) format: Format,
    /// Text file whose words, with their frequencies, head the vocabulary; may be given several times.
    #[arg(long)]
    pub(crate) text: Vec<PathBuf>,
    /// The same seed gives the same corpus.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Leaves the titles out, so that what is found is ranked by the messages alone.
    #[arg(long)]
    pub(crate) untitled: bool,
    /// File to write (a folder for claude-code).
    #[arg(long)]
    pub(crate) out: PathBuf,
}

/// The formats that can be generated.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// `conversations.json` of a ChatGPT export.
    Chatgpt,
    /// `conversations.json` of a Claude export.
    Claude,
    /// `MyActivity.json` of a Google Takeout.
    Gemini,
    /// The JSON that Open WebUI exports.
    Openwebui,
    /// A folder of Claude Code session logs.
    ClaudeCode,
}

impl Corpus {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let words = Words::from_files(&self.text)?;
        let written = self.write(&words)?;
        say(&format!("{written} messages in {}", self.out.display()));
        Ok(())
    }

    /// Writes whole conversations until at least `messages` are out; returns how many there are.
    pub(crate) fn write(&self, words: &Words) -> anyhow::Result<u64> {
        if self.format == Format::ClaudeCode {
            return self.write_folder(words);
        }
        let cannot = || format!("cannot write {}", self.out.display());
        if let Some(folder) = self.out.parent() {
            fs::create_dir_all(folder).with_context(cannot)?;
        }
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&self.out).with_context(cannot)?);
        let mut talks = talk::Talks::new(words, self.seed);
        let mut written = 0;
        out.write_all(b"[")?;
        while written < self.messages {
            let mut talk = talks.next_talk();
            talk.title = talk.title.filter(|_| !self.untitled);
            out.write_all(if written == 0 { b"\n" } else { b",\n" })?;
            match self.format {
                Format::Chatgpt => chatgpt::write(&mut out, &talk)?,
                Format::Claude => claude::write(&mut out, &talk)?,
                Format::Gemini => gemini::write(&mut out, &talk)?,
                Format::Openwebui | Format::ClaudeCode => openwebui::write(&mut out, &talk)?,
            }
            written += talk.turns.len() as u64;
        }
        out.write_all(b"\n]\n")?;
        out.flush().with_context(cannot)?;
        Ok(written)
    }

    fn write_folder(&self, words: &Words) -> anyhow::Result<u64> {
        let mut talks = talk::Talks::new(words, self.seed);
        let mut written = 0;
        while written < self.messages {
            let talk = talks.next_talk();
            let folder = self.out.join(format!("-home-reader-project-{}", talk.number % 7));
            fs::create_dir_all(&folder)?;
            agent::write(&folder.join(format!("{}.jsonl", talk.id)), &talk)?;
            written += talk.turns.len() as u64;
        }
        Ok(written)
    }
}

/// Generates a ChatGPT corpus unless the file is already there.
pub(crate) fn cached(out: &Path, messages: u64, text: &[PathBuf], untitled: bool) -> anyhow::Result<()> {
    if out.exists() {
        return Ok(());
    }
    let partial = out.with_extension("partial");
    let corpus = Corpus {
        messages,
        format: Format::Chatgpt,
        text: text.to_vec(),
        seed: 1,
        untitled,
        out: partial.clone(),
    };
    corpus.run()?;
    fs::rename(partial, out)?;
    Ok(())
}
