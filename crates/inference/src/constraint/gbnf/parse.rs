//! The text of a grammar, read.

use std::collections::HashMap;

use super::{Characters, Expression, Grammar};

/// How deep groups may lie within each other.
const DEPTH_MAX: usize = 100;
/// The most that a counted repetition may count to, as in llama.cpp.
const COUNT_MAX: u32 = 2_000;

pub(super) fn grammar(text: &str) -> Result<Grammar, String> {
    let mut reader = Reader { text, at: 0, numbers: HashMap::new(), rules: Vec::new(), depth: 0 };
    reader.space(true);
    while !reader.rest().is_empty() {
        reader.rule()?;
    }
    let names = reader.numbers;
    let root = *names.get("root").ok_or("it has no rule `root`")?;
    let missing = names.iter().find(|(_, number)| reader.rules[**number].is_none());
    if let Some((name, _)) = missing {
        return Err(format!("there is no rule `{name}`"));
    }
    Ok(Grammar { rules: reader.rules.into_iter().flatten().collect(), root })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    numbers: HashMap<&'t str, usize>,
    rules: Vec<Option<Expression>>,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += next.map_or(0, char::len_utf8);
        next
    }

    fn take(&mut self, expected: &str) -> bool {
        let there = self.rest().starts_with(expected);
        self.at += if there { expected.len() } else { 0 };
        there
    }

    fn expect(&mut self, expected: &str) -> Result<(), String> {
        if self.take(expected) { Ok(()) } else { Err(self.error(&format!("`{expected}` is missing"))) }
    }

    fn error(&self, what: &str) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("line {line}: {what}")
    }

    /// Blanks and comments; line ends where they do not end a rule.
    fn space(&mut self, lines: bool) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.at += 1,
                '\r' | '\n' if lines => self.at += 1,
                '#' => self.at += self.rest().find(['\r', '\n']).unwrap_or(self.rest().len()),
                _ => return,
            }
        }
    }

    fn rule(&mut self) -> Result<(), String> {
        let number = self.name()?;
        self.space(false);
        self.expect("::=")?;
        self.space(true);
        let expression = self.choice(false)?;
        // The last definition of a name counts, as in llama.cpp.
        self.rules[number] = Some(expression);
        match self.peek() {
            None | Some('\r' | '\n') => self.space(true),
            Some(c) => return Err(self.error(&format!("an unexpected `{c}`"))),
        }
        Ok(())
    }

    fn name(&mut self) -> Result<usize, String> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let length = self.rest().find(|c| !word(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.error("a name is missing"));
        }
        let name = &self.rest()[..length];
        self.at += length;
        let new = self.rules.len();
        let number = *self.numbers.entry(name).or_insert(new);
        if number == new {
            self.rules.push(None);
        }
        Ok(number)
    }

    fn choice(&mut self, nested: bool) -> Result<Expression, String> {
        let mut ways = vec![self.sequence(nested)?];
        while self.take("|") {
            self.space(true);
            ways.push(self.sequence(nested)?);
        }
        Ok(if ways.len() == 1 { ways.remove(0) } else { Expression::Choice(ways) })
    }

    fn sequence(&mut self, nested: bool) -> Result<Expression, String> {
        let mut parts = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '"' => parts.push(self.literal()?),
                '[' => parts.push(self.class()?),
                '(' => parts.push(self.group()?),
                '.' => {
                    self.at += 1;
                    parts.push(Expression::One(Characters::all()));
                }
                '<' | '!' => return Err(self.error("tokens by name or number are not taken")),
                '*' | '+' | '?' | '{' => {
                    let Some(last) = parts.pop() else {
                        return Err(self.error(&format!("nothing stands before `{c}`")));
                    };
                    let (least, most) = self.counts(nested)?;
                    parts.push(Expression::Repeat(Box::new(last), least, most));
                }
                c if c.is_ascii_alphanumeric() || c == '-' => {
                    let number = self.name()?;
                    parts.push(Expression::Rule(number));
                }
                _ => break,
            }
            self.space(nested);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Sequence(parts) })
    }

    fn literal(&mut self) -> Result<Expression, String> {
        self.at += 1;
        let mut characters = Vec::new();
        while !self.take("\"") {
            let c = self.character()?;
            characters.push(Expression::One(Characters::new(vec![(c, c)])));
        }
        // A repetition after it is of the whole, as of a group.
        Ok(Expression::Sequence(characters))
    }

    fn class(&mut self) -> Result<Expression, String> {
        self.at += 1;
        let negated = self.take("^");
        let mut ranges = Vec::new();
        while !self.take("]") {
            let from = self.character()?;
            let range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            if range {
                self.at += 1;
                ranges.push((from, self.character()?));
            } else {
                ranges.push((from, from));
            }
        }
        let set = Characters::new(ranges);
        let set = if negated { set.others() } else { set };
        if set.0.is_empty() {
            Err(self.error("brackets that hold nothing"))
        } else {
            Ok(Expression::One(set))
        }
    }

    fn group(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(&format!("groups are nested deeper than {DEPTH_MAX}")));
        }
        self.at += 1;
        self.space(true);
        let inner = self.choice(true)?;
        self.expect(")")?;
        self.depth -= 1;
        Ok(inner)
    }

    fn counts(&mut self, nested: bool) -> Result<(u32, Option<u32>), String> {
        match self.next() {
            Some('*') => return Ok((0, None)),
            Some('+') => return Ok((1, None)),
            Some('?') => return Ok((0, Some(1))),
            _ => self.space(nested),
        }
        let least = self.number()?.ok_or_else(|| self.error("a repetition without a number"))?;
        self.space(nested);
        let most = if self.take(",") {
            self.space(nested);
            let most = self.number()?;
            self.space(nested);
            most
        } else {
            Some(least)
        };
        self.expect("}")?;
        match most {
            Some(most) if most < least => Err(self.error("a repetition that counts backwards")),
            most => Ok((least, most)),
        }
    }

    fn number(&mut self) -> Result<Option<u32>, String> {
        let length = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        let digits = &self.rest()[..length];
        self.at += length;
        match digits.parse() {
            Ok(number) if number <= COUNT_MAX => Ok(Some(number)),
            _ if digits.is_empty() => Ok(None),
            _ => Err(self.error(&format!("a repetition of more than {COUNT_MAX}"))),
        }
    }

    fn character(&mut self) -> Result<char, String> {
        match self.next() {
            Some('\\') => {}
            Some(c) => return Ok(c),
            None => return Err(self.error("it ends within a text or brackets")),
        }
        match self.next() {
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('n') => Ok('\n'),
            Some('x') => self.hex(2),
            Some('u') => self.hex(4),
            Some('U') => self.hex(8),
            Some(c @ ('\\' | '"' | '[' | ']' | '-')) => Ok(c),
            _ => Err(self.error("an unknown escape")),
        }
    }

    fn hex(&mut self, digits: usize) -> Result<char, String> {
        let value = self.rest().get(..digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = value.and_then(|text| u32::from_str_radix(text, 16).ok()).and_then(char::from_u32);
        self.at += if value.is_some() { digits } else { 0 };
        value.ok_or_else(|| self.error("an escape that is no character"))
    }
}
