//! What templates know from Python, where the engine does otherwise or without bound.

use minijinja::{
    Environment, Error, ErrorKind, State, Value,
    value::{Kwargs, Rest, Tuple, ValueKind, from_args},
};

use super::meter::Meter;

/// A method that the engine's own values do not have.
pub(super) fn method(
    meter: &Meter,
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    arguments.iter().try_for_each(|argument| meter.weigh(argument))?;
    let own = match value.as_str() {
        Some(text) => text_method(meter, text, method, arguments)?,
        None => value_method(value, method, arguments)?,
    };
    match own {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

/// Filters that could make much of little, and tests that the engine lacks.
pub(super) fn add_to(environment: &mut Environment<'_>, meter: &Meter) {
    let guard = meter.clone();
    environment.add_filter(
        "replace",
        move |text: &Value, from: &Value, to: &Value, count: Option<i64>, named: Kwargs| {
            let count = count.or(named.get("count")?);
            named.assert_all_used()?;
            replaced(&guard, &text.to_string(), &from.to_string(), &to.to_string(), count)
        },
    );
    let guard = meter.clone();
    environment.add_filter(
        "join",
        move |state: &mut State<'_, '_>, value: &Value, by: Option<&Value>, named: Kwargs| {
            let by = match by {
                Some(by) => Some(by.clone()),
                None => named.get("d")?,
            };
            let attribute: Option<Value> = named.get("attribute")?;
            named.assert_all_used()?;
            let value = match attribute {
                Some(attribute) => {
                    let by_attribute = Kwargs::from_iter([("attribute", attribute)]);
                    state.apply_filter("map", &[value.clone(), by_attribute.into()])?
                }
                None => value.clone(),
            };
            joined(&guard, &by.map(|by| by.to_string()).unwrap_or_default(), &value)
        },
    );
    let guard = meter.clone();
    environment.add_filter(
        "indent",
        move |text: &Value,
              width: Option<&Value>,
              first: Option<bool>,
              blank: Option<bool>,
              named: Kwargs| {
            let width = match width {
                Some(width) => Some(width.clone()),
                None => named.get("width")?,
            };
            let first = first.or(named.get("first")?).unwrap_or_default();
            let blank = blank.or(named.get("blank")?).unwrap_or_default();
            named.assert_all_used()?;
            let by = match &width {
                Some(width) if width.as_str().is_some() => width.to_string(),
                Some(width) => " ".repeat(width.as_usize().unwrap_or(4).min(WIDTH_MAX)),
                None => " ".repeat(4),
            };
            indented(&guard, &text.to_string(), &by, first, blank)
        },
    );
    environment.add_filter("format", |pattern: &str, arguments: Rest<Value>| {
        wide(pattern)?;
        minijinja::formatting::format(minijinja::formatting::FormatStyle::Printf, pattern, &arguments)
    });
    for name in ["batch", "slice"] {
        let guard = meter.clone();
        environment.add_filter(name, move |value: &Value, count: usize, fill: Option<&Value>| {
            guard.work(count)?;
            let elements: Vec<Value> = value.try_iter()?.collect();
            grouped(name, &elements, count, fill)
        });
    }
    environment.add_filter("string", |value: &Value| match value.as_str() {
        Some(_) => value.clone(),
        None => Value::from(value.to_string()),
    });
    environment.add_filter("int", |value: &Value, otherwise: Option<Value>, named: Kwargs| {
        let base = named.get::<Option<u32>>("base")?.filter(|base| (2..=36).contains(base)).unwrap_or(10);
        let otherwise = otherwise.or(named.get("default")?).unwrap_or_else(|| Value::from(0));
        Ok::<_, Error>(number(value).map_or_else(
            || {
                let text = value.as_str().unwrap_or_default().trim().replace('_', "");
                let text = if base == 16 { text.trim_start_matches("0x") } else { &text };
                i64::from_str_radix(text, base).map_or(otherwise, Value::from)
            },
            |number| if value.is_integer() { value.clone() } else { Value::from(number.trunc() as i64) },
        ))
    });
    environment.add_filter("float", |value: &Value, otherwise: Option<Value>, named: Kwargs| {
        let otherwise = otherwise.or(named.get("default")?).unwrap_or_else(|| Value::from(0.0));
        Ok::<_, Error>(number(value).map_or(otherwise, Value::from))
    });
    environment.add_filter(
        "sort",
        |state: &mut State<'_, '_>, value: &Value, arguments: Rest<Value>, named: Kwargs| {
            let mut all: Vec<(&str, Value)> = Vec::new();
            for (place, name) in ["reverse", "case_sensitive", "attribute"].into_iter().enumerate() {
                let given = named.get::<Option<Value>>(name)?;
                all.extend(arguments.get(place).cloned().or(given).map(|value| (name, value)));
            }
            named.assert_all_used()?;
            minijinja::filters::sort(state, value.clone(), all.into_iter().collect())
        },
    );
    // Nothing can be gone through, even though the engine goes through it as if it were an empty list.
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
}

fn text_method(meter: &Meter, text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "replace" => {
            let (arguments, named) = named(arguments)?;
            let (from, to, count): (&str, &str, Option<i64>) = from_args(arguments)?;
            let count = count.or(named.get("count")?);
            Value::from(replaced(meter, text, from, to, count)?)
        }
        "join" => {
            let (values,): (&Value,) = from_args(arguments)?;
            Value::from(joined(meter, text, values)?)
        }
        "format" => {
            wide(text)?;
            return Ok(None);
        }
        "strip" | "lstrip" | "rstrip" => {
            let (letters,): (Option<Value>,) = from_args(arguments)?;
            let letters = letters.filter(|letters| !letters.is_none());
            let letters = letters.as_ref().and_then(Value::as_str);
            let falls = |letter: char| letters.map_or_else(|| space(letter), |these| these.contains(letter));
            let text = if method == "rstrip" { text } else { text.trim_start_matches(falls) };
            let text = if method == "lstrip" { text } else { text.trim_end_matches(falls) };
            Value::from(text)
        }
        "removeprefix" => {
            let (part,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_prefix(part).unwrap_or(text))
        }
        "removesuffix" => {
            let (part,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_suffix(part).unwrap_or(text))
        }
        "partition" | "rpartition" => {
            let (by,): (&str,) = from_args(arguments)?;
            let last = method == "rpartition";
            let found = if last { text.rsplit_once(by) } else { text.split_once(by) };
            let parts = match found {
                Some((before, after)) => [before, by, after],
                None if last => ["", "", text],
                None => [text, "", ""],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "rsplit" => {
            let (by, count): (&str, Option<usize>) = from_args(arguments)?;
            let mut parts: Vec<Value> = match count {
                Some(count) => text.rsplitn(count.saturating_add(1), by).map(Value::from).collect(),
                None => text.rsplit(by).map(Value::from).collect(),
            };
            parts.reverse();
            Value::from(parts)
        }
        "index" => {
            let (part,): (&str,) = from_args(arguments)?;
            let at = text.find(part).ok_or_else(|| invalid("substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        "casefold" => Value::from(text.to_lowercase()),
        "zfill" | "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<&str>) = from_args(arguments)?;
            let missing = width.min(WIDTH_MAX).saturating_sub(text.chars().count());
            let fill = |count: usize| fill.unwrap_or(" ").repeat(count);
            Value::from(match method {
                "zfill" => "0".repeat(missing) + text,
                "ljust" => text.to_owned() + &fill(missing),
                "rjust" => fill(missing) + text,
                _ => fill(missing / 2) + text + &fill(missing - missing / 2),
            })
        }
        _ => return Ok(None),
    }))
}

fn value_method(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match (value.kind(), method) {
        (ValueKind::Seq, "index") => {
            let (wanted,): (&Value,) = from_args(arguments)?;
            let at = value.try_iter()?.position(|element| element == *wanted);
            at.map(|at| Some(Value::from(at))).ok_or_else(|| invalid("it is not in the list"))
        }
        (ValueKind::Seq | ValueKind::Map, "append" | "extend" | "insert" | "remove" | "pop" | "update") => {
            Err(invalid("values do not change; make a new one"))
        }
        (ValueKind::Seq | ValueKind::Map, "copy") => Ok(Some(value.clone())),
        _ => Ok(None),
    }
}

fn replaced(meter: &Meter, text: &str, from: &str, to: &str, count: Option<i64>) -> Result<String, Error> {
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let places = if from.is_empty() { text.chars().count() + 1 } else { text.matches(from).count() };
    meter.work(text.len().saturating_add(places.min(count).saturating_mul(to.len())))?;
    Ok(text.replacen(from, to, count))
}

fn joined(meter: &Meter, by: &str, values: &Value) -> Result<String, Error> {
    let mut text = String::new();
    for (index, value) in values.try_iter()?.enumerate() {
        if index > 0 {
            meter.work(by.len())?;
            text.push_str(by);
        }
        let value = meter.keep(value, false)?;
        match value.as_str() {
            Some(part) => text.push_str(part),
            None => text.push_str(&value.to_string()),
        }
    }
    Ok(text)
}

/// As Jinja indents: every line but the first, and blank ones only where asked to.
fn indented(meter: &Meter, text: &str, by: &str, first: bool, blank: bool) -> Result<String, Error> {
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if (index > 0 || first) && (blank || index == 0 || !line.is_empty()) {
            meter.work(by.len())?;
            out.push_str(by);
        }
        out.push_str(line);
    }
    meter.work(text.len()).map(|()| out)
}

fn grouped(how: &str, elements: &[Value], count: usize, fill: Option<&Value>) -> Result<Value, Error> {
    if count == 0 {
        return Err(invalid("groups of nothing cannot be made"));
    }
    let groups: Vec<Value> = match how {
        "batch" => {
            let mut groups: Vec<Vec<Value>> = elements.chunks(count).map(<[Value]>::to_vec).collect();
            if let (Some(fill), Some(last)) = (fill, groups.last_mut()) {
                last.resize(count, fill.clone());
            }
            groups.into_iter().map(Value::from).collect()
        }
        _ => {
            let (each, longer) = (elements.len() / count, elements.len() % count);
            let mut rest = elements;
            let group = |index: usize| {
                let (head, tail) = rest.split_at(each + usize::from(index < longer));
                rest = tail;
                let mut group = head.to_vec();
                group.extend(fill.filter(|_| longer > 0 && index >= longer).cloned());
                Value::from(group)
            };
            (0..count).map(group).collect()
        }
    };
    Ok(Value::from(groups))
}

/// A number, or text that is one.
fn number(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        _ => value.as_str()?.trim().parse().ok(),
    }
}

/// Refuses patterns that ask for thousands of spaces.
fn wide(pattern: &str) -> Result<(), Error> {
    let longest = pattern.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    if longest > 4 || pattern.contains('*') && pattern.contains('%') {
        return Err(invalid("a width of five digits is not taken"));
    }
    Ok(())
}

fn named(arguments: &[Value]) -> Result<(&[Value], Kwargs), Error> {
    Ok(match arguments.split_last() {
        Some((last, rest)) if last.is_kwargs() => (rest, Kwargs::try_from(last.clone())?),
        _ => (arguments, Kwargs::from_iter(std::iter::empty::<(String, Value)>())),
    })
}

/// White space as Python's `str.strip` sees it.
fn space(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// Wider than any table.
const WIDTH_MAX: usize = 1_000;
