//! From text to the numbers that a model computes with, and back.
//!
//! ```
//! use athenaeum_inference::{model::gguf, tokenizer::{Special, TextStream, Tokenizer}};
//!
//! # let mut bytes = Vec::new();
//! # gguf::Writer::new()
//! #     .set("tokenizer.ggml.model", "llama")
//! #     .set("tokenizer.ggml.tokens", ["<unk>", "<s>", "</s>", "▁", "h", "i", "▁h", "▁hi"])
//! #     .set("tokenizer.ggml.scores", [0.0_f32, 0.0, 0.0, -9.0, -9.0, -9.0, -2.0, -1.0])
//! #     .set("tokenizer.ggml.token_type", [2, 3, 3, 1, 1, 1, 1, 1])
//! #     .write(&mut bytes)?;
//! let file = gguf::File::from_bytes(&bytes)?; // <unk> <s> </s> ▁ h i ▁h ▁hi
//! let tokenizer = Tokenizer::from_gguf(&file.metadata)?;
//!
//! assert_eq!(tokenizer.encode("hi hi</s>", Special::Parse), [7, 7, 2]);
//! assert_eq!(tokenizer.decode(&[1, 7, 7, 2], false), "hi hi");
//! assert_eq!((tokenizer.bos(), tokenizer.ends_generation(2)), (Some(1), true));
//!
//! let mut stream = TextStream::continuing();
//! assert_eq!(stream.push(&tokenizer, 7), " hi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Tokenizer::from_gguf`] takes what llama.cpp writes into its files, [`Tokenizer::from_json`] a `tokenizer.json` of
//! Hugging Face; both become the same parts: texts taken out as they stand (control tokens), normalisation, cutting
//! into words, and one of several ways to make tokens of a word (BPE, SentencePiece's BPE, Unigram, WordPiece).
//!
//! All of it is our own, for three reasons: the text is a stranger's, and so may the model be; a vocabulary of 150,000
//! tokens is to be there within a tenth of a second; and one set of parts is to serve both formats. A name or part that
//! is not known is refused, never guessed: a wrong pre-tokenizer makes a model dumber and tells nobody.
//!
//! It does not cut texts off or fill them up, and what a text is to begin or end with is only told
//! ([`Tokenizer::adds_bos`]), not done.
//!
//! **Invariant:** any text becomes tokens, in time in proportion to *n* log *n* of its length, and text that is not
//! parsed for control tokens ([`Special::Text`]) never becomes one.
mod added;
mod bpe;
mod byte_level;
mod charsmap;
mod error;
mod folder;
mod gguf;
mod json;
mod merge;
mod normalize;
mod pattern;
mod pre;
mod roles;
mod split;
mod spm;
mod stream;
mod trie;
mod unigram;
mod vocabulary;
mod wordpiece;
mod words;

use std::fmt;

pub use error::Error;
pub use pattern::Error as PatternError;
pub use stream::TextStream;

use added::{Matcher, Part};
use normalize::Normalizer;
use roles::Roles;
use split::Cut;
use vocabulary::{Kind, Texts, Vocabulary};
use words::{Engine, Words};

/// What makes tokens of text and text of tokens, for one model. Nothing in it changes; threads share it.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    /// What each token contributes to a text.
    pieces: Texts,
    roles: Roles,
    adds_bos: bool,
    adds_eos: bool,
    /// Taken out of the text as it is.
    added: Matcher,
    normalizers: Vec<Normalizer>,
    /// Taken out of the text after it is normalised.
    added_normalized: Option<Matcher>,
    space: Space,
    cuts: Vec<Cut>,
    engine: Engine,
    notes: Vec<String>,
}

/// What to do with the names of control tokens in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// `<|im_start|>` is that token: for text that a template has made.
    Parse,
    /// It is text like any other: for what people and their files say.
    Text,
}

