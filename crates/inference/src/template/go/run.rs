//! A Go template at work.

use std::{cmp::Ordering, rc::Rc};

use jiff::civil::DateTime;

use super::{
    super::{Error, Json, Limits},
    parse::{Node, Operand, Pipe},
};

/// What a template can hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<Vec<Value>>),
    Map(Rc<Vec<(String, Value)>>),
    /// A schema or arguments: its fields, and how it is printed.
    Json(Rc<(Value, String)>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl Value {
    pub(super) fn map<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Self::Map(Rc::new(fields.map(|(name, value)| (name.to_owned(), value)).into()))
    }

    pub(super) fn list(values: impl Iterator<Item = Value>) -> Self {
        Self::List(Rc::new(values.collect()))
    }

    /// JSON that prints as JSON; with `Go` names for its keys where it stands for one of Ollama's own types.
    pub(super) fn of(json: &Json, named: bool) -> Self {
        let inner = Self::plain(json, named, 0);
        Self::Json(Rc::new((inner, compact(json))))
    }

    fn plain(json: &Json, named: bool, depth: usize) -> Self {
        if let Some(text) = json.as_str() {
            return Self::from(text.to_owned());
        }
        if depth > 64 {
            return Self::Nil;
        }
        let name = |key: String| match key.get(..1).filter(|_| named && depth < 3) {
            Some(first) => first.to_uppercase() + &key[1..],
            None => key,
        };
        let mut entries = json.entries().peekable();
        if entries.peek().is_some() {
            let fields = entries.map(|(key, value)| (name(key), Self::nested(&value, named, depth)));
            return Self::Map(Rc::new(fields.collect()));
        }
        let text = json.to_string();
        match text.as_str() {
            "null" => Self::Nil,
            "true" | "false" => Self::Bool(text == "true"),
            "{}" => Self::Map(Rc::default()),
            _ => match (text.parse(), text.parse()) {
                (Ok(int), _) => Self::Int(int),
                (_, Ok(float)) => Self::Float(float),
                _ => Self::list(json.elements().map(|value| Self::nested(&value, named, depth))),
            },
        }
    }

    fn nested(json: &Json, named: bool, depth: usize) -> Self {
        let inner = Self::plain(json, named, depth + 1);
        match inner {
            Self::Map(_) | Self::List(_) => Self::Json(Rc::new((inner, compact(json)))),
            other => other,
        }
    }

    fn field(&self, name: &str) -> Value {
        match self {
            Self::Map(fields) => {
                let found = fields.iter().find(|(key, _)| key == name);
                found.map_or(Self::Nil, |(_, value)| value.clone())
            }
            Self::Json(json) => json.0.field(name),
            _ => Self::Nil,
        }
    }

    fn fields(&self, names: &[String]) -> Value {
        names.iter().fold(self.clone(), |value, name| value.field(name))
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(truth) => *truth,
            Self::Int(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(fields) => !fields.is_empty(),
            Self::Json(json) => json.0.is_true(),
        }
    }

    fn length(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.len()),
            Self::List(list) => Some(list.len()),
            Self::Map(fields) => Some(fields.len()),
            Self::Json(json) => json.0.length(),
            _ => None,
        }
    }

    /// As Go prints it; lists and maps as JSON, as Ollama's own types do.
    fn print(&self) -> String {
        match self {
            Self::Nil => String::new(),
            Self::Bool(truth) => truth.to_string(),
            Self::Int(int) => int.to_string(),
            Self::Float(float) => float.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Json(json) => json.1.clone(),
            Self::List(_) | Self::Map(_) => self.json(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Nil => "null".to_owned(),
            Self::Text(text) => compact(&Json::from(&**text)),
            Self::List(list) => {
                let parts: Vec<String> = list.iter().map(Self::json).collect();
                format!("[{}]", parts.join(","))
            }
            Self::Map(fields) => {
                let part = |(key, value): &(String, Value)| {
                    format!("{}:{}", compact(&Json::from(key.as_str())), value.json())
                };
                format!("{{{}}}", fields.iter().map(part).collect::<Vec<_>>().join(","))
            }
            other => other.print(),
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Nil, Self::Nil) => Some(Ordering::Equal),
            _ => None,
        }
    }
}

