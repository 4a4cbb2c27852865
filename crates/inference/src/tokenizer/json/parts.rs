//! The parts of a `tokenizer.json` by their names.

use serde_json::Value;

use crate::tokenizer::{
    Error, Space,
    charsmap::Charsmap,
    gguf::bert_words,
    normalize::{self, Bert, Form, Normalizer},
    pattern::Pattern,
    pre,
    split::{Cut, Keep},
    vocabulary::Vocabulary,
};

/// What is put around a text.
#[derive(Default)]
pub(super) struct Around {
    pub(super) before: Option<u32>,
    pub(super) after: Option<u32>,
    pub(super) notes: Vec<String>,
}

/// How the text of a token becomes what it contributes.
#[derive(Default)]
pub(super) struct Pieces {
    pub(super) byte_level: bool,
    replaced: Vec<(String, String)>,
    /// Words begin with a space, unless they begin with this, which falls away.
    continuing: Option<String>,
}

const DEPTH_MAX: u32 = 8;

pub(super) fn normalizers(part: &Value) -> Result<Vec<Normalizer>, Error> {
    let mut all = Vec::new();
    each(part, "normalizers", DEPTH_MAX, &mut |name, part| {
        all.extend(match name {
            "NFC" => vec![Normalizer::Form(Form::Composed)],
            "NFD" => vec![Normalizer::Form(Form::Decomposed)],
            "NFKC" => vec![Normalizer::Form(Form::CompatibleComposed)],
            "NFKD" => vec![Normalizer::Form(Form::CompatibleDecomposed)],
            "Lowercase" => vec![Normalizer::Lowercase],
            "StripAccents" => normalize::marks().map(Normalizer::StripAccents).into_iter().collect(),
            "Strip" => vec![Normalizer::Strip {
                left: truth(part, "strip_left", true),
                right: truth(part, "strip_right", true),
            }],
            "Prepend" => {
                let text = text(part, "prepend")?.to_owned();
                vec![Normalizer::Prepend { text, always: true }]
            }
            "Replace" => {
                let to = text(part, "content")?.to_owned();
                vec![match pattern(part)? {
                    Wanted::Text(from) => Normalizer::Replace { from, to },
                    Wanted::Expression(source) => {
                        Normalizer::Pattern { pattern: Pattern::new(&source).map_err(Error::Pattern)?, to }
                    }
                }]
            }
            "BertNormalizer" => {
                let lowercase = truth(part, "lowercase", true);
                let strip_accents = truth(part, "strip_accents", lowercase);
                let (clean, cjk) =
                    (truth(part, "clean_text", true), truth(part, "handle_chinese_chars", true));
                let bert = Bert::new(clean, cjk, strip_accents, lowercase);
                bert.map(Box::new).map(Normalizer::Bert).into_iter().collect()
            }
            "Precompiled" => {
                let bytes = base64(text(part, "precompiled_charsmap")?).ok_or(Error::Charsmap)?;
                vec![Normalizer::Charsmap(Charsmap::new(&bytes).ok_or(Error::Charsmap)?)]
            }
            "Nmt" => {
                let removed = r"[\x01-\x08\x0B\x0E-\x1F\x7F\x{8F}\x{9F}]";
                let spaces = r"[\t\n\x0C\r\x{1680}\x{200B}-\x{200F}\x{2028}\x{2029}\x{2581}\x{FEFF}\x{FFFD}]";
                let change = |source, to: &str| {
                    let pattern = Pattern::new(source).map_err(Error::Pattern)?;
                    Ok::<_, Error>(Normalizer::Pattern { pattern, to: to.to_owned() })
                };
                vec![change(removed, "")?, change(spaces, " ")?]
            }
            "ByteLevel" => vec![Normalizer::ByteLevel],
            other => return Err(unknown("a normalizer", other)),
        });
        Ok(())
    })?;
    Ok(all)
}

