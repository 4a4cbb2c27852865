//! JSON as Python's `json.dumps` prints it, to the byte.

use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, ValueKind},
};

/// The filter as Hugging Face defines it: `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn filter(value: &Value, positional: &[Value], named: &Kwargs) -> Result<String, Error> {
    let argument = |place: usize, name: &str| match positional.get(place) {
        Some(value) => Ok(value.clone()),
        None => named.get::<Option<Value>>(name).map(Option::unwrap_or_default),
    };
    let indent = argument(1, "indent")?;
    let separators = argument(2, "separators")?;
    let style = Style {
        ascii: argument(0, "ensure_ascii")?.is_true(),
        indent: match (indent.as_str(), indent.as_usize()) {
            (Some(text), _) => Some(text.to_owned()),
            (_, Some(width)) => Some(" ".repeat(width.min(INDENT_MAX))),
            _ => None,
        },
        separators: match separators.try_iter().map(Iterator::collect::<Vec<_>>).as_deref() {
            Ok([between, after]) => Some((between.to_string(), after.to_string())),
            _ => None,
        },
        sorted: argument(3, "sort_keys")?.is_true(),
    };
    named.assert_all_used()?;
    let mut text = String::new();
    write(value, &style, 0, &mut text)?;
    Ok(text)
}

/// JSON with the separators `", "` and `": "`; what JSON has no words for is `null`.
pub(super) fn plain(value: &Value) -> String {
    let mut text = String::new();
    let style = Style { ascii: false, indent: None, separators: None, sorted: false };
    match write(value, &style, 0, &mut text) {
        Ok(()) => text,
        Err(_) => "null".to_owned(),
    }
}

/// A float as Python's `repr` writes it: the shortest digits that mean it, exponents below -4 and from 16 on.
pub(super) fn float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let fixed = number.to_string();
    if fixed.contains('.') { fixed } else { fixed + ".0" }
}

struct Style {
    ascii: bool,
    indent: Option<String>,
    separators: Option<(String, String)>,
    sorted: bool,
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::new(ErrorKind::BadSerialization, "it nests too deeply for JSON"));
    }
    if out.len() > TEXT_MAX {
        return Err(Error::new(ErrorKind::BadSerialization, "it is too long for JSON"));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&float(f64::try_from(value.clone())?)),
        ValueKind::String => string(value.as_str().unwrap_or_default(), style.ascii, out),
        ValueKind::Seq | ValueKind::Iterable => {
            let elements: Vec<Value> = value.try_iter()?.collect();
            container(['[', ']'], &elements, style, depth, out, |element, out| {
                write(element, style, depth + 1, out)
            })?;
        }
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sorted {
                keys.sort();
            }
            container(['{', '}'], &keys, style, depth, out, |key, out| {
                let name = match key.kind() {
                    ValueKind::String => key.to_string(),
                    _ => plain(key),
                };
                string(&name, style.ascii, out);
                out.push_str(style.separators.as_ref().map_or(": ", |(_, after)| after));
                write(&value.get_item(key)?, style, depth + 1, out)
            })?;
        }
        kind => {
            let reason = format!("a {kind} cannot be written as JSON");
            return Err(Error::new(ErrorKind::BadSerialization, reason));
        }
    }
    Ok(())
}

fn container(
    [open, close]: [char; 2],
    elements: &[Value],
    style: &Style,
    depth: usize,
    out: &mut String,
    mut element: impl FnMut(&Value, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let between = match (&style.separators, &style.indent) {
        (Some((between, _)), _) => between,
        (None, Some(_)) => ",",
        (None, None) => ", ",
    };
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    out.push(open);
    for (index, value) in elements.iter().enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        line(depth + 1, out);
        element(value, out)?;
    }
    if !elements.is_empty() {
        line(depth, out);
    }
    out.push(close);
    Ok(())
}

fn string(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            letter if letter < ' ' || (ascii && !letter.is_ascii()) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// Deeper than any schema.
const DEPTH_MAX: usize = 200;
/// Spaces of one level.
const INDENT_MAX: usize = 64;
/// Bytes after which nothing more is written.
const TEXT_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let check = |number: f64, expected: &str| assert_eq!(float(number), expected);
        check(1.0, "1.0");
        check(-0.0, "-0.0");
        check(0.1, "0.1");
        check(1e15, "1000000000000000.0");
        check(1e16, "1e+16");
        check(1.5e-4, "0.00015");
        check(1e-5, "1e-05");
        check(1.25e-7, "1.25e-07");
        check(f64::INFINITY, "Infinity");
    }
}
