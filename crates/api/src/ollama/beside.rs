//! What Ollama's registry gives beside a model: its usual options and its system message.

use std::{fs::File, io::Read as _};

use athenaeum_inference::catalog::Entry;
use serde_json::{Map, Value};

use super::options::OPTIONS;
use crate::{parameters::Read, problem::Problem, serving::in_background};

/// What came with a model, and stands where a request says nothing else.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// As in a request; they have been held against the table.
    pub(super) options: Map<String, Value>,
    /// What the model is told first.
    pub(super) system: Option<String>,
}

/// Longer files are none of these.
const BYTES_MAX: u64 = 1 << 20;

impl Beside {
    /// Reads what is there; nothing for models that came from elsewhere, or are there.
    pub(super) async fn of(entry: Option<&Entry>) -> Result<Self, Problem> {
        let recorded =
            |entry: &&Entry| entry.record.as_ref().is_some_and(|record| record.source.starts_with("ollama:"));
        match entry.filter(recorded).cloned() {
            Some(entry) => in_background(move || Self::read(&entry)).await,
            None => Ok(Self::default()),
        }
    }

    /// The same for callers who may block.
    pub(super) fn read(entry: &Entry) -> Self {
        let options = read(entry, "ollama-params.json").and_then(|text| serde_json::from_str(&text).ok());
        let options: Map<String, Value> = options.unwrap_or_default();
        let options = options.into_iter().filter(|(name, value)| {
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            let known = Read::of_object(alone, &OPTIONS).is_ok_and(|read| read.warnings.is_empty());
            if !known {
                tracing::debug!("the option {name} that came with {} is left out", entry.name);
            }
            known
        });
        let system = read(entry, "ollama-system.txt").filter(|text| !text.trim().is_empty());
        Self { options: options.collect(), system }
    }

    /// Writes the options as Ollama does, one a line.
    pub(super) fn parameters(&self) -> String {
        let lines = self.options.iter().flat_map(|(name, value)| {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            values.into_iter().map(move |value| format!("{name:<30} {value}"))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Reads a file that was recorded as the model's.
fn read(entry: &Entry, name: &str) -> Option<String> {
    let record = entry.record.as_ref().filter(|record| record.source.starts_with("ollama:"))?;
    let file = record.files.iter().find(|file| file.path.as_str() == name)?;
    let folder = if entry.path.is_dir() { &entry.path } else { entry.path.parent()? };
    let mut text = String::new();
    File::open(file.path.within(folder)).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}
