//! From the text of a Go template to what it is made of.

use super::super::Error;

/// One thing to be done.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If { line: usize, pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    With { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Range { pipe: Pipe, each: Vec<Node>, otherwise: Vec<Node> },
    Break,
    Continue,
}

/// `$a, $b := command | command`.
#[derive(Debug, Clone)]
pub(super) struct Pipe {
    pub(super) line: usize,
    pub(super) names: Vec<String>,
    /// The names are new, rather than given another value.
    pub(super) declares: bool,
    /// Each takes what the one before gives as its last argument.
    pub(super) commands: Vec<Vec<Operand>>,
}

/// What commands are made of.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// `.A.B`; `.` has no names.
    Field(Vec<String>),
    /// `$x.A.B`; `$` is called so.
    Variable(String, Vec<String>),
    /// `(…).A.B`.
    Group(Box<Pipe>, Vec<String>),
    Function(String),
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Nil,
}

impl Node {
    /// `{{ .Response }}`.
    pub(super) fn response() -> Self {
        let field = Operand::Field(vec!["Response".to_owned()]);
        Self::Action(Pipe { line: 1, names: vec![], declares: false, commands: vec![vec![field]] })
    }
}

/// Reads a whole template.
pub(super) fn nodes(source: &str) -> Result<Vec<Node>, Error> {
    let mut parser = Parser { pieces: pieces(source)?, at: 0, depth: 0 };
    let (nodes, end) = parser.list()?;
    match end {
        None => Ok(nodes),
        Some((line, word)) => Err(wrong(line, &format!("{{{{ {word} }}}} ends nothing"))),
    }
}

/// Whether a field of this name is asked for anywhere.
pub(super) fn mentions(nodes: &[Node], field: &str) -> bool {
    nodes.iter().any(|node| match node {
        Node::Text(_) | Node::Break | Node::Continue => false,
        Node::Action(pipe) => pipe.mentions(field),
        Node::If { pipe, then, otherwise, .. } | Node::With { pipe, then, otherwise } => {
            pipe.mentions(field) || mentions(then, field) || mentions(otherwise, field)
        }
        Node::Range { pipe, each, otherwise } => {
            pipe.mentions(field) || mentions(each, field) || mentions(otherwise, field)
        }
    })
}

/// The template up to where it writes `.Response`, which is where the model goes on.
pub(super) fn before_response(nodes: &[Node]) -> Vec<Node> {
    let mut over = false;
    until_response(nodes, &mut over)
}

fn until_response(nodes: &[Node], over: &mut bool) -> Vec<Node> {
    let mut kept = Vec::new();
    for node in nodes {
        if *over {
            break;
        }
        match node {
            Node::Action(pipe) if pipe.mentions("Response") => *over = true,
            Node::If { line, pipe, then, otherwise } => kept.push(Node::If {
                line: *line,
                pipe: pipe.clone(),
                then: until_response(then, over),
                otherwise: until_response(otherwise, over),
            }),
            Node::With { pipe, then, otherwise } => kept.push(Node::With {
                pipe: pipe.clone(),
                then: until_response(then, over),
                otherwise: until_response(otherwise, over),
            }),
            Node::Range { pipe, each, otherwise } => kept.push(Node::Range {
                pipe: pipe.clone(),
                each: until_response(each, over),
                otherwise: until_response(otherwise, over),
            }),
            other => kept.push(other.clone()),
        }
    }
    kept
}

impl Pipe {
    fn mentions(&self, field: &str) -> bool {
        let named = |names: &[String]| names.first().is_some_and(|name| name == field);
        self.commands.iter().flatten().any(|operand| match operand {
            Operand::Field(names) => named(names),
            Operand::Variable(variable, names) => variable == "$" && named(names),
            Operand::Group(pipe, _) => pipe.mentions(field),
            _ => false,
        })
    }
}

