use crate::{query::Expr, text::Analyzer};

/// The words, beginnings and phrases of a query that are worth showing: those not excluded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    pub(super) needles: Vec<Needle>,
}

/// One thing to find.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Needle {
    pub(super) form: Form,
    /// As it was typed.
    pub(super) typed: String,
    /// Above 0. The rarer, the more.
    pub(super) weight: f32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// These terms, one after another; one for a word. At most 64.
    Terms(Vec<String>),
    /// Words that begin with `folded`; their terms begin so too, or are among `stems`.
    Beginning { folded: String, stems: Vec<String> },
}

impl Wanted {
    /// Collects what a message's text can hold: all but what is asked of the title.
    pub fn in_text(expr: Option<&Expr>, analyzer: &mut Analyzer) -> Self {
        Self::collect(expr, analyzer, false)
    }

    /// Collects what a title can hold.
    pub fn in_title(expr: Option<&Expr>, analyzer: &mut Analyzer) -> Self {
        Self::collect(expr, analyzer, true)
    }

    fn collect(expr: Option<&Expr>, analyzer: &mut Analyzer, title: bool) -> Self {
        let mut wanted = Self::default();
        if let Some(expr) = expr {
            wanted.add(expr, analyzer, title);
        }
        wanted
    }

    /// Tells whether there is nothing to mark.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Weighs every word by `weight`, which is given its terms (one for a word, several for a phrase; for a
    /// beginning, the beginning). Usually the inverse document frequency; values not above 0 count as very little.
    pub fn weigh(&mut self, mut weight: impl FnMut(&[String]) -> f32) {
        for needle in &mut self.needles {
            let given = match &needle.form {
                Form::Terms(terms) => weight(terms),
                Form::Beginning { folded, .. } => weight(std::slice::from_ref(folded)),
            };
            needle.weight = if given.is_finite() { given.max(WEIGHT_MIN) } else { 1.0 };
        }
    }

    fn add(&mut self, expr: &Expr, analyzer: &mut Analyzer, title: bool) {
        match expr {
            Expr::Word(text) | Expr::Phrase(text) => {
                let mut terms = Vec::new();
                analyzer.analyze(text, |token| terms.push(token.term.to_owned()));
                terms.truncate(PHRASE_TERMS_MAX);
                if !terms.is_empty() {
                    self.push(Form::Terms(terms), text);
                }
            }
            Expr::Prefix(text) => {
                if let Some(prefix) = analyzer.prefix(text) {
                    self.push(Form::Beginning { folded: prefix.folded, stems: prefix.stems }, text);
                }
            }
            Expr::All(members) | Expr::Any(members) => {
                members.iter().for_each(|member| self.add(member, analyzer, title));
            }
            Expr::Title(inner) if title => self.add(inner, analyzer, title),
            Expr::Title(_) | Expr::Not(_) => {}
        }
    }

    fn push(&mut self, form: Form, typed: &str) {
        if self.needles.len() < NEEDLES_MAX && !self.needles.iter().any(|known| known.form == form) {
            self.needles.push(Needle { form, typed: typed.to_owned(), weight: 1.0 });
        }
    }
}

const WEIGHT_MIN: f32 = 1e-3;

/// A phrase's progress is kept in the bits of a word.
const PHRASE_TERMS_MAX: usize = 64;

/// As many as a parsed query has words; an expression made by hand could have more.
const NEEDLES_MAX: usize = 64;
