use athenaeum_core::Timestamp;
use athenaeum_inference::{
    catalog::{Entry, Problem as Unusable},
    model::{Fit, FitVerdict, RootKind},
    pull::{Phase, Progress},
    residents::Status,
};
use athenaeum_providers::Remote;
use serde::Serialize;
use utoipa::ToSchema;

use super::{conversation::time, problem::ProblemBody};
use crate::serving::{Fetch, Pull};

/// The models of this machine.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelPage {
    /// Those that can be used, by name.
    pub(crate) models: Vec<Model>,
    /// Those that other engines have, as the settings name them.
    pub(crate) elsewhere: Vec<ElsewhereModel>,
    /// Files that look like models and cannot be used.
    pub(crate) unusable: Vec<UnusableModel>,
    /// Bytes that models in memory may take together; null without a limit.
    pub(crate) budget_bytes: Option<u64>,
    /// Bytes that those in memory take.
    pub(crate) used_bytes: u64,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    /// What requests call it.
    #[schema(examples("qwen3:0.6b"))]
    name: String,
    /// Other names that it answers to.
    aliases: Vec<String>,
    /// generate, embed or rerank.
    #[schema(examples("generate"))]
    purpose: &'static str,
    /// What decides how it computes.
    #[schema(examples("llama"))]
    architecture: Option<String>,
    /// GGUF or safetensors.
    format: &'static str,
    /// Numbers that it consists of.
    parameters: u64,
    /// How most of them are stored.
    #[schema(examples("Q4_K_M"))]
    quantization: Option<String>,
    /// Bytes of its files.
    bytes: u64,
    /// Tokens that it was made for at once.
    context_tokens: Option<u64>,
    /// Whether it knows how a conversation is written.
    chat_template: bool,
    /// Whether it takes pictures: a projector lies beside it.
    vision: bool,
    /// Under which terms it comes.
    licence: Option<String>,
    /// Athenaeum, or the program in whose folder it lies: Ollama, LM Studio, Hugging Face; null for other folders.
    found_in: Option<&'static str>,
    /// Where it was fetched from.
    source: Option<String>,
    /// When its files were last written.
    #[schema(format = "date-time")]
    modified: Option<String>,
    /// Whether there is room for it in memory.
    fit: Option<FitView>,
    /// How it stands in memory; null where it is not there.
    loaded: Option<LoadedView>,
    /// Whether it can be removed from here: it lies in Athenaeum's own folder.
    removable: bool,
}

/// Whether there is room for a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FitView {
    /// yes, tight (a longer context or a second model has no room beside it) or no.
    verdict: &'static str,
    /// The same in a sentence.
    reason: String,
    /// Bytes of its weights and of the cache for a conversation.
    needed_bytes: u64,
    /// Bytes that models may take.
    budget_bytes: u64,
    /// Tokens of the conversation that was reckoned with.
    context_tokens: u64,
}

/// How a model stands in memory.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadedView {
    /// Bytes that its weights and caches take.
    bytes: u64,
    /// Requests that use it.
    users: usize,
    /// Whether it is still being loaded.
    loading: bool,
    /// Seconds until it goes if nobody uses it; null while it is used, or where it stays.
    leaves_in_seconds: Option<u64>,
}

/// A model that another engine has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ElsewhereModel {
    /// What requests call it.
    name: String,
    /// What its engine speaks: vllm, llama.cpp, ollama or openai.
    engine: &'static str,
    /// What its engine calls it.
    model: String,
    /// Tokens of prompt and answer together, where the settings say so.
    context_tokens: Option<usize>,
    /// Whether it takes pictures, as the settings say.
    vision: bool,
}

/// A file that cannot be used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnusableModel {
    /// What it would be called.
    name: String,
    /// Why it cannot be used.
    reason: String,
}

/// How fast a model is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Speed {
    /// The model.
    pub(crate) model: String,
    /// Tokens that it read.
    pub(crate) prompt_tokens: usize,
    /// Tokens that it wrote.
    pub(crate) generated_tokens: usize,
    /// How many it read a second.
    pub(crate) prompt_tokens_per_second: f64,
    /// How many it wrote a second, after the first.
    pub(crate) generated_tokens_per_second: f64,
    /// From the request to the first token, in milliseconds.
    pub(crate) first_token_ms: f64,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovedModel {
    /// How many files.
    pub(crate) files: u64,
    /// How many bytes they had.
    pub(crate) bytes: u64,
}

/// Models that are fetched, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PullPage {
    /// Those that run, and the last that ended.
    pub(crate) pulls: Vec<PullView>,
}

/// A model that is fetched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PullView {
    /// Ours.
    #[schema(format = "uuid")]
    id: String,
    /// Where from.
    #[schema(examples("hf:Qwen/Qwen3-0.6B-GGUF:Q8_0"))]
    source: String,
    /// What the model is called here, where that is known.
    name: Option<String>,
    /// running, completed, failed or cancelled.
    status: &'static str,
    /// How far it has come, while it runs.
    progress: Option<PullProgress>,
    /// What was chosen and left out; once it is completed.
    notes: Vec<String>,
    /// Bytes that came; once it is completed.
    fetched_bytes: Option<u64>,
    /// Why it failed.
    problem: Option<ProblemBody>,
    /// Where its progress is told as it goes.
    events: String,
}

