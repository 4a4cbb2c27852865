//! What happens to a text before it is cut into words.

use std::borrow::Cow;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::{charsmap::Charsmap, pattern::Class};

/// One change.
#[derive(Debug)]
pub(super) enum Normalizer {
    /// Puts this before a text; with `always`, also before one that follows a control token.
    Prepend {
        text: String,
        always: bool,
    },
    Replace {
        from: String,
        to: String,
    },
    Pattern {
        pattern: super::pattern::Pattern,
        to: String,
    },
    Form(Form),
    Lowercase,
    /// Takes marks away.
    StripAccents(Class),
    /// Takes white space away at the beginning and at the end.
    Strip {
        left: bool,
        right: bool,
    },
    Bert(Box<Bert>),
    Charsmap(Charsmap),
    /// Spaces as SentencePiece's Unigram wants them.
    Spaces {
        prefix: bool,
        merged: bool,
    },
    /// Each byte as a character of GPT-2's alphabet.
    ByteLevel,
}

/// The normal forms of Unicode.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Composed,
    Decomposed,
    CompatibleComposed,
    CompatibleDecomposed,
}

/// BERT's normalisation.
#[derive(Debug)]
pub(super) struct Bert {
    pub(super) clean: bool,
    pub(super) space_cjk: bool,
    pub(super) strip_accents: bool,
    pub(super) lowercase: bool,
    control: Class,
    accent: Class,
}

/// Changes a text in all ways, one after another. `begins`: nothing comes before it.
pub(super) fn all<'text>(normalizers: &[Normalizer], text: &'text str, begins: bool) -> Cow<'text, str> {
    normalizers.iter().fold(Cow::Borrowed(text), |text, normalizer| normalizer.apply(text, begins))
}

/// The class of marks; `None` cannot be.
pub(super) fn marks() -> Option<Class> {
    Class::parse(r"\p{M}", false)
}

impl Normalizer {
    fn apply<'text>(&self, text: Cow<'text, str>, begins: bool) -> Cow<'text, str> {
        let changed = match self {
            Self::Prepend { always, .. } if text.is_empty() || !(*always || begins) => return text,
            Self::Prepend { text: before, .. } => format!("{before}{text}"),
            Self::Replace { from, to } if text.contains(from.as_str()) => text.replace(from, to),
            Self::Replace { .. } => return text,
            Self::Pattern { pattern, to } => {
                let mut changed = String::with_capacity(text.len());
                pattern.split(&text, &mut |part, found| changed.push_str(if found { to } else { part }));
                changed
            }
            Self::Form(form) => form.apply(&text),
            Self::Lowercase => lowercase(&text),
            Self::StripAccents(accent) => {
                text.chars().filter(|character| !accent.contains(*character)).collect()
            }
            Self::Strip { left, right } => {
                let text = if *left { text.trim_start() } else { &text };
                let text = if *right { text.trim_end() } else { text };
                text.to_owned()
            }
            Self::Bert(bert) => bert.apply(&text),
            Self::Charsmap(charsmap) => charsmap.apply(&text),
            Self::Spaces { prefix, merged } => spaces(&text, *prefix, *merged),
            Self::ByteLevel => text.bytes().map(super::byte_level::character).collect(),
        };
        Cow::Owned(changed)
    }
}

impl Form {
    fn apply(self, text: &str) -> String {
        let form = match self {
            Self::Composed => ComposingNormalizerBorrowed::new_nfc().normalize(text),
            Self::CompatibleComposed => ComposingNormalizerBorrowed::new_nfkc().normalize(text),
            Self::Decomposed => DecomposingNormalizerBorrowed::new_nfd().normalize(text),
            Self::CompatibleDecomposed => DecomposingNormalizerBorrowed::new_nfkd().normalize(text),
        };
        form.into_owned()
    }
}

impl Bert {
    /// `None` cannot be.
    pub(super) fn new(clean: bool, space_cjk: bool, strip_accents: bool, lowercase: bool) -> Option<Self> {
        let control = Class::parse(r"[\p{Cc}\p{Cf}\p{Co}\x{FFFD}&&[^\t\n\r]]", false)?;
        Some(Self {
            clean,
            space_cjk,
            strip_accents,
            lowercase,
            control,
            accent: Class::parse(r"\p{Mn}", false)?,
        })
    }

    fn apply(&self, text: &str) -> String {
        let mut changed = String::with_capacity(text.len());
        for character in text.chars() {
            if self.clean && self.control.contains(character) {
                continue;
            }
            if self.clean && character.is_whitespace() {
                changed.push(' ');
            } else if self.space_cjk && is_cjk(character) {
                changed.extend([' ', character, ' ']);
            } else {
                changed.push(character);
            }
        }
        if self.strip_accents {
            changed = Form::Decomposed.apply(&changed);
            changed.retain(|character| !self.accent.contains(character));
        }
        if self.lowercase { lowercase(&changed) } else { changed }
    }
}

/// Makes each letter small by itself: a sigma at the end of a word is none in particular.
fn lowercase(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The ideographs that BERT takes one by one.
fn is_cjk(character: char) -> bool {
    matches!(
        u32::from(character),
        0x4E00..=0x9FFF
            | 0x3400..=0x4DBF
            | 0x20000..=0x2A6DF
            | 0x2A700..=0x2B73F
            | 0x2B740..=0x2B81F
            | 0x2B920..=0x2CEAF
            | 0xF900..=0xFAFF
            | 0x2F800..=0x2FA1F
    )
}

/// Writes spaces as `▁`; `merged`, as one before each word.
fn spaces(text: &str, prefix: bool, merged: bool) -> String {
    let mut changed = String::with_capacity(text.len() + 3);
    let (mut within, mut prefixed) = (false, false);
    for character in text.chars() {
        if character == ' ' {
            within = false;
            changed.push_str(if merged { "" } else { "▁" });
            continue;
        }
        if !within && (merged || prefix && !prefixed) {
            changed.push('▁');
            prefixed = true;
        }
        within = true;
        changed.push(character);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bert_cleans_and_simplifies() {
        let bert = Bert::new(true, true, true, true).unwrap();
        assert_eq!(bert.apply("Ünï\u{0}\tÇ\u{200B}一二İ"), "uni c 一  二 i");
        let cased = Bert::new(true, false, false, false).unwrap();
        assert_eq!(cased.apply("Ünï 一"), "Ünï 一");
    }

    #[test]
    fn spaces_are_written_or_merged() {
        assert_eq!(spaces("a  b ", true, true), "▁a▁b");
        assert_eq!(spaces("a  b ", true, false), "▁a▁▁b▁");
        assert_eq!(spaces("  a", true, false), "▁▁▁a");
        assert_eq!(spaces(" a b", false, false), "▁a▁b");
        assert_eq!(spaces("   ", true, true), "");
    }
}
