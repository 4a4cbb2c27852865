//! A tokenizer from a `tokenizer.json`, as Hugging Face's `tokenizers` understands it.

mod file;
mod parts;

use serde_json::Value;

use super::{
    Error, Space, Tokenizer,
    added::{Added, Matcher, Order},
    bpe::{self, Bpe},
    byte_level,
    normalize::{self, Normalizer},
    roles::Roles,
    split::{Cut, Keep},
    unigram::Unigram,
    vocabulary::{Kind, Texts, Vocabulary},
    wordpiece::WordPiece,
    words::Engine,
};
use file::{AddedToken, File, Model};
use parts::{Around, Pieces};

/// Eight times the largest vocabulary there is.
const TOKENS_MAX: u64 = 1 << 22;

/// Numbers without a token, beside twice as many as there are tokens. Vocabularies that were cut down for tests keep the numbers of
/// the whole ones, of which the largest, LaBSE's, has 501,153 tokens. Each number takes memory and time, named or not.
const GAPS_MAX: u64 = 1 << 19;

pub(super) fn tokenizer(json: &[u8], config: Option<&Value>) -> Result<Tokenizer, Error> {
    let file: File = serde_json::from_slice(json).map_err(Error::Json)?;
    let File { added_tokens, normalizer, pre_tokenizer, post_processor, decoder, model } = file;
    let model_kind = model.kind();
    let mut added_tokens = added_tokens.unwrap_or_default();
    let mut vocabulary = vocabulary(&model, &mut added_tokens)?;
    let around = parts::around(post_processor.as_ref(), &vocabulary)?;
    let mut roles = roles(config, &model, &around, &vocabulary);
    roles.find_ends(&mut vocabulary, &[]);
    let normalizers = normalizer.as_ref().map_or(Ok(Vec::new()), parts::normalizers)?;
    let mut cuts = pre_tokenizer.as_ref().map_or(Ok(Vec::new()), parts::cuts)?;
    let space = parts::space(&normalizers, &cuts);
    // Bytes that are joined right after they are written as characters need not be written.
    let affixed = [&model.continuing_subword_prefix, &model.end_of_word_suffix];
    let affixed = affixed.iter().any(|affix| affix.as_ref().is_some_and(|affix| !affix.is_empty()));
    let byte_level = model_kind == "BPE" && !affixed && matches!(cuts.last(), Some(Cut::ByteLevel));
    if byte_level {
        cuts.pop();
    }
    let pieces = decoder.as_ref().map_or(Ok(Pieces::default()), Pieces::new)?;
    let engine = engine(&model_kind, model, &vocabulary, roles.unknown, byte_level)?;
    let added = |normalized| {
        let normalizers = if normalized { normalizers.as_slice() } else { &[] };
        let tokens = added_tokens.iter().filter(|token| token.normalized == normalized);
        Matcher::new(added(tokens, &vocabulary, normalizers), Order::Leftmost)
    };
    let yes = |name: &str| config.and_then(|config| config.get(name)).and_then(Value::as_bool);
    let after_normalizing = added(true);
    Ok(Tokenizer {
        pieces: contributions(&vocabulary, &pieces),
        added: added(false),
        added_normalized: if after_normalizing.is_empty() { None } else { Some(after_normalizing) },
        adds_bos: yes("add_bos_token").unwrap_or(around.before.is_some()),
        adds_eos: yes("add_eos_token").unwrap_or(around.after.is_some()),
        notes: around.notes,
        vocabulary,
        roles,
        normalizers,
        space,
        cuts,
        engine,
    })
}

/// Puts the model's tokens and the added ones in the order of their numbers; gaps become tokens that are not used.
fn vocabulary(model: &Model, added_tokens: &mut [AddedToken]) -> Result<Vocabulary, Error> {
    let mut entries: Vec<(u32, &str, Kind)> = Vec::new();
    let byte = |text: &str| model.byte_fallback && super::gguf::byte(text.as_bytes()).is_some();
    let kind = |text: &str| if byte(text) { Kind::Byte } else { Kind::Normal };
    entries.extend(model.vocab.tokens.iter().map(|(text, id)| (*id, text.as_str(), kind(text))));
    entries.sort_by_key(|entry| entry.0);
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::Duplicate { text: pair[1].1.to_owned(), first: pair[0].0, second: pair[1].0 });
    }
    let mut by_text: Vec<(&str, u32)> = entries.iter().map(|(id, text, _)| (*text, *id)).collect();
    by_text.sort_unstable();
    for token in added_tokens.iter_mut() {
        // A token that the model has keeps the number that the model gives it.
        let known = by_text.binary_search_by_key(&token.content.as_str(), |entry| entry.0).ok();
        if let Some((_, id)) = known.and_then(|place| by_text.get(place)) {
            token.id = *id;
        }
    }
    let last = entries.last().map(|entry| entry.0).max(added_tokens.iter().map(|token| token.id).max());
    let count = last.map_or(0, |last| u64::from(last) + 1);
    if count == 0 {
        return Err(Error::Empty);
    }
    if count > TOKENS_MAX {
        return Err(Error::TooLarge { what: "tokens", found: count, limit: TOKENS_MAX });
    }
    let named = (entries.len() + added_tokens.len()) as u64;
    if count > named * 3 + GAPS_MAX {
        return Err(Error::Gaps { named, last: count - 1 });
    }
    let mut all: Vec<Option<(&str, Kind)>> = vec![None; count as usize];
    entries.into_iter().for_each(|(id, text, kind)| all[id as usize] = Some((text, kind)));
    for token in &*added_tokens {
        let kind = if token.special { Kind::Control } else { Kind::UserDefined };
        all[token.id as usize] = Some((&token.content, kind));
    }
    let mut texts = Texts::default();
    let mut kinds = Vec::with_capacity(all.len());
    for (id, entry) in (0u32..).zip(all) {
        match entry {
            Some((text, kind)) if !text.is_empty() => {
                texts.push(text.as_bytes());
                kinds.push(kind);
            }
            _ => {
                texts.push(format!("[EMPTY_{id}]").as_bytes());
                kinds.push(Kind::Unused);
            }
        }
    }
    Vocabulary::new(texts, kinds).map_err(|(first, second)| Error::Duplicate {
        text: format!("number {second}"),
        first,
        second,
    })
}

