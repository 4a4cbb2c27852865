//! From the text of an expression to a tree of it.

use super::class::Class;

/// A part of an expression.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Class(u16),
    All(Vec<Node>),
    /// The first that fits.
    Any(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        most: Option<u32>,
        manner: Manner,
    },
    Look {
        node: Box<Node>,
        ahead: bool,
        wanted: bool,
    },
    /// What it has found is not reconsidered.
    Atomic(Box<Node>),
    WordBoundary {
        wanted: bool,
    },
    Start,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Greedy,
    Lazy,
    Possessive,
}

/// An expression, and the sets of characters that it names by number.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) classes: Vec<Class>,
}

/// What is wrong, and at which byte.
type Failure = (&'static str, usize);

const DEPTH_MAX: u32 = 32;
const REPEAT_MAX: u32 = 1_000;
const CLASSES_MAX: usize = 256;

pub(super) fn parse(source: &str) -> Result<Parsed, Failure> {
    let mut parser = Parser { source, at: 0, classes: Vec::new(), any_case: false };
    let node = parser.alternatives(0)?;
    match parser.peek() {
        None => Ok(Parsed { node, classes: parser.classes }),
        Some(_) => Err(("a parenthesis closes nothing", parser.at)),
    }
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    classes: Vec<Class>,
    any_case: bool,
}

impl Parser<'_> {
    fn alternatives(&mut self, depth: u32) -> Result<Node, Failure> {
        if depth > DEPTH_MAX {
            return Err(("groups are nested too deeply", self.at));
        }
        let mut all = vec![self.sequence(depth)?];
        while self.take("|") {
            all.push(self.sequence(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::Any(all) })
    }

    fn sequence(&mut self, depth: u32) -> Result<Node, Failure> {
        let mut all = Vec::new();
        while let Some(next) = self.peek().filter(|next| !matches!(next, '|' | ')')) {
            let atom = match next {
                '(' => match self.group(depth)? {
                    Some(group) => group,
                    None => continue,
                },
                '*' | '+' | '?' => return Err(("nothing is repeated", self.at)),
                '^' => self.simple("^", Node::Start),
                '$' => self.simple("$", Node::End),
                _ if self.source[self.at..].starts_with(r"\b") => {
                    self.simple(r"\b", Node::WordBoundary { wanted: true })
                }
                _ if self.source[self.at..].starts_with(r"\B") => {
                    self.simple(r"\B", Node::WordBoundary { wanted: false })
                }
                _ if self.source[self.at..].starts_with(r"\A") => self.simple(r"\A", Node::Start),
                _ if self.source[self.at..].starts_with(r"\z") => self.simple(r"\z", Node::End),
                _ => self.class()?,
            };
            all.push(self.repeated(atom)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::All(all) })
    }

    /// Parses a group; `None` for one that only sets flags.
    fn group(&mut self, depth: u32) -> Result<Option<Node>, Failure> {
        let start = self.at;
        let any_case = self.any_case;
        let looks =
            [("(?=", true, true), ("(?!", true, false), ("(?<=", false, true), ("(?<!", false, false)];
        let look = looks.into_iter().find(|(opening, ..)| self.take(opening));
        let atomic = look.is_none() && self.take("(?>");
        if look.is_none() && !atomic && !self.take("(?:") && self.take("(?") {
            loop {
                match self.peek() {
                    Some('i') => self.any_case = true,
                    Some(':') => break,
                    Some(')') => {
                        self.at += 1;
                        return Ok(None);
                    }
                    _ => return Err(("a flag is not supported", self.at)),
                }
                self.at += 1;
            }
            self.at += 1;
        } else if self.at == start {
            self.at += 1;
        }
        let node = self.alternatives(depth + 1)?;
        if !self.take(")") {
            return Err(("a group has no end", start));
        }
        self.any_case = any_case;
        Ok(Some(match look {
            Some((_, ahead, wanted)) if ahead || matches!(node, Node::Class(_)) => {
                Node::Look { node: Box::new(node), ahead, wanted }
            }
            Some(_) => return Err(("more than one character is looked back at", start)),
            None if atomic => Node::Atomic(Box::new(node)),
            None => node,
        }))
    }

    fn repeated(&mut self, node: Node) -> Result<Node, Failure> {
        let start = self.at;
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.counts() {
                Some(counts) => counts,
                None => return Err(("a repetition is not understood", start)),
            },
            _ => return Ok(node),
        };
        self.at += 1;
        if least > REPEAT_MAX || most.is_some_and(|most| most > REPEAT_MAX || most < least) {
            return Err(("a repetition is too long", start));
        }
        if most.is_none() && node.may_be_empty() {
            return Err(("what may be empty is repeated without end", start));
        }
        let manner = if self.take("?") {
            Manner::Lazy
        } else if self.take("+") {
            Manner::Possessive
        } else {
            Manner::Greedy
        };
        if matches!(self.peek(), Some('*' | '+' | '?')) {
            return Err(("a repetition is repeated", self.at));
        }
        Ok(Node::Repeat { node: Box::new(node), least, most, manner })
    }

    /// Reads `{2}`, `{2,}` or `{2,3}` up to the closing brace.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let rest = &self.source[self.at + 1..];
        let (inner, _) = rest.split_once('}')?;
        let counts = match inner.split_once(',') {
            None => inner.parse().ok().map(|count| (count, Some(count)))?,
            Some((least, "")) => (least.parse().ok()?, None),
            Some((least, most)) => (least.parse().ok()?, Some(most.parse().ok()?)),
        };
        self.at += inner.len() + 1;
        Some(counts)
    }

    fn class(&mut self) -> Result<Node, Failure> {
        let start = self.at;
        let len = self.class_len().ok_or(("a class has no end", start))?;
        self.at += len;
        let class = Class::parse(&self.source[start..self.at], self.any_case);
        let class = class.ok_or(("a class is not known", start))?;
        let index = self.classes.iter().position(|known| *known == class).unwrap_or_else(|| {
            self.classes.push(class);
            self.classes.len() - 1
        });
        match u16::try_from(index) {
            Ok(index) if usize::from(index) < CLASSES_MAX => Ok(Node::Class(index)),
            _ => Err(("there are too many classes", start)),
        }
    }

    /// Returns the bytes of a class, an escape or a character.
    fn class_len(&self) -> Option<usize> {
        let rest = &self.source[self.at..];
        match rest.chars().next()? {
            '[' => {
                let (mut depth, mut escaped) = (0, false);
                for (at, character) in rest.char_indices() {
                    match character {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        '[' => depth += 1,
                        ']' if depth == 1 => return Some(at + 1),
                        ']' => depth -= 1,
                        _ => {}
                    }
                }
                None
            }
            '\\' => {
                let kind = rest[1..].chars().next()?;
                match kind {
                    'p' | 'P' | 'x' | 'u' if rest[2..].starts_with('{') => rest.find('}').map(|end| end + 1),
                    'p' | 'P' => Some(2 + rest[2..].chars().next()?.len_utf8()),
                    'x' => rest.get(..4).map(str::len),
                    'u' => rest.get(..6).map(str::len),
                    other => Some(1 + other.len_utf8()),
                }
            }
            other => Some(other.len_utf8()),
        }
    }

    fn simple(&mut self, text: &str, node: Node) -> Node {
        self.at += text.len();
        node
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.source[self.at..].starts_with(text);
        self.at += if there { text.len() } else { 0 };
        there
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }
}

impl Node {
    pub(super) fn may_be_empty(&self) -> bool {
        match self {
            Self::Class(_) => false,
            Self::All(all) => all.iter().all(Self::may_be_empty),
            Self::Any(all) => all.iter().any(Self::may_be_empty),
            Self::Repeat { node, least, .. } => *least == 0 || node.may_be_empty(),
            Self::Atomic(node) => node.may_be_empty(),
            Self::Look { .. } | Self::WordBoundary { .. } | Self::Start | Self::End => true,
        }
    }
}
