//! From lexemes to an expression and filters.

use std::collections::BTreeSet;

use athenaeum_core::{Provider, Role, Timestamp};

use super::{
    Expr, ParsedQuery, dates,
    lexer::{Lexeme, Lexer, plain, unquoted},
};
use crate::{Filters, Flag, Notice, text::Analyzer};

/// Bytes of a query that are read.
pub const QUERY_BYTES_MAX: usize = 4096;

/// Words of a query that are searched.
pub const QUERY_TERMS_MAX: usize = 64;

/// Parentheses inside each other that are heeded.
pub const QUERY_DEPTH_MAX: usize = 32;

/// Reads a query as a person typed it, by this machine's clock. See [`parse_at`].
pub fn parse(text: &str) -> ParsedQuery {
    parse_at(text, Timestamp::now())
}

/// Reads a query as a person typed it; `now` is what `today` and `7d` count from.
///
/// Never fails: what cannot be read as meant is read as words or left out, and a notice says so. Work and
/// memory are bounded by [`QUERY_BYTES_MAX`], [`QUERY_TERMS_MAX`] and [`QUERY_DEPTH_MAX`].
pub fn parse_at(text: &str, now: Timestamp) -> ParsedQuery {
    let read = &text[..text.floor_char_boundary(QUERY_BYTES_MAX)];
    let mut parser = Parser::new(read, now);
    if read.len() < text.len() {
        parser.notice(format!("Only the first {QUERY_BYTES_MAX} bytes of the query were read."));
    }
    let expr = parser.group(0, false).map(simple);
    let expr = expr.and_then(|expr| parser.positive(expr));
    let mut query = ParsedQuery { expr, filters: parser.filters, notices: Vec::new() };
    let mut notices = parser.notices;
    if query.expr.is_none() && query.filters == Filters::default() {
        query.expr = literal(read, now);
        if query.expr.is_some() {
            notices
                .push("There was nothing else to find, so the query was searched word by word.".to_owned());
        } else if !read.trim().is_empty() {
            notices.push("The query holds no letters or digits to search for.".to_owned());
        }
    }
    let mut seen = BTreeSet::new();
    notices.retain(|notice| seen.insert(notice.clone()));
    query.notices = notices.into_iter().map(Notice).collect();
    query
}

