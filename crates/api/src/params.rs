use std::{borrow::Cow, fmt::Display, ops::RangeInclusive, slice, str::FromStr};

use axum::http::Uri;
use serde_json::{Map, Value};

use crate::problem::{Kind, Problem};

/// The parameters of a query string, each one known and readable.
///
/// Stricter than the framework's own reader: a name that the route does not know, bytes that are not UTF-8 and
/// a single value given twice are answered with what would be right, because a parameter that is silently
/// ignored looks like a filter that found nothing to filter.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query of `uri`; every name must be one of `known`.
    pub(crate) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).unwrap_or(Cow::Borrowed("\u{fffd}"));
            if !known.contains(&name.as_ref()) {
                let accepted = match known {
                    [] => "nothing: this address takes no parameters".to_owned(),
                    known => format!("nothing: this address knows only {}", known.join(", ")),
                };
                return Err(Problem::parameter(&name, accepted));
            }
            let value =
                decode(value).ok_or_else(|| Problem::parameter(&name, "percent-encoded UTF-8 only"))?;
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// Reads the arguments of a tool as if they stood in a query string: an array is a parameter that is repeated,
    /// `null` is one that is absent. Every name must be one of `known`.
    pub(crate) fn of_tool(arguments: &Map<String, Value>, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for (name, value) in arguments {
            if !known.contains(&name.as_str()) {
                let accepted = format!("nothing: this tool knows only {}", known.join(", "));
                return Err(Problem::parameter(name, accepted));
            }
            let values =
                if let Value::Array(values) = value { values.as_slice() } else { slice::from_ref(value) };
            for value in values {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => text.clone(),
                    Value::Bool(_) | Value::Number(_) => value.to_string(),
                    Value::Array(_) | Value::Object(_) => {
                        return Err(Problem::parameter(name, "a text, a number, true or false"));
                    }
                };
                pairs.push((name.clone(), text));
            }
        }
        Ok(Self(pairs))
    }

    /// Returns the values of a parameter that may be repeated, in order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a parameter that may be given once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Problem::parameter(name, "one value; it was given more than once")),
        }
    }

    /// Returns a whole number within `range`, `default` where the parameter is absent.
    pub(crate) fn number(
        &self,
        name: &str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, Problem> {
        let Some(text) = self.one(name)? else { return Ok(default) };
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            Problem::parameter(name, format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// Returns a score, where there is one.
    pub(crate) fn score(&self, name: &str) -> Result<Option<f64>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let score = text.parse().ok().filter(|score: &f64| score.is_finite());
        score.map(Some).ok_or_else(|| Problem::parameter(name, "a number, such as 0.5"))
    }

    /// Returns `true` or `false`, `false` where the parameter is absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::parameter(name, "true or false")),
        }
    }

    /// Reads every value of a repeatable parameter; at most [`VALUES_MAX`] of them.
    pub(crate) fn each<T: FromStr>(&self, name: &str, accepted: &str) -> Result<Vec<T>, Problem> {
        let values: Vec<T> = self
            .all(name)
            .map(|text| text.parse().map_err(|_| Problem::parameter(name, accepted)))
            .collect::<Result<_, _>>()?;
        if values.len() > VALUES_MAX {
            return Err(Problem::parameter(name, format!("at most {VALUES_MAX} values")));
        }
        Ok(values)
    }
}

/// Reads an id from a path. What cannot be an id names nothing, so the answer is the same as for an unknown one.
pub(crate) fn id<T: FromStr<Err: Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::new(Kind::NotFound, format!("{error}.")))
}

/// Undoes the encoding of a form's query: `+` is a space, `%XX` a byte. `None` where that gives no UTF-8 or a
/// `%` stands without two digits.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Most values of one repeatable parameter.
const VALUES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str) -> Result<Params, String> {
        let uri: Uri = format!("/x?{query}").parse().unwrap();
        Params::read(&uri, &["q", "limit", "model"]).map_err(|problem| problem.body(None, None).detail)
    }

    #[test]
    fn values_are_decoded() {
        let params = read("q=caf%C3%A9+cr%c3%a8me%26&&model=a&model=b").unwrap();
        assert_eq!(params.one("q").unwrap(), Some("café crème&"));
        assert_eq!(params.all("model").collect::<Vec<_>>(), ["a", "b"]);
        assert!(params.one("model").is_err());
        assert_eq!(params.one("limit").unwrap(), None);
        assert_eq!(read("q").unwrap().one("q").unwrap(), Some(""));
    }

    #[test]
    fn unknown_names_and_broken_encodings_are_told() {
        let detail = |query: &str| read(query).err().unwrap();
        assert_eq!(
            detail("modle=gpt"),
            "The parameter 'modle' accepts nothing: this address knows only q, limit, model."
        );
        assert_eq!(detail("q=%ff"), "The parameter 'q' accepts percent-encoded UTF-8 only.");
        assert_eq!(detail("q=%f"), "The parameter 'q' accepts percent-encoded UTF-8 only.");
        assert_eq!(detail("q=%zz"), "The parameter 'q' accepts percent-encoded UTF-8 only.");
        assert!(detail("%ff=1").starts_with("The parameter '\u{fffd}'"));
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "[!-~]{0,200}") {
            if let Ok(uri) = format!("/x?{query}").parse::<Uri>() {
                let _ = Params::read(&uri, &["q"]);
            }
        }

        #[test]
        fn what_was_encoded_is_decoded(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let params = Params::read(&format!("/x?q={encoded}").parse().unwrap(), &["q"]).unwrap();
            prop_assert_eq!(params.one("q").unwrap(), Some(text.as_str()));
        }
    }

    #[test]
    fn numbers_keep_their_range() {
        let number = |text: &str| read(&format!("limit={text}")).unwrap().number("limit", 1..=200, 20);
        assert_eq!(number("200").unwrap(), 200);
        assert_eq!(read("").unwrap().number("limit", 1..=200, 20).unwrap(), 20);
        for text in ["", "0", "201", "-1", "%2B1", "1e400", "1.0", "99999999999999999999", "ten", "%00"] {
            let problem = number(text).unwrap_err().body(None, None);
            assert_eq!(
                problem.parameter.unwrap().accepted.unwrap(),
                "a whole number from 1 to 200",
                "{text}"
            );
        }
    }
}