/// What tokens are for is said by `tokenizer_config.json`, by what is put around a text, and by the model.
fn roles(config: Option<&Value>, model: &Model, around: &Around, vocabulary: &Vocabulary) -> Roles {
    let named = |name: &str| {
        let value = config?.get(name)?;
        let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
        vocabulary.find(text.as_bytes())
    };
    let unknown = model.unk_token.as_ref().and_then(|text| vocabulary.find(text.as_bytes()));
    let unknown = unknown.or(model.unk_id).filter(|id| (*id as usize) < vocabulary.len());
    Roles {
        bos: around.before.or(named("bos_token")).or(named("cls_token")),
        eos: named("eos_token").or(around.after).or(named("sep_token")),
        unknown: unknown.or(named("unk_token")),
        pad: named("pad_token"),
        sep: named("sep_token"),
        mask: named("mask_token"),
        ends: Vec::new(),
    }
}

fn engine(
    kind: &str,
    model: Model,
    vocabulary: &Vocabulary,
    unknown: Option<u32>,
    byte_level: bool,
) -> Result<Engine, Error> {
    match kind {
        "BPE" => {
            let settings = bpe::Settings {
                byte_level,
                ignore_merges: model.ignore_merges,
                line_feeds: false,
                byte_fallback: model.byte_fallback,
                unknown: unknown.filter(|_| model.unk_token.is_some()),
                fuse_unknown: model.fuse_unk,
                prefix: model.continuing_subword_prefix.unwrap_or_default(),
                suffix: model.end_of_word_suffix.unwrap_or_default(),
            };
            let merges = model.merges.ok_or(Error::Missing { key: "merges" })?;
            let pairs = merges.iter().map(|merge| (merge.0.as_bytes(), merge.1.as_bytes()));
            let made = Bpe::new(vocabulary, pairs, settings, true);
            let made = made.map_err(|bpe::UnknownSymbol(text)| Error::MergeOfUnknown { text })?;
            Ok(Engine::Bpe(Box::new(made)))
        }
        "Unigram" => {
            let scores = model.vocab.scores;
            match scores.iter().position(|score| score.is_nan()) {
                Some(id) => Err(Error::Score { id: id as u32 }),
                None => Ok(Engine::Unigram(Unigram::new(vocabulary, scores, unknown, model.byte_fallback))),
            }
        }
        "WordPiece" => Ok(Engine::WordPiece(WordPiece {
            first: String::new(),
            other: model.continuing_subword_prefix.unwrap_or_else(|| "##".to_owned()),
            characters_max: Some(model.max_input_chars_per_word.unwrap_or(100)),
            unknown,
        })),
        "WordLevel" => Ok(Engine::Whole { unknown }),
        other => Err(Error::Component {
            what: "a model",
            name: other.to_owned(),
            advice: "take a model with another tokenizer",
        }),
    }
}

/// Lists tokens that are found as they stand; or, in text that is changed before, as they stand after the same change.
fn added<'a>(
    tokens: impl Iterator<Item = &'a AddedToken>,
    vocabulary: &Vocabulary,
    normalizers: &[Normalizer],
) -> Vec<Added> {
    let of = |token: &AddedToken| Added {
        id: token.id,
        text: normalize::all(normalizers, &token.content, true).into_owned().into_bytes(),
        control: vocabulary.kind(token.id) != Kind::UserDefined,
        strips_left: token.lstrip,
        strips_right: token.rstrip,
        single_word: token.single_word,
    };
    tokens.map(of).collect()
}

/// Writes down what each token contributes to a text.
fn contributions(vocabulary: &Vocabulary, pieces: &Pieces) -> Texts {
    let mut all = Texts::default();
    for id in vocabulary.ids() {
        let text = std::str::from_utf8(vocabulary.text(id)).unwrap_or_default();
        match vocabulary.kind(id) {
            Kind::Control | Kind::UserDefined | Kind::Unknown => all.extend(text.as_bytes()),
            Kind::Byte => match super::gguf::byte(text.as_bytes()) {
                Some(byte) => all.extend(&[byte]),
                None => all.extend(text.as_bytes()),
            },
            _ if pieces.byte_level => {
                let bytes: Option<Vec<u8>> = text.chars().map(byte_level::byte).collect();
                all.extend(bytes.as_deref().unwrap_or(text.as_bytes()));
            }
            _ => all.extend(pieces.contribution(text).as_bytes()),
        }
        all.end();
    }
    all
}

/// Whether what a cut keeps begins with a space that it has put there.
impl Cut {
    pub(super) fn prepends(&self) -> Space {
        match self {
            Self::Metaspace { prepend, .. } => *prepend,
            Self::SpaceBefore => Space::Always,
            _ => Space::Never,
        }
    }

    pub(super) fn isolated(source: &str) -> Result<Self, super::PatternError> {
        Self::pattern(source, Keep::Apart)
    }
}
