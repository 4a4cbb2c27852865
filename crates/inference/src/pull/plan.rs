use url::Url;

use super::{Error, Source, fetch::Fetching, hub, ollama, source::file_name};
use crate::model::{Record, RecordedFile, SafePath, Sha256};

/// What there is to fetch.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the model is called when nobody says otherwise.
    pub(super) name: SafePath,
    /// Where it comes from, as it would be typed.
    pub(super) source: String,
    /// Of a hub, the commit.
    pub(super) revision: Option<String>,
    /// Its files, each under a name of its own, the largest not first: what is small comes soon.
    pub(super) files: Vec<Wanted>,
    /// The file that the model is opened by; `None` for the folder.
    pub(super) main: Option<SafePath>,
    /// Choices that were made.
    pub(super) notes: Vec<String>,
}

/// A file to fetch.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) path: SafePath,
    pub(super) url: Url,
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Option<Sha256>,
    /// Whether the hub's token goes along.
    pub(super) with_token: bool,
}

/// Asks the source's server which files a model has.
pub(super) async fn of(source: &Source, fetching: &Fetching<'_>) -> Result<Plan, Error> {
    let plan = match source {
        Source::Hub(wanted) => hub::plan(wanted, fetching).await?,
        Source::Ollama(wanted) => ollama::plan(wanted, fetching).await?,
        Source::Address { url, sha256 } => single(source, url, *sha256)?,
    };
    let lower = |wanted: &Wanted| wanted.path.as_str().to_lowercase();
    let mut names: Vec<String> = plan.files.iter().map(lower).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        // One of them would overwrite the other, on some systems at least.
        Some(pair) => Err(Error::NoModel {
            source_name: plan.source,
            reason: format!("it has two files of the name {}", pair[0]),
        }),
        None => Ok(plan),
    }
}

fn single(source: &Source, url: &Url, sha256: Option<Sha256>) -> Result<Plan, Error> {
    let file = file_name(url).unwrap_or_default();
    let path: SafePath = file.parse::<SafePath>()?.to_name();
    let stem = [".gguf", ".safetensors"].iter().find_map(|ending| file.strip_suffix(ending));
    if crate::model::gguf::part_name(&file).is_some_and(|(_, _, count)| count > 1) {
        let reason =
            "it is one part of a model; fetch the model from the hub by hf:OWNER/REPOSITORY:FILE".to_owned();
        return Err(Error::NoModel { source_name: file, reason });
    }
    let wanted = Wanted { path: path.clone(), url: url.clone(), bytes: None, sha256, with_token: false };
    let mut notes = Vec::new();
    if sha256.is_none() {
        notes.push(
            "no checksum was given (#sha256=… after the address), so only the length was checked".to_owned(),
        );
    }
    Ok(Plan {
        name: stem.unwrap_or(&file).parse()?,
        source: source.to_string(),
        revision: None,
        files: vec![wanted],
        main: Some(path),
        notes,
    })
}

// === impl Plan ===

impl Plan {
    /// Adds up the lengths, where all are known.
    pub(super) fn bytes_total(&self) -> Option<u64> {
        self.files.iter().try_fold(0_u64, |sum, wanted| sum.checked_add(wanted.bytes?))
    }

    /// Returns what files without a checksum have to be of, to be gone on with.
    pub(super) fn identity(&self) -> String {
        match &self.revision {
            Some(revision) => format!("{} {revision}", self.source),
            None => self.source.clone(),
        }
    }
}

// === impl Wanted ===

impl Wanted {
    /// Whether a file that came before, as part of `source`, is this one.
    pub(super) fn is(&self, done: &RecordedFile, is_same_source: bool) -> bool {
        done.path == self.path
            && self.bytes.is_none_or(|bytes| bytes == done.bytes)
            && match self.sha256 {
                Some(sum) => sum == done.sha256,
                None => is_same_source,
            }
    }

    /// Whether a recorded file of a model is this one.
    pub(super) fn is_known_to_be(&self, file: &RecordedFile, record: &Record, plan: &Plan) -> bool {
        self.is(file, record.source == plan.source && record.revision == plan.revision)
    }

    /// Returns what the beginning of the file is the beginning of: its checksum, or where it comes from.
    pub(super) fn identity(&self) -> String {
        match self.sha256 {
            Some(sum) => format!("sha256:{sum}"),
            // The address may hold a key.
            None => format!("address:{}", Sha256::of(self.url.as_str().as_bytes())),
        }
    }
}