/// Takes every word of `text` as a word.
fn literal(text: &str, now: Timestamp) -> Option<Expr> {
    let mut parser = Parser::new("", now);
    let members: Vec<Expr> = text.split_whitespace().filter_map(|word| parser.words(word, false)).collect();
    all(members).map(simple)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    analyzer: Analyzer,
    now: Timestamp,
    terms_left: usize,
    filters: Filters,
    /// How many fields were taken as filters.
    filters_read: usize,
    notices: Vec<String>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, now: Timestamp) -> Self {
        Self {
            lexer: Lexer::new(text),
            analyzer: Analyzer::new(),
            now,
            terms_left: QUERY_TERMS_MAX,
            filters: Filters::default(),
            filters_read: 0,
            notices: Vec::new(),
        }
    }

    fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(text.into());
    }

    /// Reads up to the parenthesis that closes this group, or the end.
    fn group(&mut self, depth: usize, in_title: bool) -> Option<Expr> {
        let (mut alternatives, mut members) = (Vec::new(), Vec::new());
        let (mut negated, mut waiting, mut ignored, mut seen_or) = (false, None, 0_usize, false);
        let filters_before = self.filters_read;
        let mut closed = depth == 0;
        while let Some(lexeme) = self.lexer.next() {
            let minus = match lexeme {
                Lexeme::Close if ignored > 0 => {
                    ignored -= 1;
                    continue;
                }
                Lexeme::Close if depth > 0 => {
                    closed = true;
                    break;
                }
                Lexeme::Close => {
                    self.notice("A closing parenthesis without an opening one was left out.");
                    continue;
                }
                Lexeme::Not => {
                    negated = !negated;
                    waiting = Some("NOT");
                    continue;
                }
                Lexeme::And | Lexeme::Or => {
                    let is_or = lexeme == Lexeme::Or;
                    let name = if is_or { "OR" } else { "AND" };
                    let filtered = self.filters_read > filters_before;
                    if waiting.is_some() || (members.is_empty() && !filtered) {
                        self.notice(format!("{name} needs something before and after it, and was left out."));
                    } else if is_or {
                        alternatives.extend(all(std::mem::take(&mut members)));
                    }
                    if is_or && filtered {
                        self.notice(FILTER_ASIDE);
                    }
                    waiting = waiting.or(Some(name));
                    seen_or |= is_or;
                    continue;
                }
                Lexeme::Open { .. } if depth == QUERY_DEPTH_MAX => {
                    self.notice(format!("Parentheses more than {QUERY_DEPTH_MAX} deep were left out."));
                    ignored += 1;
                    continue;
                }
                Lexeme::Open { minus, .. }
                | Lexeme::Word { minus, .. }
                | Lexeme::Quoted { minus, .. }
                | Lexeme::Field { minus, .. } => minus,
            };
            waiting = None;
            let negative = std::mem::take(&mut negated) != minus;
            let filters_read = self.filters_read;
            if let Some(expr) = self.operand(lexeme, negative, depth, in_title) {
                members.push(if negative { Expr::Not(Box::new(expr)) } else { expr });
            }
            if seen_or && self.filters_read > filters_read {
                self.notice(FILTER_ASIDE);
            }
        }
        if let Some(name) = waiting {
            self.notice(format!("{name} at the end needs something after it, and was left out."));
        }
        if !closed {
            self.notice("A parenthesis was closed at the end of the query.");
        }
        alternatives.extend(all(members));
        any(alternatives)
    }

    /// Reads a word, phrase, group or field. A filter goes to `self.filters` and gives no expression.
    fn operand(&mut self, lexeme: Lexeme<'t>, negative: bool, depth: usize, in_title: bool) -> Option<Expr> {
        match lexeme {
            Lexeme::Open { title, .. } => {
                self.lexer.open += 1;
                let inner = self.group(depth + 1, in_title || title);
                self.lexer.open -= 1;
                if title && !in_title { inner.map(titled) } else { inner }
            }
            Lexeme::Word { text, .. } => {
                self.warn_of_bare_field(text);
                self.words(text, true)
            }
            Lexeme::Quoted { text, closed, .. } => {
                if !closed {
                    self.notice("A quotation mark was closed at the end of the query.");
                }
                self.phrase(text)
            }
            Lexeme::Field { name: "title", value, quoted, .. } => {
                let inner = if quoted { self.phrase(value) } else { self.words(value, true) };
                if in_title { inner } else { inner.map(titled) }
            }
            Lexeme::Field { name, value, quoted, source, .. } => {
                if self.filter(name, value, quoted, negative) {
                    self.filters_read += 1;
                    return None;
                }
                self.words(source, false)
            }
            _ => None,
        }
    }

    fn warn_of_bare_field(&mut self, text: &str) {
        let name = text.strip_suffix(':').unwrap_or_default().to_ascii_lowercase();
        if matches!(
            name.as_str(),
            "provider" | "model" | "role" | "user" | "title" | "after" | "before" | "has"
        ) {
            self.notice(format!("{name}: was searched as a word; write its value right after the colon."));
        }
    }

    /// Reads what stands between two spaces: a word, a word's beginning, or several words that punctuation
    /// joins.
    fn words(&mut self, text: &str, stars: bool) -> Option<Expr> {
        let text = unquoted(text);
        let trimmed = text.trim_end_matches(|c| plain(c) == '*');
        let starred = stars && trimmed.len() < text.len();
        if stars && trimmed.contains(|c| plain(c) == '*') {
            self.notice("A * stands for any ending only at the end of a word; others were left out.");
        }
        let tokens = self.tokens(trimmed)?;
        let (first, last) = (tokens.first()?, tokens.last()?);
        let ending = &trimmed[last.clone()];
        if !starred || last.end < trimmed.len() || is_alone(&mut self.analyzer, ending) {
            return Some(match tokens.as_slice() {
                [only] => word(&trimmed[only.clone()]),
                _ => Expr::Phrase(folded_space(&trimmed[first.start..last.end])),
            });
        }
        let prefix = Expr::Prefix(ending.to_owned());
        let Some(before) = tokens.len().checked_sub(2).and_then(|index| tokens.get(index)) else {
            return Some(prefix);
        };
        let before = match tokens.len() {
            2 => word(&trimmed[before.clone()]),
            _ => Expr::Phrase(folded_space(&trimmed[first.start..before.end])),
        };
        Some(Expr::All(vec![before, prefix]))
    }

    fn phrase(&mut self, text: &str) -> Option<Expr> {
        let tokens = self.tokens(text)?;
        let (first, last) = (tokens.first()?, tokens.last()?);
        Some(Expr::Phrase(folded_space(&text[first.start..last.end])))
    }

    /// Returns where the words of `text` stand, as many as the query may still have. `None` and a notice
    /// where there are none.
    fn tokens(&mut self, text: &str) -> Option<Vec<std::ops::Range<usize>>> {
        let mut tokens = Vec::new();
        let left = self.terms_left;
        let mut over = false;
        self.analyzer.analyze_while(text, |token| {
            over = tokens.len() == left;
            if !over {
                tokens.push(token.range);
            }
            !over
        });
        self.terms_left -= tokens.len();
        if over {
            self.notice(format!("Only the first {QUERY_TERMS_MAX} words of the query were searched."));
        } else if tokens.is_empty() && text.trim().len() > SIGN_BYTES_MAX {
            self.notice(format!(
                "'{}' holds no letters or digits to search for, and was left out.",
                short(text)
            ));
        }
        (!tokens.is_empty()).then_some(tokens)
    }

    /// Takes `name:value` as a filter; false where the value does not fit, which a notice then says.
    fn filter(&mut self, name: &str, value: &str, quoted: bool, negative: bool) -> bool {
        if matches!(name, "after" | "before" | "date") {
            return self.date(name, value, negative);
        }
        let value: String = value.chars().map(|c| if plain(c) == '"' { ' ' } else { c }).collect();
        let values: Vec<&str> =
            if quoted || name == "user" { vec![value.trim()] } else { value.split(',').collect() };
        let mut read = Filters::default();
        for value in values.into_iter().map(str::trim).filter(|value| !value.is_empty()) {
            let known = match name {
                "provider" => {
                    value.parse::<Provider>().map(|provider| push(&mut read.providers, provider)).is_ok()
                }
                "model" => {
                    push(&mut read.models, folded_space(value));
                    true
                }
                "user" => {
                    push(&mut read.users, folded_space(value));
                    true
                }
                "role" => role(value).map(|role| push(&mut read.roles, role)).is_some(),
                _ => flag(value).map(|flag| push(&mut read.has, flag)).is_some(),
            };
            if !known {
                self.notice(format!("{} The part was searched as words.", misfit(name, value)));
                return false;
            }
        }
        if read == Filters::default() {
            self.notice(format!("{name}: was searched as a word; write its value right after the colon."));
            return false;
        }
        let target = if negative { self.filters.without.get_or_insert_default() } else { &mut self.filters };
        read.providers.into_iter().for_each(|value| push(&mut target.providers, value));
        read.models.into_iter().for_each(|value| push(&mut target.models, value));
        read.users.into_iter().for_each(|value| push(&mut target.users, value));
        read.roles.into_iter().for_each(|value| push(&mut target.roles, value));
        read.has.into_iter().for_each(|value| push(&mut target.has, value));
        true
    }

    fn date(&mut self, name: &str, value: &str, negative: bool) -> bool {
        let value: String = value.chars().map(plain).collect();
        let Some((first, last)) = dates::period(value.trim(), self.now) else {
            self.notice(format!("{} The part was searched as words.", misfit(name, &value)));
            return false;
        };
        let last = if name == "date" && dates::is_ago(value.trim()) { self.now } else { last };
        let filters = &mut self.filters;
        let mut after =
            |time| filters.after = Some(filters.after.map_or(time, |held: Timestamp| held.max(time)));
        match (name, negative) {
            ("after", false) => after(first),
            ("before", true) => after(Timestamp::from_micros(last.as_micros() + 1)),
            ("date", false) => after(first),
            ("date", true) => {
                self.notice("-date: is not understood; write before: or after:.");
                return true;
            }
            _ => {}
        }
        let mut before =
            |time| filters.before = Some(filters.before.map_or(time, |held: Timestamp| held.min(time)));
        match (name, negative) {
            ("before" | "date", false) => before(last),
            ("after", true) => before(Timestamp::from_micros(first.as_micros() - 1)),
            _ => {}
        }
        true
    }

    /// Leaves out exclusions that exclude from nothing.
    fn positive(&mut self, expr: Expr) -> Option<Expr> {
        match expr {
            Expr::Not(_) => {
                self.notice("An exclusion needs something beside it to find, and was left out.");
                None
            }
            Expr::Any(members) => {
                any(members.into_iter().filter_map(|member| self.positive(member)).collect()).map(simple)
            }
            Expr::All(members) => {
                let (negative, positive): (Vec<_>, Vec<_>) =
                    members.into_iter().partition(|member| matches!(member, Expr::Not(_)));
                let mut kept: Vec<Expr> =
                    positive.into_iter().filter_map(|member| self.positive(member)).collect();
                if kept.is_empty() {
                    self.notice("An exclusion needs something beside it to find, and was left out.");
                    return None;
                }
                for member in negative {
                    if let Expr::Not(inner) = member {
                        kept.extend(self.positive(*inner).map(|inner| Expr::Not(Box::new(inner))));
                    }
                }
                all(kept).map(simple)
            }
            Expr::Title(inner) => self.positive(*inner).map(titled),
            leaf => Some(leaf),
        }
    }
}