/// JSON without spaces, and with the three letters escaped that Go escapes.
fn compact(json: &Json) -> String {
    let text = serde_json::to_string(json).unwrap_or_default();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// One rendering.
pub(super) struct Run {
    limits: Limits,
    now: Option<DateTime>,
    out: String,
    steps: u64,
    variables: Vec<(String, Value)>,
    root: Value,
}

enum Flow {
    On,
    Break,
    Continue,
}

impl Run {
    pub(super) fn new(limits: Limits, now: Option<DateTime>) -> Self {
        Self { limits, now, out: String::new(), steps: 0, variables: Vec::new(), root: Value::Nil }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn all(&mut self, nodes: &[Node], data: &Value) -> Result<(), Error> {
        self.root = data.clone();
        self.variables.clear();
        self.list(nodes, data).map(drop)
    }

    fn list(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, Error> {
        let scope = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if !matches!(flow, Flow::On) {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, Error> {
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.names.is_empty() {
                    self.write(&value.print())?;
                } else {
                    self.assign(pipe, vec![value])?;
                }
            }
            Node::If { pipe, then, otherwise, .. } => {
                let scope = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                let truth = value.is_true();
                self.assign(pipe, vec![value])?;
                let flow = self.list(if truth { then } else { otherwise }, dot);
                self.variables.truncate(scope);
                return flow;
            }
            Node::With { pipe, then, otherwise } => {
                let scope = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                self.assign(pipe, vec![value.clone()])?;
                let flow = if value.is_true() { self.list(then, &value) } else { self.list(otherwise, dot) };
                self.variables.truncate(scope);
                return flow;
            }
            Node::Range { pipe, each, otherwise } => return self.range(pipe, each, otherwise, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &Pipe, each: &[Node], otherwise: &[Node], dot: &Value) -> Result<Flow, Error> {
        let value = self.pipe(pipe, dot)?;
        let value = if let Value::Json(json) = &value { json.0.clone() } else { value };
        let elements: Vec<(Value, Value)> = match value {
            Value::List(list) => list
                .iter()
                .enumerate()
                .map(|(index, value)| (Value::Int(index as i64), value.clone()))
                .collect(),
            Value::Map(fields) => {
                fields.iter().map(|(key, value)| (Value::from(key.clone()), value.clone())).collect()
            }
            _ => vec![],
        };
        if elements.is_empty() {
            return self.list(otherwise, dot);
        }
        for (key, value) in elements {
            let scope = self.variables.len();
            let given = if pipe.names.len() == 1 { vec![value.clone()] } else { vec![key, value.clone()] };
            self.assign(pipe, given)?;
            let flow = self.list(each, &value)?;
            self.variables.truncate(scope);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn assign(&mut self, pipe: &Pipe, values: Vec<Value>) -> Result<(), Error> {
        for (name, value) in pipe.names.iter().zip(values) {
            if pipe.declares {
                self.variables.push((name.clone(), value));
                continue;
            }
            let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
            let known = known.ok_or_else(|| failed(pipe.line, &format!("there is no {name}")))?;
            known.1 = value;
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        if (self.out.len() + text.len()) as u64 > self.limits.text_bytes {
            return Err(Error::TooMuch { what: "bytes of text", limit: self.limits.text_bytes });
        }
        self.out.push_str(text);
        self.step(text.len() as u64 / 64)
    }

    /// One, and more for what takes longer.
    fn step(&mut self, more: u64) -> Result<(), Error> {
        self.steps = self.steps.saturating_add(1 + more);
        if self.steps > self.limits.steps {
            return Err(Error::TooMuch { what: "steps", limit: self.limits.steps });
        }
        Ok(())
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Error> {
        let mut last = None;
        for command in &pipe.commands {
            let value = self.command(command, last.take(), dot, pipe.line)?;
            last = Some(value);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &[Operand],
        piped: Option<Value>,
        dot: &Value,
        line: usize,
    ) -> Result<Value, Error> {
        self.step(0)?;
        let Some((first, rest)) = command.split_first() else { return Ok(Value::Nil) };
        let Operand::Function(name) = first else {
            if !rest.is_empty() || piped.is_some() {
                return Err(failed(line, "something that is no function is given arguments"));
            }
            return self.operand(first, dot, line);
        };
        let mut arguments = Vec::new();
        for operand in rest {
            arguments.push(self.operand(operand, dot, line)?);
        }
        arguments.extend(piped);
        self.call(name, &arguments, line)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value, line: usize) -> Result<Value, Error> {
        Ok(match operand {
            Operand::Field(names) => dot.fields(names),
            Operand::Variable(name, names) if name == "$" => self.root.fields(names),
            Operand::Variable(name, names) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) = known.ok_or_else(|| failed(line, &format!("there is no {name}")))?;
                value.fields(names)
            }
            Operand::Group(pipe, names) => self.pipe(pipe, dot)?.fields(names),
            Operand::Function(name) => self.call(name, &[], line)?,
            Operand::Text(text) => Value::Text(text.as_str().into()),
            Operand::Int(int) => Value::Int(*int),
            Operand::Float(float) => Value::Float(*float),
            Operand::Bool(truth) => Value::Bool(*truth),
            Operand::Nil => Value::Nil,
        })
    }

    fn call(&mut self, name: &str, arguments: &[Value], line: usize) -> Result<Value, Error> {
        let compared = |holds: fn(Ordering) -> bool| match arguments {
            [a, b] => Ok(Value::Bool(a.compare(b).is_some_and(holds))),
            _ => Err(failed(line, &format!("{name} compares two values"))),
        };
        Ok(match (name, arguments) {
            ("not", [value]) => Value::Bool(!value.is_true()),
            ("and" | "or", [first, rest @ ..]) => {
                let ends = |value: &&Value| value.is_true() == (name == "or");
                [first].into_iter().chain(rest).find(ends).or(arguments.last()).cloned().unwrap_or(Value::Nil)
            }
            ("eq", [value, others @ ..]) if !others.is_empty() => {
                Value::Bool(others.iter().any(|other| value.compare(other) == Some(Ordering::Equal)))
            }
            ("ne", [a, b]) => Value::Bool(a.compare(b) != Some(Ordering::Equal)),
            ("lt", _) => compared(Ordering::is_lt)?,
            ("le", _) => compared(Ordering::is_le)?,
            ("gt", _) => compared(Ordering::is_gt)?,
            ("ge", _) => compared(Ordering::is_ge)?,
            ("len", [value]) => {
                let length =
                    value.length().ok_or_else(|| failed(line, "a length is asked of what has none"))?;
                Value::Int(length as i64)
            }
            ("index", [value, places @ ..]) => {
                places.iter().try_fold(value.clone(), |value, place| index(&value, place, line))?
            }
            ("slice", [value, places @ ..]) => {
                self.step(value.length().unwrap_or_default() as u64 / 8)?;
                sliced(value, places, line)?
            }
            ("json", [value]) => {
                let text = value.json();
                self.step(text.len() as u64 / 64)?;
                Value::from(text)
            }
            ("print", values) => {
                return self.call(
                    "printf",
                    &[&[Value::from("%v".repeat(values.len()))], values].concat(),
                    line,
                );
            }
            ("printf", [Value::Text(pattern), values @ ..]) => {
                let text = printed(pattern, values, self.limits.text_bytes);
                self.step(text.len() as u64 / 64)?;
                if text.len() as u64 > self.limits.text_bytes {
                    return Err(Error::TooMuch { what: "bytes of text", limit: self.limits.text_bytes });
                }
                Value::from(text)
            }
            ("currentDate", []) => {
                let now = self.now.unwrap_or_else(|| jiff::Zoned::now().datetime());
                Value::from(now.date().to_string())
            }
            _ => return Err(failed(line, &format!("there is no {name} of {} values", arguments.len()))),
        })
    }
}

fn index(value: &Value, place: &Value, line: usize) -> Result<Value, Error> {
    let value = if let Value::Json(json) = value { &json.0 } else { value };
    match (value, place) {
        (Value::List(list), Value::Int(at)) => usize::try_from(*at)
            .ok()
            .and_then(|at| list.get(at).cloned())
            .ok_or_else(|| failed(line, "there is nothing at this place of the list")),
        (Value::Map(_), Value::Text(key)) => Ok(value.field(key)),
        _ => Err(failed(line, "a place is asked of what has none")),
    }
}

fn sliced(value: &Value, places: &[Value], line: usize) -> Result<Value, Error> {
    let value = if let Value::Json(json) = value { &json.0 } else { value };
    let place = |at: usize, otherwise: usize| match places.get(at) {
        Some(Value::Int(place)) => usize::try_from(*place).ok(),
        Some(_) => None,
        None => Some(otherwise),
    };
    let length = value.length().unwrap_or_default();
    let range = place(0, 0).zip(place(1, length)).map(|(from, to)| from..to);
    let part = range.and_then(|range| match value {
        Value::List(list) => Some(Value::list(list.get(range)?.iter().cloned())),
        Value::Text(text) => Some(Value::Text(text.get(range)?.into())),
        _ => None,
    });
    part.ok_or_else(|| failed(line, "there is no such part"))
}

/// `%s`, `%v`, `%d`, `%q` and `%%`; others stay as they are.
/// Longer than `limit` it is cut off somewhere beyond.
fn printed(pattern: &str, values: &[Value], limit: u64) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if out.len() as u64 > limit {
            break;
        }
        if letter != '%' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('s' | 'v' | 'd') => out.push_str(&values.next().map(Value::print).unwrap_or_default()),
            Some('q') => out
                .push_str(&values.next().map(|value| Value::from(value.print()).json()).unwrap_or_default()),
            Some('%') => out.push('%'),
            other => {
                out.push('%');
                out.extend(other);
            }
        }
    }
    out
}

fn failed(line: usize, reason: &str) -> Error {
    Error::Failed { line, reason: reason.to_owned() }
}
