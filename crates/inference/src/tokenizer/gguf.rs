//! A tokenizer from the metadata of a GGUF file, as llama.cpp understands them.

use super::{
    Error, Space, Tokenizer,
    added::{Added, Matcher, Order},
    bpe::{self, Bpe},
    byte_level,
    charsmap::Charsmap,
    normalize::{Bert, Normalizer},
    pre,
    roles::Roles,
    split::{Cut, Keep},
    spm::Spm,
    unigram::Unigram,
    vocabulary::{Kind, Texts, Vocabulary},
    wordpiece::WordPiece,
    words::Engine,
};
use crate::model::gguf::{Array, Metadata, Value, ValueType};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
/// Sixteen times the largest vocabulary there is.
const TOKENS_MAX: u64 = 1 << 22;
const MERGES_MAX: u64 = 1 << 24;
/// All texts of a vocabulary, and all of its merges, are far below the 4 GiB that offsets can hold.
const TEXT_BYTES_MAX: u64 = 1 << 30;

/// What a file says of its tokens, whatever becomes of it.
struct Read<'a> {
    metadata: &'a Metadata,
    vocabulary: Vocabulary,
    scores: Vec<f32>,
    roles: Roles,
    notes: Vec<String>,
}

/// What kinds of tokenizers differ in.
struct Made {
    engine: Engine,
    normalizers: Vec<Normalizer>,
    cuts: Vec<Cut>,
    space: Space,
    pieces: Pieces,
    adds_bos: bool,
    adds_eos: bool,
}

/// How the text of a token is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pieces {
    /// As text, with `▁` for spaces and `<0x0A>` for bytes.
    Spaces,
    /// In GPT-2's alphabet.
    ByteLevel,
}

pub(super) fn tokenizer(metadata: &Metadata) -> Result<Tokenizer, Error> {
    let model = metadata.get(MODEL).ok_or(Error::Missing { key: MODEL })?;
    let model = model.as_text().ok_or(Error::Type { key: MODEL, wanted: "a text" })?;
    let made: fn(&mut Read<'_>) -> Result<Made, Error> = match model.as_ref() {
        "llama" => spm,
        "gpt2" | "gemma4" | "whitespace" => bpe,
        "bert" => wordpiece,
        "t5" => unigram,
        other => {
            let advice = match other {
                "none" | "no_vocab" => "this model works without text",
                _ => "take a model with another tokenizer",
            };
            return Err(Error::Unsupported { key: MODEL, kind: other.to_owned(), advice });
        }
    };
    let mut read = Read::new(metadata, &model)?;
    let made = made(&mut read)?;
    read.finish(made)
}

// === the kinds ===

fn spm(read: &mut Read<'_>) -> Result<Made, Error> {
    let vocabulary = &read.vocabulary;
    let has_bytes = (0..=255).all(|byte| bpe::byte_token(vocabulary, byte).is_some());
    if !has_bytes && read.roles.unknown.is_none() {
        return Err(Error::NoFallback);
    }
    let prefix = read.truth("tokenizer.ggml.add_space_prefix", true)?;
    let mut normalizers = vec![Normalizer::Replace { from: " ".to_owned(), to: "▁".to_owned() }];
    if prefix {
        normalizers.push(Normalizer::Prepend { text: "▁".to_owned(), always: true });
    }
    Ok(Made {
        engine: Engine::Spm(Spm::new(vocabulary, &read.scores, read.roles.unknown)),
        normalizers,
        cuts: Vec::new(),
        space: if prefix { Space::Always } else { Space::Never },
        pieces: Pieces::Spaces,
        adds_bos: true,
        adds_eos: false,
    })
}

