use super::pattern;

/// Why a model's tokenizer is not taken, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Error {
    #[error("the file has no tokenizer ({key} is missing); take a file that was converted with one")]
    Missing { key: &'static str },
    #[error("{key} is not {wanted}; convert the model again")]
    Type { key: &'static str, wanted: &'static str },
    #[error("tokenizers of the kind {kind:?} ({key}) are not supported; {advice}")]
    Unsupported { key: &'static str, kind: String, advice: &'static str },
    #[error(
        "the pre-tokenizer {name:?} (tokenizer.ggml.pre) is not known, and with another the text would become the wrong tokens; a newer version may know it"
    )]
    UnknownPre { name: String },
    #[error("the vocabulary is empty; convert the model again")]
    Empty,
    #[error(
        "the vocabulary has {found} {what}, more than the {limit} that are possible; convert the model again"
    )]
    TooLarge { what: &'static str, found: u64, limit: u64 },
    #[error(
        "the vocabulary names {named} tokens and gives one the number {last}; nearly all numbers before it would be of no token, so convert the model again"
    )]
    Gaps { named: u64, last: u64 },
    #[error("{key} has {found} values for {expected} tokens; convert the model again")]
    Length { key: &'static str, found: u64, expected: u64 },
    #[error("the token {text:?} stands there twice, as {first} and as {second}; convert the model again")]
    Duplicate { text: String, first: u32, second: u32 },
    #[error("the score of token {id} is no number; convert the model again")]
    Score { id: u32 },
    #[error("the token {id} is not UTF-8 text; convert the model again")]
    NotText { id: u32 },
    #[error("the merge {index} ({text:?}) is not two texts with a space between; convert the model again")]
    Merge { index: u64, text: String },
    #[error("merges speak of {text:?}, which is no token; convert the model again")]
    MergeOfUnknown { text: String },
    #[error(
        "there is no token for text that has no token: neither one for each byte nor one for the unknown; convert the model again"
    )]
    NoFallback,
    #[error("the table by which text is normalised is damaged; convert the model again")]
    Charsmap,
    #[error("text cannot be cut into words as the model wants it")]
    Pattern(#[source] pattern::Error),
    #[error("tokenizer.json cannot be understood; download it again")]
    Json(#[source] serde_json::Error),
    #[error("tokenizer.json has {what} that is not supported: {name}; {advice}")]
    Component { what: &'static str, name: String, advice: &'static str },
    #[error("the model's folder has no tokenizer.json; download the whole repository")]
    NoFile,
    #[error("tokenizer.json cannot be read; check its permissions")]
    Io(#[source] std::io::Error),
}