/// Joins groups of one kind, and undoes double negation.
fn simple(expr: Expr) -> Expr {
    match expr {
        Expr::All(members) => {
            let flat = members.into_iter().map(simple).flat_map(|member| match member {
                Expr::All(inner) => inner,
                other => vec![other],
            });
            // What is excluded comes last, as it is written, whatever group it came from.
            let (negative, positive): (Vec<_>, Vec<_>) =
                flat.partition(|member| matches!(member, Expr::Not(_)));
            all([positive, negative].concat()).unwrap_or(Expr::All(Vec::new()))
        }
        Expr::Any(members) => {
            let flat = members.into_iter().map(simple).flat_map(|member| match member {
                Expr::Any(inner) => inner,
                other => vec![other],
            });
            any(flat.collect()).unwrap_or(Expr::Any(Vec::new()))
        }
        Expr::Not(inner) => match simple(*inner) {
            Expr::Not(twice) => *twice,
            other => Expr::Not(Box::new(other)),
        },
        Expr::Title(inner) => titled(simple(*inner)),
        leaf => leaf,
    }
}

fn all(mut members: Vec<Expr>) -> Option<Expr> {
    if members.len() < 2 { members.pop() } else { Some(Expr::All(members)) }
}

fn any(mut members: Vec<Expr>) -> Option<Expr> {
    if members.len() < 2 { members.pop() } else { Some(Expr::Any(members)) }
}

