//! XML, piece by piece. Nothing fails: a document that was cut off gives what comes before the cut, entities of its own are
//! never expanded, and there is no tree that could be too deep (`docs/decisions/0222`).

use std::borrow::Cow;

use crate::html;

/// A piece of XML; names without their prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'a> {
    Open(Element<'a>),
    Close(&'a str),
    /// Between tags; references as written, but for a CDATA section.
    Text(&'a str, bool),
}

/// A start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    attributes: &'a str,
    /// `<name/>`: no end tag follows.
    pub(super) empty: bool,
}

impl Element<'_> {
    /// The value of an attribute, by its name with or without a prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, next) = after[1..].split_once(quote)?;
            let key = key.trim();
            if key == name || key.rsplit(':').next() == Some(name) {
                return Some(html::decode(value).into_owned());
            }
            rest = next;
        }
    }
}

/// The characters of a text.
pub(super) fn characters<'a>(text: &'a str, literal: bool) -> Cow<'a, str> {
    if literal { Cow::Borrowed(text) } else { html::decode(text) }
}

pub(super) fn events(xml: &str) -> impl Iterator<Item = Event<'_>> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let Some(markup) = rest.strip_prefix('<') else {
                let end = memchr::memchr(b'<', rest.as_bytes()).unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                rest = after;
                return Some(Event::Text(text, false));
            };
            let after = |end: &str| markup.split_once(end).map_or("", |(_, after)| after);
            if let Some(data) = markup.strip_prefix("![CDATA[") {
                let (text, after) = data.split_once("]]>").unwrap_or((data, ""));
                rest = after;
                return Some(Event::Text(text, true));
            } else if markup.starts_with("!--") {
                rest = after("-->");
            } else if markup.starts_with('?') {
                rest = after("?>");
            } else if markup.starts_with('!') {
                let subset = markup.find('[').filter(|open| markup.find('>').is_none_or(|end| *open < end));
                rest = if subset.is_some() {
                    markup
                        .split_once("]")
                        .map_or("", |(_, after)| after.split_once('>').map_or("", |(_, after)| after))
                } else {
                    after(">")
                };
            } else {
                let end = end_of_tag(markup);
                let tag = &markup[..end];
                rest = markup.get(end + 1..).unwrap_or_default();
                if let Some(name) = tag.strip_prefix('/') {
                    return Some(Event::Close(local(name.trim())));
                }
                let empty = tag.ends_with('/');
                let tag = tag.trim_end_matches('/');
                let split = tag.find(char::is_whitespace).unwrap_or(tag.len());
                return Some(Event::Open(Element {
                    name: local(&tag[..split]),
                    attributes: &tag[split..],
                    empty,
                }));
            }
        }
    })
}

fn end_of_tag(markup: &str) -> usize {
    let mut quote = None;
    for (at, byte) in markup.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    markup.len()
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The text of the first element of each of the names, for the small files that say what a document is.
pub(super) fn fields(xml: &str, names: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    let mut value = String::new();
    for event in events(xml) {
        match event {
            Event::Open(element) if !element.empty && names.contains(&element.name) => {
                open = Some(element.name.to_owned());
                value.clear();
            }
            Event::Text(text, literal) if open.is_some() => value.push_str(&characters(text, literal)),
            Event::Close(name) if open.as_deref() == Some(name) => {
                found.extend(open.take().map(|name| (name, std::mem::take(&mut value))));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_of_all_kinds() {
        let xml = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b \"c\">]><w:p w:a='1 > 0' b=\"&lt;\"><w:t/>x &amp; y<![CDATA[<&]]></w:p><!-- <no> --><cut";
        let events: Vec<_> = events(xml).collect();
        let Event::Open(first) = events[0] else { panic!("{events:?}") };
        assert_eq!(
            (first.name, first.attribute("a"), first.attribute("b")),
            ("p", Some("1 > 0".into()), Some("<".into()))
        );
        assert_eq!(events[2], Event::Text("x &amp; y", false));
        assert_eq!(events[3], Event::Text("<&", true));
        assert_eq!(events[4], Event::Close("p"));
        assert_eq!(events.len(), 6);
    }

    proptest! {
        #[test]
        fn any_text_ends(xml in "[<>/!?\\[\\]a:='\" -]{0,60}") {
            for event in events(&xml) {
                if let Event::Open(element) = event {
                    element.attribute("a");
                }
            }
        }
    }
}