/// How far a model has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PullProgress {
    /// asking, reading (what had come before), fetching, waiting or opening.
    phase: &'static str,
    /// The file that is being fetched; empty before the first.
    file: String,
    /// Bytes that are there.
    bytes: u64,
    /// Bytes that there will be.
    bytes_total: Option<u64>,
    /// Bytes that came each second, over the last seconds.
    bytes_per_second: Option<f64>,
    /// What failed and will be tried again; while waiting.
    reason: Option<String>,
}

impl Model {
    pub(crate) fn new(entry: &Entry, budget: Option<u64>, resident: Option<&Status>, own: bool) -> Self {
        let summary = &entry.summary;
        let modified = entry.modified.duration_since(std::time::UNIX_EPOCH).ok();
        let modified = modified.and_then(|since| i64::try_from(since.as_micros()).ok());
        Self {
            name: entry.name.clone(),
            aliases: entry.aliases.clone(),
            purpose: entry.purpose.as_str(),
            architecture: summary.architecture.clone(),
            format: summary.format.as_str(),
            parameters: summary.parameters,
            quantization: summary.quantization.clone(),
            bytes: summary.bytes,
            context_tokens: summary.context_tokens,
            chat_template: summary.chat_template.is_some(),
            vision: entry.projector.is_some(),
            licence: summary.licence.as_deref().map(|licence| licence.chars().take(200).collect()),
            found_in: match entry.root.as_ref().map(|root| root.kind) {
                _ if own => Some("Athenaeum"),
                Some(RootKind::Folder) | None => None,
                Some(kind) => Some(kind.as_str()),
            },
            source: entry.record.as_ref().map(|record| record.source.clone()),
            modified: modified.and_then(|micros| time(Some(Timestamp::from_micros(micros)))),
            fit: budget.map(|budget| FitView::new(&summary.fit(budget))),
            loaded: resident.map(|status| LoadedView {
                bytes: status.bytes,
                users: status.users,
                loading: status.loading,
                leaves_in_seconds: status.leaves_in.map(|left| left.as_secs()),
            }),
            removable: own,
        }
    }
}

impl From<&Remote> for ElsewhereModel {
    fn from(remote: &Remote) -> Self {
        let settings = remote.settings();
        Self {
            name: settings.name.clone(),
            engine: settings.wire.as_str(),
            model: settings.model.clone(),
            context_tokens: settings.context_tokens,
            vision: settings.vision,
        }
    }
}

impl FitView {
    fn new(fit: &Fit) -> Self {
        let Fit { verdict, weights_bytes, cache_bytes, context_tokens, budget_bytes } = *fit;
        let needed_bytes = weights_bytes.saturating_add(cache_bytes);
        let fits = match verdict {
            FitVerdict::Yes => "It fits",
            FitVerdict::Tight => "It fits just so",
            FitVerdict::No => "It does not fit",
        };
        let reason = format!(
            "{fits}: with a conversation of {context_tokens} tokens it takes {}, and models may take {}.",
            megabytes(needed_bytes),
            megabytes(budget_bytes)
        );
        Self { verdict: verdict.as_str(), reason, needed_bytes, budget_bytes, context_tokens }
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

impl From<Unusable> for UnusableModel {
    fn from(problem: Unusable) -> Self {
        Self { name: problem.name, reason: problem.reason }
    }
}

impl PullView {
    pub(crate) fn new(pull: &Pull) -> Self {
        let mut view = Self {
            events: format!("/athenaeum/v1/pulls/{}/events", pull.id),
            id: pull.id.clone(),
            source: pull.source.clone(),
            name: pull.name.clone(),
            status: "running",
            progress: None,
            notes: Vec::new(),
            fetched_bytes: None,
            problem: None,
        };
        match &*pull.state.borrow() {
            Fetch::Running(progress) => view.progress = Some(progress.into()),
            Fetch::Completed(pulled) => {
                view.status = "completed";
                view.name = Some(pulled.kept.name.clone());
                view.notes.clone_from(&pulled.notes);
                view.fetched_bytes = Some(pulled.fetched_bytes.saturating_add(pulled.resumed_bytes));
            }
            Fetch::Failed(problem) => {
                view.status = "failed";
                view.problem = Some(problem.body(None, None));
            }
            Fetch::Cancelled => view.status = "cancelled",
        }
        view
    }

    /// Whether nothing more will be told.
    pub(crate) fn has_ended(&self) -> bool {
        self.status != "running"
    }

    pub(crate) fn status(&self) -> &'static str {
        self.status
    }
}

impl From<&Progress> for PullProgress {
    fn from(progress: &Progress) -> Self {
        let (phase, reason) = match &progress.phase {
            Phase::Asking => ("asking", None),
            Phase::Reading => ("reading", None),
            Phase::Fetching => ("fetching", None),
            Phase::Waiting { reason, .. } => ("waiting", Some(reason.clone())),
            Phase::Opening => ("opening", None),
        };
        Self {
            phase,
            file: progress.file.clone(),
            bytes: progress.bytes,
            bytes_total: progress.bytes_total,
            bytes_per_second: progress.bytes_per_second,
            reason,
        }
    }
}
