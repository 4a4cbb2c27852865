//! Just enough HTML to read what Google writes: entities, tags, and the text between them as Markdown.
//!
//! Takeout's pages are not XML (`<br>`, bare `&`), so an XML parser stops at the first activity. Nothing here
//! fails: what is no tag is text.

use std::borrow::Cow;

/// Longest tag that is taken for one; a `<` further from its `>` is text.
const TAG_BYTES_MAX: usize = 64 << 10;

/// Replaces character references (`&amp;`, `&#39;`, `&#x2F;`, the named ones of common use).
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut decoded = String::with_capacity(text.len());
    decoded.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(after) = rest.strip_prefix('&') {
        let end = after.bytes().take(32).position(|byte| byte == b';');
        match end.and_then(|end| character(&after[..end]).map(|found| (found, end))) {
            Some((found, end)) => {
                decoded.push(found);
                rest = &after[end + 1..];
            }
            None => {
                decoded.push('&');
                rest = after;
            }
        }
        let next = memchr::memchr(b'&', rest.as_bytes()).unwrap_or(rest.len());
        decoded.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(decoded)
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|found| *found != '\0');
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, found)| *found)
}

/// The references that appear in text; the hundreds for mathematics and rare letters are left as written.
const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("shy", '\u{ad}'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("deg", '°'),
    ("sect", '§'),
    ("para", '¶'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("euro", '€'),
    ("pound", '£'),
    ("yen", '¥'),
    ("cent", '¢'),
    ("times", '×'),
    ("divide", '÷'),
    ("plusmn", '±'),
    ("minus", '−'),
    ("frac12", '½'),
    ("frac14", '¼'),
    ("sup2", '²'),
    ("sup3", '³'),
    ("micro", 'µ'),
    ("ne", '≠'),
    ("le", '≤'),
    ("ge", '≥'),
    ("infin", '∞'),
    ("larr", '←'),
    ("uarr", '↑'),
    ("rarr", '→'),
    ("darr", '↓'),
    ("iexcl", '¡'),
    ("iquest", '¿'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("atilde", 'ã'),
    ("aring", 'å'),
    ("aelig", 'æ'),
    ("ccedil", 'ç'),
    ("egrave", 'è'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("euml", 'ë'),
    ("igrave", 'ì'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("iuml", 'ï'),
    ("ntilde", 'ñ'),
    ("ograve", 'ò'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("otilde", 'õ'),
    ("oslash", 'ø'),
    ("ugrave", 'ù'),
    ("uacute", 'ú'),
    ("ucirc", 'û'),
    ("yacute", 'ý'),
    ("yuml", 'ÿ'),
    ("Agrave", 'À'),
    ("Aacute", 'Á'),
    ("Acirc", 'Â'),
    ("Atilde", 'Ã'),
    ("Aring", 'Å'),
    ("AElig", 'Æ'),
    ("Ccedil", 'Ç'),
    ("Egrave", 'È'),
    ("Eacute", 'É'),
    ("Ecirc", 'Ê'),
    ("Euml", 'Ë'),
    ("Ntilde", 'Ñ'),
    ("Oacute", 'Ó'),
    ("Ocirc", 'Ô'),
    ("Otilde", 'Õ'),
    ("Oslash", 'Ø'),
    ("Uacute", 'Ú'),
    ("oelig", 'œ'),
    ("OElig", 'Œ'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];

/// A piece of HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text between tags, references not yet decoded.
    Text(&'a str),
    /// `<name attributes>`; the attributes as written.
    Open(&'a str, &'a str),
    /// `</name>`.
    Close(&'a str),
}

/// Cuts HTML into pieces; comments and declarations are passed over. What stands in a script, a style or another
/// element without markup is one text.
pub(crate) fn pieces(html: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = html;
    let mut raw: Option<&str> = None;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            if let Some(name) = raw.take() {
                let (text, after) = rest.split_at(end_of_raw(rest, name));
                rest = after;
                return Some(Piece::Text(text));
            }
            if let Some(after) = rest.strip_prefix("<!--") {
                rest = after.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            if let Some((tag, after)) = tag(rest) {
                rest = after;
                if tag.starts_with(['!', '?']) {
                    continue;
                }
                return Some(match tag.strip_prefix('/') {
                    Some(name) => Piece::Close(name.trim()),
                    None => {
                        let end = tag.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(tag.len());
                        let name = &tag[..end];
                        raw = RAW.iter().any(|raw| name.eq_ignore_ascii_case(raw)).then_some(name);
                        Piece::Open(name, tag[end..].trim_end_matches('/').trim())
                    }
                });
            }
            // The first character is text even if it is a `<` that opens no tag.
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let end = rest[first..].find('<').map_or(rest.len(), |found| first + found);
            let (text, after) = rest.split_at(end);
            rest = after;
            return Some(Piece::Text(text));
        }
    })
}

/// Elements in which a `<` begins no tag but their own end.
const RAW: &[&str] = &["script", "style", "textarea", "title", "xmp", "noframes"];

/// Finds `</name` in any case; the end where there is none.
fn end_of_raw(html: &str, name: &str) -> usize {
    let bytes = html.as_bytes();
    let ends = |at: &usize| {
        let after = bytes.get(at + 2..at + 2 + name.len());
        after.is_some_and(|after| after.eq_ignore_ascii_case(name.as_bytes()))
    };
    memchr::memmem::find_iter(bytes, b"</").find(ends).unwrap_or(bytes.len())
}

/// Splits `<…>` off the front, quotes minded; `None` where the front is no tag.
fn tag(html: &str) -> Option<(&str, &str)> {
    let inner = html.strip_prefix('<')?;
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
        return None;
    }
    let mut quote = None;
    for (at, byte) in inner.bytes().enumerate().take(TAG_BYTES_MAX) {
        match (quote, byte) {
            (None, b'>') => return Some((&inner[..at], &inner[at + 1..])),
            // Without this, a page of nothing but `<a` would be looked through again from each of them.
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Reads one attribute's decoded value.
pub(crate) fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut from = 0;
    while let Some(found) = attributes.get(from..)?.find(name) {
        let start = from + found;
        from = start + name.len();
        let stands_alone = attributes[..start].chars().next_back().is_none_or(char::is_whitespace);
        let Some(value) = attributes[from..].trim_start().strip_prefix('=').filter(|_| stands_alone) else {
            continue;
        };
        let value = value.trim_start();
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split(quote).next());
        let value = quoted.unwrap_or_else(|| value.split_whitespace().next().unwrap_or_default());
        return Some(decode(value).into_owned());
    }
    None
}

/// Renders HTML as Markdown: headings, lists, code, emphasis, links, tables as rows; all text kept.
pub(crate) fn to_markdown(html: &str) -> String {
    let mut page = Page::default();
    for piece in pieces(html) {
        match piece {
            Piece::Text(text) => page.text(&decode(text)),
            Piece::Open(name, attributes) => page.open(&name.to_ascii_lowercase(), attributes),
            Piece::Close(name) => page.close(&name.to_ascii_lowercase()),
        }
    }
    page.finish()
}

#[derive(Default)]
struct Page {
    out: String,
    lists: Vec<Option<u32>>,
    links: Vec<String>,
    preformatted: u32,
    hidden: u32,
    cells: u32,
}

impl Page {
    fn text(&mut self, text: &str) {
        if self.hidden > 0 {
            return;
        }
        if self.preformatted > 0 {
            self.out.push_str(text);
            return;
        }
        let at_break = self.out.is_empty() || self.out.ends_with(['\n', ' ']);
        let breaks = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        if text.starts_with(breaks) && !at_break {
            self.out.push(' ');
        }
        let words: Vec<&str> = text.split(breaks).filter(|word| !word.is_empty()).collect();
        self.out.push_str(&words.join(" "));
        if text.ends_with(breaks) && !words.is_empty() {
            self.out.push(' ');
        }
    }

    /// Ends the line, and leaves `blank` empty lines at least.
    fn line(&mut self, blank: usize) {
        if self.preformatted > 0 {
            return;
        }
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        if self.out.is_empty() {
            return;
        }
        let have = self.out.len() - self.out.trim_end_matches('\n').len();
        for _ in have..=blank {
            self.out.push('\n');
        }
    }

    fn open(&mut self, name: &str, attributes: &str) {
        match name {
            "br" => match self.preformatted {
                0 => {
                    let kept = self.out.trim_end_matches(' ').len();
                    self.out.truncate(kept);
                    self.out.push('\n');
                }
                _ => self.out.push('\n'),
            },
            "p" | "div" | "section" | "article" => {
                self.line(usize::from(name == "p" && self.lists.is_empty()));
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.line(1);
                let level = name[1..].parse().unwrap_or(1);
                self.out.push_str(&"#".repeat(level));
                self.out.push(' ');
            }
            "ul" | "ol" => {
                self.line(usize::from(self.lists.is_empty()));
                let start = attribute(attributes, "start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.lists.push((name == "ol").then_some(start));
            }
            "li" => {
                self.line(0);
                self.out.push_str(&"  ".repeat(self.lists.len().saturating_sub(1).min(20)));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.out.push_str(&format!("{number}. "));
                        *number = number.saturating_add(1);
                    }
                    _ => self.out.push_str("- "),
                }
            }
            "pre" => {
                self.line(1);
                self.out.push_str("```\n");
                self.preformatted += 1;
            }
            "code" if self.preformatted > 0 => {
                let language = attribute(attributes, "class").and_then(|class| {
                    class
                        .split_whitespace()
                        .find_map(|word| word.strip_prefix("language-").map(str::to_owned))
                });
                if let (Some(language), true) = (language, self.out.ends_with("```\n")) {
                    self.out.truncate(self.out.len() - 1);
                    self.out.push_str(&language);
                    self.out.push('\n');
                }
            }
            "code" => self.out.push('`'),
            "b" | "strong" if self.preformatted == 0 => self.out.push_str("**"),
            "i" | "em" if self.preformatted == 0 => self.out.push('*'),
            "blockquote" => {
                self.line(1);
                self.out.push_str("> ");
            }
            "hr" => {
                self.line(1);
                self.out.push_str("---");
                self.line(1);
            }
            "a" => {
                let address = attribute(attributes, "href").unwrap_or_default();
                if !address.is_empty() {
                    self.out.push('[');
                }
                self.links.push(address);
            }
            "img" => {
                let alt = attribute(attributes, "alt").unwrap_or_default();
                let source = attribute(attributes, "src").unwrap_or_default();
                let told = !alt.is_empty() || !source.is_empty();
                if told && !source.starts_with("data:") {
                    self.out.push_str(&format!("![{alt}]({source})"));
                }
            }
            "tr" => {
                self.line(0);
                self.cells = 0;
            }
            "td" | "th" => {
                self.out.push_str(if self.cells == 0 { "| " } else { " | " });
                self.cells += 1;
            }
            "script" | "style" => self.hidden += 1,
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "table" => {
                self.line(usize::from(self.lists.is_empty()));
            }
            "div" | "section" | "article" | "li" => self.line(0),
            "ul" | "ol" => {
                self.lists.pop();
                self.line(usize::from(self.lists.is_empty()));
            }
            "pre" if self.preformatted > 0 => {
                self.preformatted -= 1;
                if !self.out.ends_with('\n') {
                    self.out.push('\n');
                }
                self.out.push_str("```");
                self.line(1);
            }
            "code" if self.preformatted == 0 => self.out.push('`'),
            "b" | "strong" if self.preformatted == 0 => self.out.push_str("**"),
            "i" | "em" if self.preformatted == 0 => self.out.push('*'),
            "a" => {
                if let Some(address) = self.links.pop().filter(|address| !address.is_empty()) {
                    self.out.push_str(&format!("]({address})"));
                }
            }
            "tr" => {
                self.out.push_str(" |");
                self.line(0);
            }
            "script" | "style" => self.hidden = self.hidden.saturating_sub(1),
            _ => {}
        }
    }

    fn finish(self) -> String {
        self.out.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references() {
        assert_eq!(
            decode("a&amp;b &#39;x&#x27; &lt;&nbsp;&unknown; & &#99999999;"),
            "a&b 'x' <\u{a0}&unknown; & &#99999999;"
        );
        assert_eq!(decode("plain"), "plain");
    }

    #[test]
    fn markdown() {
        assert_eq!(
            to_markdown(
                "<p>Two <b>ways</b>:</p><ol><li>boil</li><li>fry <ul><li>hot</li></ul></li></ol><pre><code class=\"language-sh\">a  &lt; b\n</code></pre><p>See <a href=\"https://x.example/?a=1&amp;b\">this</a>.</p>"
            ),
            "Two **ways**:\n\n1. boil\n2. fry\n  - hot\n\n```sh\na  < b\n```\n\nSee [this](https://x.example/?a=1&b)."
        );
        assert_eq!(to_markdown("1 < 2 and 3 > 2<br>next"), "1 < 2 and 3 > 2\nnext");
    }

    #[test]
    fn attributes_are_found_by_their_whole_name() {
        assert_eq!(attribute("data-class=\"x\" class='a b' href=y", "class").as_deref(), Some("a b"));
        assert_eq!(attribute("data-class=\"x\" href=y", "href").as_deref(), Some("y"));
        assert_eq!(attribute("checked", "class"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(html in "[<>a-zé&;#x0-9\"'=/! \\n-]{0,80}") {
            to_markdown(&html);
            decode(&html);
        }
    }
}