fn titled(inner: Expr) -> Expr {
    match inner {
        Expr::Title(_) => inner,
        other => Expr::Title(Box::new(other)),
    }
}

/// Tells whether `token` is a letter of a script without spaces: no word begins with it that it is not all of.
fn is_alone(analyzer: &mut Analyzer, token: &str) -> bool {
    let mut count = 0;
    analyzer.analyze(&format!("{token}a"), |_| count += 1);
    count > 1
}

/// Makes a word that does not read back as an operator.
fn word(text: &str) -> Expr {
    let operator = matches!(text, "AND" | "OR" | "NOT");
    Expr::Word(if operator { text.to_ascii_lowercase() } else { text.to_owned() })
}

fn push<T: PartialEq>(values: &mut Vec<T>, value: T) {
    if !values.contains(&value) {
        values.push(value);
    }
}

fn role(name: &str) -> Option<Role> {
    match name.to_ascii_lowercase().as_str() {
        "human" | "me" => Some(Role::User),
        "ai" | "model" | "bot" => Some(Role::Assistant),
        name => Role::from_name(name),
    }
}

fn flag(name: &str) -> Option<Flag> {
    match name.to_ascii_lowercase().as_str() {
        "code" => Some(Flag::Code),
        "attachment" | "attachments" | "file" | "files" | "image" | "images" => Some(Flag::Attachment),
        "tool" | "tools" => Some(Flag::Tool),
        _ => None,
    }
}

fn misfit(name: &str, value: &str) -> String {
    let expected = match name {
        "role" => "user, assistant, system or tool",
        "has" => "code, attachment or tool",
        "provider" => "a name such as chatgpt or claude",
        _ => "a date such as 2024, 2024-05, 2024-05-17, 7d or yesterday",
    };
    format!("{name}:{} is not understood; expected {expected}.", short(value))
}

fn short(text: &str) -> String {
    let mut cut: String = text.trim().chars().take(40).collect();
    if cut.len() < text.trim().len() {
        cut.push('…');
    }
    cut
}

fn folded_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const FILTER_ASIDE: &str = "A field beside OR holds for the whole query; only title: can be one side of it.";

/// A dash, an arrow or an ellipsis between words is left out without a remark.
const SIGN_BYTES_MAX: usize = 3;