fn bpe(read: &mut Read<'_>) -> Result<Made, Error> {
    let name = match (read.text(MODEL)?.as_deref(), read.text(PRE)?) {
        (Some(only @ ("gemma4" | "whitespace")), _) => only.to_owned(),
        (_, Some(name)) => name,
        (_, None) => {
            let note = "the file does not say how text is cut into words (tokenizer.ggml.pre); as llama.cpp, this takes a way that fits no model exactly";
            read.notes.push(note.to_owned());
            "default".to_owned()
        }
    };
    let Some(pre) = pre::named(&name) else { return Err(Error::UnknownPre { name }) };
    let merges = read.strings(MERGES, MERGES_MAX)?.ok_or(Error::Missing { key: MERGES })?;
    let mut pairs = Vec::with_capacity(usize::try_from(merges.len()).unwrap_or_default());
    for index in 0..merges.len() {
        let text = merges.bytes(index).unwrap_or_default();
        // A token may be a space, or begin with one, but not end with one.
        let space = text.iter().skip(1).position(|byte| *byte == b' ');
        let pair = space.and_then(|space| Some((text.get(..space + 1)?, text.get(space + 2..)?)));
        let pair = pair.filter(|(_, right)| !right.is_empty());
        pairs.push(
            pair.ok_or_else(|| Error::Merge { index, text: String::from_utf8_lossy(text).into_owned() })?,
        );
    }
    let settings = bpe::Settings {
        byte_level: !pre.characters,
        ignore_merges: pre.ignore_merges,
        line_feeds: pre.line_feeds,
        byte_fallback: pre.characters,
        unknown: read.roles.unknown,
        ..bpe::Settings::default()
    };
    let made = Bpe::new(&read.vocabulary, pairs.into_iter(), settings, false);
    let engine = made.map_err(|bpe::UnknownSymbol(text)| Error::MergeOfUnknown { text })?;
    let spaces = Normalizer::Replace { from: " ".to_owned(), to: "▁".to_owned() };
    Ok(Made {
        engine: Engine::Bpe(Box::new(engine)),
        normalizers: if pre.characters { vec![spaces] } else { Vec::new() },
        cuts: pre.cuts().map_err(Error::Pattern)?,
        space: Space::Never,
        pieces: if pre.characters { Pieces::Spaces } else { Pieces::ByteLevel },
        adds_bos: pre.adds_bos || pre.line_feeds,
        adds_eos: false,
    })
}

fn wordpiece(read: &mut Read<'_>) -> Result<Made, Error> {
    let lowercase = read.truth("tokenizer.ggml.normalizer.lowercase", true)?;
    let strip_accents = read.truth("tokenizer.ggml.normalizer.strip_accents", lowercase)?;
    let engine = WordPiece {
        first: "▁".to_owned(),
        other: String::new(),
        characters_max: None,
        unknown: Some(read.roles.unknown.ok_or(Error::NoFallback)?),
    };
    let bert = Bert::new(true, true, strip_accents, lowercase);
    // It is the separator that ends a text.
    read.roles.eos = read.roles.sep.or(read.roles.eos);
    Ok(Made {
        engine: Engine::WordPiece(engine),
        normalizers: bert.map(Box::new).map(Normalizer::Bert).into_iter().collect(),
        cuts: bert_words().map_err(Error::Pattern)?,
        space: Space::First,
        pieces: Pieces::Spaces,
        adds_bos: true,
        adds_eos: true,
    })
}

