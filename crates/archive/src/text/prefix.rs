use super::{Analyzer, fold, head, porter};

/// What the beginning of a word asks of an index that holds stems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Folded, not stemmed; terms that begin with it are wanted.
    pub folded: String,
    /// Terms that do not begin with it, though words that do may have them: `run` for `runni`.
    pub stems: Vec<String>,
}

impl Analyzer {
    /// Prepares the search for words that begin like `text`. Only the first token of `text` counts; `None`
    /// where it holds none.
    pub fn prefix(&mut self, text: &str) -> Option<Prefix> {
        let mut range = None;
        self.analyze_while(text, |token| {
            range = Some(token.range);
            false
        });
        let letters =
            text[range?].chars().map(fold::look_up).filter(|(class, _)| *class != fold::Class::Accent);
        let mut folded: String = letters.map(|(_, c)| c).take(super::TERM_BYTES_MAX).collect();
        // Longer words keep no more of themselves in their term.
        folded.truncate(head(&folded).len());
        let stems = stems_beside(folded.as_bytes());
        Some(Prefix { folded, stems })
    }
}

/// Completes `prefix` with every ending that the stemmer takes off, whole or begun, and returns the stems that
/// no longer begin with it.
fn stems_beside(prefix: &[u8]) -> Vec<String> {
    let mut stems: Vec<String> = Vec::new();
    if prefix.len() < 3 || prefix.len() > porter::STEMMED_BYTES_MAX - 12 || !prefix.is_ascii() {
        return stems;
    }
    let mut word = Vec::with_capacity(porter::STEMMED_BYTES_MAX);
    for ending in ENDINGS.iter().map(|ending| ending.as_bytes()) {
        for begun in 0..=ending.len().min(prefix.len()) {
            if !prefix.ends_with(&ending[..begun]) {
                continue;
            }
            word.clear();
            word.extend_from_slice(prefix);
            word.extend_from_slice(&ending[begun..]);
            porter::stem(&mut word);
            let Ok(stem) = std::str::from_utf8(&word) else { continue };
            if !word.starts_with(prefix)
                && !stems.iter().any(|known| known == stem)
                && stems.len() < STEMS_MAX
            {
                stems.push(stem.to_owned());
            }
        }
    }
    stems
}

/// Beyond these, a beginning is so short that its words begin with it after stemming too.
const STEMS_MAX: usize = 12;

/// Endings of English words that the stemmer takes off or changes, with their own endings.
const ENDINGS: &[&str] = &[
    "",
    "e",
    "s",
    "es",
    "ies",
    "ed",
    "ied",
    "ing",
    "ings",
    "y",
    "ly",
    "ily",
    "er",
    "ers",
    "or",
    "ors",
    "ion",
    "ions",
    "ation",
    "ations",
    "ational",
    "ationally",
    "ator",
    "ators",
    "ate",
    "ates",
    "ated",
    "ating",
    "ative",
    "atively",
    "ize",
    "izes",
    "ized",
    "izing",
    "izer",
    "izers",
    "ization",
    "izations",
    "ity",
    "ities",
    "al",
    "als",
    "ally",
    "ality",
    "alism",
    "alize",
    "alized",
    "alizing",
    "alization",
    "ism",
    "isms",
    "ive",
    "ively",
    "iveness",
    "ivity",
    "ness",
    "ful",
    "fully",
    "fulness",
    "ous",
    "ously",
    "ousness",
    "able",
    "ably",
    "ability",
    "abilities",
    "ible",
    "ibly",
    "ibility",
    "ment",
    "ments",
    "ement",
    "ements",
    "ent",
    "ents",
    "ently",
    "ence",
    "ences",
    "ency",
    "encies",
    "ance",
    "ances",
    "ancy",
    "ancies",
    "ant",
    "ants",
    "ic",
    "ics",
    "ical",
    "ically",
    "icate",
    "icity",
    "logy",
    "logies",
    "logical",
    "ll",
    "lling",
    "lled",
    "le",
    "ling",
    "led",
    "bly",
    "nness",
    "tting",
    "ning",
    "ming",
];