pub(super) fn cuts(part: &Value) -> Result<Vec<Cut>, Error> {
    let mut all = Vec::new();
    each(part, "pretokenizers", DEPTH_MAX, &mut |name, part| {
        let cut =
            |source: &str, keep| Ok::<_, Error>(vec![Cut::pattern(source, keep).map_err(Error::Pattern)?]);
        all.extend(match name {
            "ByteLevel" => {
                let mut steps = Vec::new();
                if truth(part, "add_prefix_space", true) {
                    steps.push(Cut::SpaceBefore);
                }
                if truth(part, "use_regex", true) {
                    steps.push(Cut::isolated(pre::GPT2_WORDS).map_err(Error::Pattern)?);
                }
                steps.push(Cut::ByteLevel);
                steps
            }
            "Split" => {
                let source = match pattern(part)? {
                    Wanted::Text(text) => regex_syntax::escape(&text),
                    Wanted::Expression(source) => source,
                };
                let keep = behavior(text(part, "behavior")?)?;
                if let (Some(groups), Keep::Apart) = (Cut::digit_groups_like(&source), keep) {
                    all.push(groups);
                    return Ok(());
                }
                let pattern = Pattern::new(&source).map_err(Error::Pattern)?;
                vec![Cut::Pattern { pattern, keep, inverted: truth(part, "invert", false) }]
            }
            "Metaspace" => {
                let prepend = match part.get("prepend_scheme").and_then(Value::as_str) {
                    Some("first") => Space::First,
                    Some("never") => Space::Never,
                    Some(_) => Space::Always,
                    None if truth(part, "add_prefix_space", true) => Space::Always,
                    None => Space::Never,
                };
                let replacement = text(part, "replacement")?.to_owned();
                let mut steps = vec![Cut::Metaspace { replacement: replacement.clone(), prepend }];
                if truth(part, "split", true) {
                    steps.extend(cut(&regex_syntax::escape(&replacement), Keep::WithNext)?);
                }
                steps
            }
            "BertPreTokenizer" => bert_words().map_err(Error::Pattern)?,
            "Whitespace" => {
                // What is a word here is what the `regex` crate takes for one.
                let word = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}";
                let pattern = Pattern::new(&format!(r"[{word}]+|[^{word}\s]+")).map_err(Error::Pattern)?;
                vec![Cut::Pattern { pattern, keep: Keep::Not, inverted: true }]
            }
            "WhitespaceSplit" => cut(r"\s", Keep::Not)?,
            "Digits" if truth(part, "individual_digits", false) => cut(r"\p{N}", Keep::Apart)?,
            "Digits" => cut(r"\p{N}", Keep::Together)?,
            "Punctuation" => {
                let keep = part.get("behavior").and_then(Value::as_str).unwrap_or("Isolated");
                cut(r"[\p{P}!-/:-@\[-`{-~]", behavior(keep)?)?
            }
            "CharDelimiterSplit" => cut(&regex_syntax::escape(text(part, "delimiter")?), Keep::Not)?,
            other => return Err(unknown("a pre-tokenizer", other)),
        });
        Ok(())
    })?;
    Ok(all)
}

/// Finds out where spaces are put that were not in the text.
pub(super) fn space(normalizers: &[Normalizer], cuts: &[Cut]) -> Space {
    let prepends = normalizers.iter().any(
        |normalizer| matches!(normalizer, Normalizer::Prepend { text, .. } if text == "▁" || text == " "),
    );
    let mut space = if prepends { Space::Always } else { Space::Never };
    for cut in cuts {
        space = match (space, cut.prepends()) {
            (Space::Never, other) => other,
            (space, _) => space,
        };
    }
    space
}

pub(super) fn around(part: Option<&Value>, vocabulary: &Vocabulary) -> Result<Around, Error> {
    let mut around = Around::default();
    let Some(part) = part else { return Ok(around) };
    each(part, "processors", DEPTH_MAX, &mut |name, part| {
        let pair = |name: &str| {
            let text = part.get(name)?.get(0)?.as_str()?;
            vocabulary.find(text.as_bytes())
        };
        match name {
            "BertProcessing" | "RobertaProcessing" => {
                (around.before, around.after) = (pair("cls"), pair("sep"));
            }
            "TemplateProcessing" => template(part, vocabulary, &mut around),
            "ByteLevel" => {}
            other => return Err(unknown("a post-processor", other)),
        }
        Ok(())
    })?;
    Ok(around)
}