/// Text as it stands, or what is between braces, with its line.
enum Piece {
    Text(String),
    Action(usize, Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// `.A.B`, `$x.A`, a name, or a number, as it stands.
    Word(String),
    Text(String),
    Sign(&'static str),
}

fn pieces(source: &str) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut rest = source;
    let mut line = 1;
    let mut trim = false;
    loop {
        let open = rest.find("{{");
        let text = &rest[..open.unwrap_or(rest.len())];
        let mut shown = if trim { text.trim_start() } else { text };
        let after = open.map(|open| &rest[open + 2..]);
        let trims =
            after.is_some_and(|after| after.starts_with('-') && after[1..].starts_with(char::is_whitespace));
        if trims {
            shown = shown.trim_end();
        }
        if !shown.is_empty() {
            pieces.push(Piece::Text(shown.to_owned()));
        }
        line += text.matches('\n').count();
        let Some(after) = after else { return Ok(pieces) };
        let inside = if trims { &after[1..] } else { after };
        let comment = inside.trim_start().starts_with("/*");
        let end = if comment {
            inside.find("*/").and_then(|end| Some(end + inside[end..].find("}}")?))
        } else {
            end_of_action(inside)
        };
        let end = end.ok_or_else(|| wrong(line, "{{ has no }}"))?;
        let action = &inside[..end];
        trim = action.ends_with('-') && action[..action.len() - 1].ends_with(char::is_whitespace);
        let action = if trim { &action[..action.len() - 1] } else { action };
        if !comment {
            pieces.push(Piece::Action(line, tokens(action, line)?));
        }
        line += action.matches('\n').count();
        rest = &inside[end + 2..];
    }
}

/// Where the closing braces stand, outside of any quotes.
fn end_of_action(inside: &str) -> Option<usize> {
    let bytes = inside.as_bytes();
    let mut at = 0;
    let mut quote = None;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (None, open @ (b'"' | b'`' | b'\'')) => quote = Some(open),
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (Some(b'"' | b'\''), b'\\') => at += 1,
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
        at += 1;
    }
    None
}

fn tokens(action: &str, line: usize) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                let text =
                    values.next().and_then(Result::ok).ok_or_else(|| wrong(line, "a text is not sound"))?;
                tokens.push(Token::Text(text));
                values.byte_offset()
            }
            '`' => {
                let end = rest[1..].find('`').ok_or_else(|| wrong(line, "a text does not end"))?;
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => {
                    tokens.push(Token::Sign(sign));
                    sign.len()
                }
                None => {
                    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '-' | '+');
                    let end = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
                    if end == 0 {
                        return Err(wrong(line, &format!("{first:?} stands where nothing like it can")));
                    }
                    tokens.push(Token::Word(rest[..end].to_owned()));
                    end
                }
            },
        };
        let before = rest.len();
        rest = &rest[taken..];
        let gap = rest.len() != rest.trim_start().len();
        rest = rest.trim_start();
        debug_assert!(rest.len() < before);
        // `(x).A` is one operand, `(x) .A` are two.
        if !gap && tokens.last() == Some(&Token::Sign(")")) && rest.starts_with('.') {
            tokens.push(Token::Sign("field"));
        }
    }
    Ok(tokens)
}

/// The line and the word that end a list; none at the end of the template.
type End = Option<(usize, String)>;

struct Parser {
    pieces: Vec<Piece>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// Nodes up to `end` or `else`, which is given back with its line, and with what follows `else`.
    fn list(&mut self) -> Result<(Vec<Node>, End), Error> {
        let mut nodes = Vec::new();
        while self.at < self.pieces.len() {
            self.at += 1;
            let (line, tokens) = match &self.pieces[self.at - 1] {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.clone()));
                    continue;
                }
                Piece::Action(line, tokens) => (*line, tokens.clone()),
            };
            let word = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            match word {
                "end" | "else" => {
                    if tokens.len() > 1 {
                        // `else if …` is an `else` whose only node goes on as `if …` does.
                        self.at -= 1;
                    }
                    return Ok((nodes, Some((line, word.to_owned()))));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "if" | "with" | "range" => nodes.push(self.block(word, line, &tokens[1..])?),
                "define" | "template" | "block" => {
                    return Err(wrong(
                        line,
                        &format!("{word} is not known; templates within templates are not read"),
                    ));
                }
                _ => nodes.push(Node::Action(pipe(&tokens, line)?)),
            }
        }
        Ok((nodes, None))
    }

    fn block(&mut self, word: &str, line: usize, tokens: &[Token]) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::TooMuch { what: "blocks within each other", limit: DEPTH_MAX as u64 });
        }
        let pipe = pipe(tokens, line)?;
        let (then, end) = self.list()?;
        let otherwise = match end {
            Some((_, end)) if end == "end" => vec![],
            Some(_) => self.otherwise(line)?,
            None => return Err(wrong(line, &format!("{{{{ {word} }}}} has no end"))),
        };
        self.depth -= 1;
        Ok(match word {
            "if" => Node::If { line, pipe, then, otherwise },
            "with" => Node::With { pipe, then, otherwise },
            _ => Node::Range { pipe, each: then, otherwise },
        })
    }

    /// What follows an `else`, up to the end of the block.
    fn otherwise(&mut self, line: usize) -> Result<Vec<Node>, Error> {
        if let Some(Piece::Action(line, tokens)) = self.pieces.get(self.at)
            && let [Token::Word(first), Token::Word(word), rest @ ..] = tokens.as_slice()
            && first == "else"
        {
            let (line, word, rest) = (*line, word.clone(), rest.to_vec());
            self.at += 1;
            return match word.as_str() {
                "if" | "with" => Ok(vec![self.block(&word, line, &rest)?]),
                _ => Err(wrong(line, &format!("else {word} is not known"))),
            };
        }
        match self.list()? {
            (nodes, Some((_, end))) if end == "end" => Ok(nodes),
            _ => Err(wrong(line, "an else has no end")),
        }
    }
}