fn unigram(read: &mut Read<'_>) -> Result<Made, Error> {
    const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";
    let unknown = read.roles.unknown.ok_or(Error::NoFallback)?;
    let prefix = read.truth("tokenizer.ggml.add_space_prefix", false)?;
    let merged = read.truth("tokenizer.ggml.remove_extra_whitespaces", false)?;
    let mut normalizers = Vec::new();
    if let Some(array) = read.array(CHARSMAP)? {
        let byte = |index| match array.get(index) {
            Some(Value::Unsigned(byte)) => u8::try_from(byte).ok(),
            Some(Value::Signed(byte)) => i8::try_from(byte).ok().map(|byte| byte as u8),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = (0..array.len()).map(byte).collect();
        let bytes = bytes.ok_or(Error::Type { key: CHARSMAP, wanted: "a list of bytes" })?;
        normalizers.push(Normalizer::Charsmap(Charsmap::new(&bytes).ok_or(Error::Charsmap)?));
    }
    normalizers.push(Normalizer::Spaces { prefix, merged });
    let scores = read.scores.iter().map(|score| f64::from(*score)).collect();
    Ok(Made {
        engine: Engine::Unigram(Unigram::new(&read.vocabulary, scores, Some(unknown), false)),
        normalizers,
        cuts: Vec::new(),
        space: if prefix || merged { Space::Always } else { Space::Never },
        pieces: Pieces::Spaces,
        adds_bos: false,
        adds_eos: true,
    })
}

/// Words as BERT has them: without the spaces between them, each sign by itself.
pub(super) fn bert_words() -> Result<Vec<Cut>, super::pattern::Error> {
    Ok(vec![Cut::pattern(r"\s+", Keep::Not)?, Cut::pattern(r"[\p{P}!-/:-@\[-`{-~]", Keep::Apart)?])
}

// === impl Read ===

impl<'a> Read<'a> {
    fn new(metadata: &'a Metadata, model: &str) -> Result<Self, Error> {
        let empty = Vocabulary::new(Texts::default(), Vec::new());
        let vocabulary = empty.map_err(|_| Error::Empty)?;
        let mut read =
            Self { metadata, vocabulary, scores: Vec::new(), roles: Roles::default(), notes: Vec::new() };
        let tokens = read.strings(TOKENS, TOKENS_MAX)?.ok_or(Error::Missing { key: TOKENS })?;
        if tokens.is_empty() {
            return Err(Error::Empty);
        }
        let kinds = read.kinds(tokens.len())?;
        read.scores = read.scores(tokens.len())?;
        read.vocabulary = vocabulary_of(tokens, kinds)?;
        read.roles(model)?;
        Ok(read)
    }

    fn kinds(&self, count: u64) -> Result<Vec<Kind>, Error> {
        let Some(array) = self.array(TYPES)? else { return Ok(vec![Kind::Normal; count as usize]) };
        if array.len() < count {
            return Err(Error::Length { key: TYPES, found: array.len(), expected: count });
        }
        let kind = |index| match array.get(index).and_then(|value| value.as_u64()) {
            Some(1) => Kind::Normal,
            Some(2) => Kind::Unknown,
            Some(3) => Kind::Control,
            Some(4) => Kind::UserDefined,
            Some(6) => Kind::Byte,
            _ => Kind::Unused,
        };
        Ok((0..count).map(kind).collect())
    }

    fn scores(&self, count: u64) -> Result<Vec<f32>, Error> {
        let Some(array) = self.array(SCORES)? else { return Ok(vec![0.0; count as usize]) };
        if array.len() < count {
            return Err(Error::Length { key: SCORES, found: array.len(), expected: count });
        }
        let score = |index| {
            let score = match array.get(index) {
                Some(Value::Float(score)) => score as f32,
                Some(Value::Signed(score)) => score as f32,
                Some(Value::Unsigned(score)) => score as f32,
                _ => f32::NAN,
            };
            if score.is_nan() { Err(Error::Score { id: index as u32 }) } else { Ok(score) }
        };
        (0..count).map(score).collect()
    }

    fn roles(&mut self, model: &str) -> Result<(), Error> {
        // What llama.cpp assumes where a file does not say; for BPE it has an arbitrary number, and this has none.
        let assumed = match model {
            "llama" => Roles { bos: Some(1), eos: Some(2), unknown: Some(0), ..Roles::default() },
            "bert" => Roles {
                bos: Some(101),
                unknown: Some(100),
                sep: Some(102),
                pad: Some(0),
                mask: Some(103),
                ..Roles::default()
            },
            "t5" => Roles { eos: Some(1), unknown: Some(2), pad: Some(0), ..Roles::default() },
            _ => Roles::default(),
        };
        let role = |key: &'static str, assumed: Option<u32>| self.role(key, assumed);
        // Converters of encoders often write the second only, which llama.cpp does not look at.
        let bos = role("tokenizer.ggml.bos_token_id", None)?;
        self.roles = Roles {
            bos: bos.map_or_else(|| role("tokenizer.ggml.cls_token_id", assumed.bos), |id| Ok(Some(id)))?,
            eos: role("tokenizer.ggml.eos_token_id", assumed.eos)?,
            unknown: role("tokenizer.ggml.unknown_token_id", assumed.unknown)?,
            sep: role("tokenizer.ggml.seperator_token_id", assumed.sep)?,
            pad: role("tokenizer.ggml.padding_token_id", assumed.pad)?,
            mask: role("tokenizer.ggml.mask_token_id", assumed.mask)?,
            ends: Vec::new(),
        };
        let mut told = Vec::new();
        for key in [
            "tokenizer.ggml.eot_token_id",
            "tokenizer.ggml.eom_token_id",
            "tokenizer.ggml.fim_pad_token_id",
            "tokenizer.ggml.fim_rep_token_id",
            "tokenizer.ggml.fim_sep_token_id",
        ] {
            told.extend(self.role(key, None)?);
        }
        self.roles.find_ends(&mut self.vocabulary, &told);
        Ok(())
    }

    /// Returns the token of a role; a number beyond the last token is as good as none.
    fn role(&self, key: &'static str, assumed: Option<u32>) -> Result<Option<u32>, Error> {
        let exists = |id: &u32| (*id as usize) < self.vocabulary.len();
        let Some(value) = self.metadata.get(key) else { return Ok(assumed.filter(exists)) };
        let id = value.as_u64().ok_or(Error::Type { key, wanted: "the number of a token" })?;
        Ok(u32::try_from(id).ok().filter(exists).or(assumed.filter(exists)))
    }

    fn truth(&self, key: &'static str, assumed: bool) -> Result<bool, Error> {
        match self.metadata.get(key) {
            None => Ok(assumed),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(_) => Err(Error::Type { key, wanted: "true or false" }),
        }
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        let Some(value) = self.metadata.get(key) else { return Ok(None) };
        let text = value.as_text().ok_or(Error::Type { key, wanted: "a text" })?;
        Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
    }

    fn array(&self, key: &'static str) -> Result<Option<&'a Array>, Error> {
        let Some(value) = self.metadata.get(key) else { return Ok(None) };
        value.as_array().map(Some).ok_or(Error::Type { key, wanted: "a list" })
    }

    fn strings(&self, key: &'static str, limit: u64) -> Result<Option<&'a Array>, Error> {
        let Some(array) = self.array(key)? else { return Ok(None) };
        if array.element() != ValueType::String {
            return Err(Error::Type { key, wanted: "a list of texts" });
        }
        if array.len() > limit {
            return Err(Error::TooLarge { what: "entries", found: array.len(), limit });
        }
        let bytes: u64 =
            (0..array.len()).filter_map(|index| array.bytes(index)).map(|text| text.len() as u64).sum();
        if bytes > TEXT_BYTES_MAX {
            return Err(Error::TooLarge { what: "bytes of text", found: bytes, limit: TEXT_BYTES_MAX });
        }
        Ok(Some(array))
    }

    fn finish(self, made: Made) -> Result<Tokenizer, Error> {
        let adds_bos = self.truth("tokenizer.ggml.add_bos_token", made.adds_bos)?;
        let adds_eos = self.truth("tokenizer.ggml.add_eos_token", made.adds_eos)?;
        let adds_sep = self.truth("tokenizer.ggml.add_sep_token", false)?;
        Ok(Tokenizer {
            pieces: pieces(&self.vocabulary, made.pieces),
            added: Matcher::new(self.added()?, Order::Longest),
            vocabulary: self.vocabulary,
            roles: self.roles,
            adds_bos,
            adds_eos: adds_eos || adds_sep,
            normalizers: made.normalizers,
            added_normalized: None,
            space: made.space,
            cuts: made.cuts,
            engine: made.engine,
            notes: self.notes,
        })
    }

    /// Lists the tokens that are found as they stand. Which of them take white space with them, no file says;
    /// llama.cpp goes by names.
    fn added(&self) -> Result<Vec<Added>, Error> {
        let name = self.text("general.name")?.unwrap_or_default().to_lowercase();
        let pre = self.text(PRE)?.unwrap_or_default();
        let architecture = self.text("general.architecture")?.unwrap_or_default();
        let has = |text: &str, parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let mask: &[u8] = if has(&pre, &["jina-v2-de", "jina-v2-es", "jina-v2-code"])
            || has(&architecture, &["nomic-bert-moe", "jina-bert-v3"])
        {
            b"<mask>"
        } else if has(&name, &["modern-bert"]) {
            b"[MASK]"
        } else {
            b""
        };
        let phi3 = has(&name, &["phi-3", "phi3"]);
        let special =
            |id: &u32| matches!(self.vocabulary.kind(*id), Kind::Control | Kind::UserDefined | Kind::Unknown);
        let added = |id: u32| {
            let text = self.vocabulary.text(id);
            let keeps = [&b"<unk>"[..], b"<s>", b"<|endoftext|>"].contains(&text);
            Added {
                id,
                text: text.to_vec(),
                control: self.vocabulary.kind(id) != Kind::UserDefined,
                strips_left: !mask.is_empty() && text == mask,
                strips_right: phi3 && !keeps,
                single_word: false,
            }
        };
        Ok(self.vocabulary.ids().filter(special).map(added).collect())
    }
}

fn vocabulary_of(tokens: &Array, kinds: Vec<Kind>) -> Result<Vocabulary, Error> {
    let mut texts = Texts::default();
    for index in 0..tokens.len() {
        let text = tokens.bytes(index).unwrap_or_default();
        if std::str::from_utf8(text).is_err() {
            return Err(Error::NotText { id: index as u32 });
        }
        match text {
            b"" => texts.push(format!("[EMPTY_{index}]").as_bytes()),
            text => texts.push(text),
        }
    }
    Vocabulary::new(texts, kinds).map_err(|(first, second)| {
        let text = String::from_utf8_lossy(tokens.bytes(second.into()).unwrap_or_default()).into_owned();
        Error::Duplicate { text, first, second }
    })
}

/// Writes down what each token contributes to a text.
fn pieces(vocabulary: &Vocabulary, written: Pieces) -> Texts {
    let mut pieces = Texts::default();
    for id in vocabulary.ids() {
        let text = vocabulary.text(id);
        match vocabulary.kind(id) {
            Kind::Control | Kind::UserDefined | Kind::Unknown => pieces.extend(text),
            Kind::Byte => match byte(text) {
                Some(byte) => pieces.extend(&[byte]),
                None => pieces.extend(text),
            },
            _ => {
                for character in std::str::from_utf8(text).unwrap_or_default().chars() {
                    match (written, byte_level::byte(character)) {
                        (Pieces::ByteLevel, Some(byte)) => pieces.extend(&[byte]),
                        (Pieces::Spaces, _) if character == '▁' => pieces.extend(b" "),
                        _ => pieces.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
            }
        }
        pieces.end();
    }
    pieces
}

/// Returns the byte that `<0x0A>` stands for.
pub(super) fn byte(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    u8::from_str_radix(std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2)?, 16).ok()
}