/// Where a space is put before a text that does not begin with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    Never,
    /// Before the text.
    First,
    /// Before the text, and after each control token.
    Always,
}

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// # Errors
    ///
    /// An [`Error`] for kinds that are not supported, names that are not known, and whatever does not fit together.
    pub fn from_gguf(metadata: &crate::model::gguf::Metadata) -> Result<Self, Error> {
        gguf::tokenizer(metadata)
    }

    /// Builds the tokenizer of a `tokenizer.json`; `tokenizer_config`, the file beside it, says what tokens are for.
    ///
    /// # Errors
    ///
    /// An [`Error`] for parts that are not known, and whatever does not fit together.
    pub fn from_json(
        tokenizer_json: &[u8],
        tokenizer_config: Option<&serde_json::Value>,
    ) -> Result<Self, Error> {
        json::tokenizer(tokenizer_json, tokenizer_config)
    }

    /// Reads the tokenizer of a model: from the metadata of a GGUF file, or from the `tokenizer.json` of a folder, with
    /// what `tokenizer_config.json` and `generation_config.json` say of its tokens. Blocks.
    ///
    /// # Errors
    ///
    /// An [`Error`] as of the other two, or where the folder has no such file.
    pub fn of(model: &crate::model::Model) -> Result<Self, Error> {
        match &model.files {
            crate::model::Files::Gguf(files) => Self::from_gguf(files.metadata()),
            crate::model::Files::Safetensors(_) => folder::tokenizer(&model.path),
        }
    }

    /// Returns the tokens of a text. BOS and EOS are not added, nor is anything but what stands there.
    pub fn encode(&self, text: &str, special: Special) -> Vec<u32> {
        let mut words = Words::new(&self.vocabulary, &self.engine, text.len());
        let mut begins = true;
        self.added.partition(text, special, &mut |part| {
            self.encode_part(part, &mut begins, special, &mut words);
        });
        words.finish()
    }

    /// Puts `mark` into every control token that is spelled out in a text, and into the beginning of one at its end;
    /// `None` where there is none. Names of a single letter cannot be marked.
    ///
    /// [`Tokenizer::encode_marked`] reads the result, or what a template has made of it.
    pub fn marked(&self, text: &str, mark: char) -> Option<String> {
        let spelled = self.added_normalized.iter().flat_map(|added| added.spelled(text));
        let mut spelled: Vec<usize> = self.added.spelled(text).chain(spelled).collect();
        spelled.sort_unstable();
        spelled.dedup();
        let mut marked = String::with_capacity(text.len() + spelled.len() * mark.len_utf8());
        let mut told = 0;
        for start in &spelled {
            let first = text[*start..].chars().next()?;
            marked.push_str(&text[told..start + first.len_utf8()]);
            marked.push(mark);
            told = start + first.len_utf8();
        }
        marked.push_str(&text[told..]);
        (!spelled.is_empty()).then_some(marked)
    }

    /// Returns the tokens of a text as [`Special::Parse`] has them, less those with `mark` in their names, which are
    /// text: as if the marks were not there.
    pub fn encode_marked(&self, text: &str, mark: char) -> Vec<u32> {
        let mut words = Words::new(&self.vocabulary, &self.engine, text.len());
        let mut begins = true;
        self.added.partition(text, Special::Parse, &mut |part| match part {
            Part::Text(text) if text.contains(mark) => {
                let text = text.replace(mark, "");
                self.added.partition(&text, Special::Text, &mut |part| {
                    self.encode_part(part, &mut begins, Special::Text, &mut words);
                });
            }
            part => self.encode_part(part, &mut begins, Special::Parse, &mut words),
        });
        words.finish()
    }

    /// Returns the text of tokens; with `specials`, control tokens by their names, without, not at all.
    ///
    /// A space that [`Tokenizer::encode`] has put before a text is taken away again. What is no UTF-8 is shown as
    /// U+FFFD.
    pub fn decode(&self, ids: &[u32], specials: bool) -> String {
        let mut bytes = Vec::new();
        let mut begins = true;
        ids.iter().for_each(|id| self.append(*id, specials, &mut begins, &mut bytes));
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// Returns what a token contributes to a text: bytes, which need not be whole characters. Control tokens
    /// contribute their names; there is nothing beyond the last token.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.pieces.get(id)
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Whether there are no tokens; there always are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the token whose text in the model's file is this.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.vocabulary.find(text.as_bytes())
    }

    /// Whether the model wants BOS before a text.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos && self.roles.bos.is_some()
    }

    /// Whether the model wants EOS (for encoders, the separator) after a text.
    pub fn adds_eos(&self) -> bool {
        self.adds_eos && self.eos().is_some()
    }

    /// Returns the token that begins a text; for encoders, `[CLS]`.
    pub fn bos(&self) -> Option<u32> {
        self.roles.bos
    }

    /// Returns the token that ends a text; for encoders, `[SEP]`.
    pub fn eos(&self) -> Option<u32> {
        self.roles.eos.or(self.roles.sep)
    }

    /// Returns the token that fills up shorter texts.
    pub fn pad(&self) -> Option<u32> {
        self.roles.pad
    }

    /// Returns the token for what has no token.
    pub fn unknown(&self) -> Option<u32> {
        self.roles.unknown
    }

    /// Returns the token that stands between two texts.
    pub fn separator(&self) -> Option<u32> {
        self.roles.sep.or(self.roles.eos)
    }

    /// Returns the token that stands for one to be guessed.
    pub fn mask(&self) -> Option<u32> {
        self.roles.mask
    }

    /// Whether an answer ends with this token: the end of a text, a turn, a message, a call, or a file.
    pub fn ends_generation(&self, id: u32) -> bool {
        self.roles.ends.binary_search(&id).is_ok()
    }

    /// Returns all tokens that end an answer, in ascending order.
    pub fn generation_ends(&self) -> &[u32] {
        &self.roles.ends
    }

    /// Whether a token steers the model, or stands for the unknown, and is no text of its own.
    pub fn is_special(&self, id: u32) -> bool {
        matches!(self.vocabulary.kind(id), Kind::Control | Kind::Unknown)
    }

    /// Returns what should be known of how the file was read, as sentences; mostly nothing.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Adds tokens that end an answer; those beyond the last are passed over.
    fn add_ends(&mut self, ids: impl Iterator<Item = u32>) {
        let count = self.len();
        self.roles.ends.extend(ids.filter(|id| (*id as usize) < count));
        self.roles.ends.sort_unstable();
        self.roles.ends.dedup();
    }

    fn encode_part(&self, part: Part<'_>, begins: &mut bool, special: Special, words: &mut Words<'_>) {
        match part {
            Part::Token(id) => {
                words.token(id);
                *begins = false;
            }
            Part::Text(text) => self.encode_text(text, std::mem::take(begins), special, words),
        }
    }

    fn encode_text(&self, text: &str, begins: bool, special: Special, words: &mut Words<'_>) {
        let text = normalize::all(&self.normalizers, text, begins);
        let Some(added) = &self.added_normalized else {
            return self.encode_normalized(&text, begins, words);
        };
        let mut begins = begins;
        added.partition(&text, special, &mut |part| match part {
            Part::Token(id) => {
                words.token(id);
                begins = false;
            }
            Part::Text(text) => self.encode_normalized(text, std::mem::take(&mut begins), words),
        });
    }

    fn encode_normalized(&self, text: &str, begins: bool, words: &mut Words<'_>) {
        split::cut(text, &self.cuts, begins, &mut |word| words.word(word));
    }

    /// Appends what a token contributes after others. `begins`: a space at its beginning was put there by `encode`.
    fn append(&self, id: u32, specials: bool, begins: &mut bool, bytes: &mut Vec<u8>) {
        if self.is_special(id) {
            if specials {
                bytes.extend_from_slice(self.bytes(id));
            }
            *begins |= self.space == Space::Always;
            return;
        }
        let piece = self.bytes(id);
        let put = std::mem::take(begins) && self.space != Space::Never;
        bytes.extend_from_slice(if put { piece.strip_prefix(b" ").unwrap_or(piece) } else { piece });
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("tokens", &self.len()).finish_non_exhaustive()
    }
}