fn template(part: &Value, vocabulary: &Vocabulary, around: &mut Around) {
    let (mut before, mut after, mut text) = (Vec::new(), Vec::new(), false);
    for step in part.get("single").and_then(Value::as_array).into_iter().flatten() {
        text |= step.get("Sequence").is_some();
        let Some(name) = step.get("SpecialToken").and_then(|token| token.get("id")?.as_str()) else {
            continue;
        };
        let side = if text { &mut after } else { &mut before };
        side.extend(vocabulary.find(name.as_bytes()));
    }
    if before.len() > 1 || after.len() > 1 {
        let note = "the model wants several tokens before or after a text, of which only the ones next to the text are told";
        around.notes.push(note.to_owned());
    }
    (around.before, around.after) = (before.last().copied(), after.first().copied());
}

// === impl Pieces ===

impl Pieces {
    pub(super) fn new(part: &Value) -> Result<Self, Error> {
        let mut pieces = Self::default();
        each(part, "decoders", DEPTH_MAX, &mut |name, part| {
            match name {
                "ByteLevel" => pieces.byte_level = true,
                "Replace" => {
                    if let Wanted::Text(from) = pattern(part)? {
                        pieces.replaced.push((from, text(part, "content")?.to_owned()));
                    }
                }
                "Metaspace" => pieces.replaced.push((text(part, "replacement")?.to_owned(), " ".to_owned())),
                "WordPiece" => {
                    let prefix = part.get("prefix").and_then(Value::as_str).unwrap_or("##");
                    pieces.continuing = Some(prefix.to_owned());
                }
                "BPEDecoder" => {
                    let suffix = part.get("suffix").and_then(Value::as_str).unwrap_or("</w>");
                    pieces.replaced.push((suffix.to_owned(), " ".to_owned()));
                }
                // Bytes are put together in any case, and a space that encoding has put there is known.
                "ByteFallback" | "Fuse" | "Strip" => {}
                other => return Err(unknown("a decoder", other)),
            }
            Ok(())
        })?;
        Ok(pieces)
    }

    /// Returns what a token of this text contributes.
    pub(super) fn contribution(&self, text: &str) -> String {
        let mut text = match &self.continuing {
            Some(prefix) => match text.strip_prefix(prefix.as_str()) {
                Some(rest) => rest.to_owned(),
                None => format!(" {text}"),
            },
            None => text.to_owned(),
        };
        for (from, to) in self.replaced.iter().filter(|(from, _)| !from.is_empty()) {
            text = text.replace(from, to);
        }
        text
    }
}

// === reading parts ===

enum Wanted {
    Text(String),
    Expression(String),
}

/// Goes through a part, or through the parts that a sequence has under `list`.
fn each(
    part: &Value,
    list: &'static str,
    depth: u32,
    found: &mut dyn FnMut(&str, &Value) -> Result<(), Error>,
) -> Result<(), Error> {
    if part.is_null() {
        return Ok(());
    }
    match text(part, "type")? {
        "Sequence" => {
            let parts = part.get(list).and_then(Value::as_array);
            let parts = parts.filter(|_| depth > 0).ok_or_else(|| unknown("a sequence", list))?;
            parts.iter().try_for_each(|part| each(part, list, depth - 1, found))
        }
        name => found(name, part),
    }
}

fn text<'a>(part: &'a Value, name: &'static str) -> Result<&'a str, Error> {
    part.get(name).and_then(Value::as_str).ok_or_else(|| unknown("a part without a text", name))
}

fn truth(part: &Value, name: &str, assumed: bool) -> bool {
    part.get(name).and_then(Value::as_bool).unwrap_or(assumed)
}

fn pattern(part: &Value) -> Result<Wanted, Error> {
    let pattern = part.get("pattern");
    let of = |name: &str| pattern?.get(name)?.as_str().map(str::to_owned);
    let text = pattern.and_then(Value::as_str).map(str::to_owned).or_else(|| of("String"));
    text.map(Wanted::Text)
        .or_else(|| of("Regex").map(Wanted::Expression))
        .ok_or_else(|| unknown("a part without a text", "pattern"))
}

fn behavior(name: &str) -> Result<Keep, Error> {
    Ok(match name.to_ascii_lowercase().replace('_', "").as_str() {
        "isolated" => Keep::Apart,
        "removed" => Keep::Not,
        "mergedwithprevious" => Keep::WithPrevious,
        "mergedwithnext" => Keep::WithNext,
        "contiguous" => Keep::Together,
        _ => return Err(unknown("a behavior", name)),
    })
}

fn unknown(what: &'static str, name: &str) -> Error {
    Error::Component { what, name: name.to_owned(), advice: "a newer version may know it" }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 & 0xFFFF | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    Some(bytes)
}
