//! Other people's files: each must import with the counts that a reader of the file expects, and none may do harm.

mod clients;
mod documents;
mod embeddings;
mod llama_server;
mod mcp;
mod models;
mod schemas;
mod served;
mod templates;
mod tokenizers;

use std::{
    fs,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use athenaeum_core::Severity;
use athenaeum_ingest::{Item, Options};

use crate::shell::{repository, say};

/// Run other people's files through the parsers and compare with what a reader of them expects.
#[derive(clap::Args)]
pub(crate) struct Conformance {
    /// Where the corpora lie; skipped, visibly, where they do not.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Tell which schemas are refused, and which valid values are never written.
    #[arg(long)]
    details: bool,
    /// Only the documents.
    #[arg(long)]
    documents: bool,
    /// Where all-MiniLM-L6-v2 lies, as Hugging Face has it; conformance/embeddings.py says where to get it.
    #[arg(long, env = "ATHENAEUM_MINILM")]
    minilm: Option<PathBuf>,
    /// The Python whose packages are tried against our server.
    #[arg(long, env = "ATHENAEUM_PYTHON", default_value = "python3")]
    python: String,
    /// Where the tests of llama.cpp's server lie (tools/server/tests); docs/conformance/llama-server.md says where to get
    /// them.
    #[arg(long, env = "ATHENAEUM_LLAMA_SERVER_TESTS")]
    llama_server: Option<PathBuf>,
}

impl Conformance {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let root = repository();
        let data = self.data.unwrap_or_else(|| root.join("../shared/data"));
        let mut failed = 0;
        if self.documents {
            failed += documents::all(&data.join("documents"))?;
            failed += documents::pdfs(&data.join("documents"))?;
            ensure!(failed == 0, "{failed} documents differ from what is expected of them");
            return Ok(());
        }
        failed += exports(&root.join("conformance/exports.tsv"), &data.join("llm_exports"))?;
        failed += documents::all(&data.join("documents"))?;
        failed += documents::pdfs(&data.join("documents"))?;
        failed += models::files(&root.join("conformance/models.tsv"), &data)?;
        failed += templates::all(&root.join("conformance"), &data)?;
        failed += tokenizers::vocabularies(&data.join("tokenizers/ggml-vocab"))?;
        failed += schemas::suite(&data.join("json/JSON-Schema-Test-Suite"), self.details)?;
        failed += schemas::grammars(&data.join("grammar"))?;
        let minilm = self.minilm.unwrap_or_else(|| embeddings::usual(&data));
        failed += embeddings::vectors(&root.join("conformance/embeddings.json"), &minilm)?;
        failed += unharmed("JSONTestSuite", &data.join("json/JSONTestSuite"))?;
        failed += llama_server::tests(self.llama_server.as_deref(), &self.python)?;
        failed += mcp::clients(&root.join("conformance/mcp.tsv"), &self.python)?;
        failed += clients::all(&self.python)?;
        ensure!(failed == 0, "{failed} files differ from what is expected of them");
        Ok(())
    }
}

/// What an import told, in the columns of the table.
#[derive(Default)]
struct Told {
    providers: Vec<String>,
    conversations: u64,
    messages: u64,
    problems: u64,
    detail: Vec<String>,
}

fn exports(table: &Path, data: &Path) -> anyhow::Result<u64> {
    if !data.exists() {
        say(&format!("exports: skipped, there is no {}", data.display()));
        return Ok(0);
    }
    let table = fs::read_to_string(table)?;
    let (mut passed, mut failed) = (0, 0);
    for row in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, expected @ ..] = columns.as_slice() else { continue };
        ensure!(expected.len() == 4, "conformance/exports.tsv: '{row}' has not five columns");
        let told = read(&data.join(file))?;
        if matches(expected, &told) {
            passed += 1;
            continue;
        }
        failed += 1;
        say(&format!("✗ {file}: expected {}, got {}", expected.join(" "), columns_of(&told).join(" ")));
        told.detail.iter().take(4).for_each(|line| say(&format!("    {line}")));
    }
    say(&format!("exports: {passed} passed, {failed} failed"));
    Ok(failed)
}

fn read(path: &Path) -> anyhow::Result<Told> {
    let mut told = Told::default();
    let mut sink = |item: Item| {
        match item {
            Item::Conversation { conversation, .. } => {
                let provider = conversation.provider.as_str();
                if !told.providers.iter().any(|known| known == provider) {
                    told.providers.push(provider.to_owned());
                }
                told.conversations += u64::from(!conversation.messages.is_empty());
                told.messages += conversation.messages.len() as u64;
            }
            Item::Problem(problem) => {
                told.problems += u64::from(problem.severity > Severity::Notice);
                told.detail.push(format!("{}: {problem}", problem.severity.as_str()));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let result =
        catch_unwind(AssertUnwindSafe(|| athenaeum_ingest::read(path, &Options::default(), &mut sink)));
    let result = result.ok().with_context(|| format!("{} makes a parser panic", path.display()))?;
    if let Err(error) = result {
        told.problems += 1;
        told.detail.push(error.to_string());
    }
    Ok(told)
}

fn columns_of(told: &Told) -> [String; 4] {
    let provider = if told.providers.is_empty() { "-".to_owned() } else { told.providers.join("+") };
    [provider, told.conversations.to_string(), told.messages.to_string(), told.problems.to_string()]
}

fn matches(expected: &[&str], told: &Told) -> bool {
    expected.iter().zip(columns_of(told)).all(|(expected, got)| *expected == "?" || *expected == got)
}

/// Feeds every file of a folder to the parsers; whatever they say of it, they must come back.
fn unharmed(name: &str, folder: &Path) -> anyhow::Result<u64> {
    if !folder.exists() {
        say(&format!("{name}: skipped, there is no {}", folder.display()));
        return Ok(0);
    }
    let (mut passed, mut failed) = (0, 0);
    for path in files(folder)? {
        match read(&path) {
            Ok(_) => passed += 1,
            Err(error) => {
                failed += 1;
                say(&format!("✗ {error}"));
            }
        }
    }
    say(&format!("{name}: {passed} passed, {failed} failed"));
    Ok(failed)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