fn pipe(tokens: &[Token], line: usize) -> Result<Pipe, Error> {
    let mut rest = tokens;
    let mut names = Vec::new();
    let assigns = tokens.iter().position(|token| matches!(token, Token::Sign(":=" | "=")));
    let declares = assigns.is_some_and(|at| tokens[at] == Token::Sign(":="));
    if let Some(at) = assigns {
        for token in &tokens[..at] {
            match token {
                Token::Word(name) if name.starts_with('$') => names.push(name.clone()),
                Token::Sign(",") => {}
                _ => return Err(wrong(line, "only variables can be given values")),
            }
        }
        rest = &tokens[at + 1..];
    }
    let commands = commands(&mut rest, line, 0)?;
    if !rest.is_empty() {
        return Err(wrong(line, "a bracket closes nothing"));
    }
    Ok(Pipe { line, names, declares, commands })
}

/// Commands up to the end, or to a closing bracket, which is left.
fn commands(rest: &mut &[Token], line: usize, depth: usize) -> Result<Vec<Vec<Operand>>, Error> {
    if depth > DEPTH_MAX {
        return Err(Error::TooMuch { what: "brackets within each other", limit: DEPTH_MAX as u64 });
    }
    let mut commands = vec![Vec::new()];
    while let [token, after @ ..] = *rest {
        let operand = match token {
            Token::Sign(")") => break,
            Token::Sign("|") => {
                commands.push(Vec::new());
                *rest = after;
                continue;
            }
            Token::Sign("(") => {
                *rest = after;
                let inner = self::commands(rest, line, depth + 1)?;
                let [Token::Sign(")"), after @ ..] = *rest else {
                    return Err(wrong(line, "a bracket does not close"));
                };
                *rest = after;
                let mut names = vec![];
                if let [Token::Sign("field"), Token::Word(word), after @ ..] = *rest {
                    names = fields(word);
                    *rest = after;
                }
                let pipe = Pipe { line, names: vec![], declares: false, commands: inner };
                if let Some(last) = commands.last_mut() {
                    last.push(Operand::Group(Box::new(pipe), names));
                }
                continue;
            }
            Token::Sign(sign) => {
                return Err(wrong(line, &format!("{sign:?} stands where nothing like it can")));
            }
            Token::Text(text) => Operand::Text(text.clone()),
            Token::Word(word) => operand(word),
        };
        *rest = after;
        if let Some(last) = commands.last_mut() {
            last.push(operand);
        }
    }
    if commands.iter().any(Vec::is_empty) {
        return Err(wrong(line, "a value is missing"));
    }
    Ok(commands)
}

fn operand(word: &str) -> Operand {
    if let Ok(int) = word.parse() {
        return Operand::Int(int);
    }
    match word {
        "true" | "false" => Operand::Bool(word == "true"),
        "nil" => Operand::Nil,
        _ if word.starts_with('.') => Operand::Field(fields(word)),
        _ if word.starts_with('$') => {
            let (name, rest) = word.split_at(word.find('.').unwrap_or(word.len()));
            Operand::Variable(name.to_owned(), fields(rest))
        }
        _ => word.parse().map_or_else(|_| Operand::Function(word.to_owned()), Operand::Float),
    }
}

fn fields(word: &str) -> Vec<String> {
    word.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

pub(super) fn wrong(line: usize, reason: &str) -> Error {
    Error::Syntax { line, reason: reason.to_owned() }
}

/// Longer ones first.
const SIGNS: &[&str] = &[":=", "=", "|", "(", ")", ","];
/// Deeper than any template.
const DEPTH_MAX: usize = 100;
