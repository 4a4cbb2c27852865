//! The readable part of a page of the web.

use super::{
    Block,
    draft::{At, Draft},
    letters::{self, Letters},
    plain::tell_encoding,
};
use crate::html::{Piece, attribute, decode, pieces};

/// Where the charset of a page is declared, if anywhere (HTML, 13.2.3.2).
const HEAD_BYTES: usize = 4096;

/// A part is taken for the whole if it has this share of the page's text, in percent.
const SHARE_MIN: usize = 30;

pub(super) fn read(bytes: &[u8], draft: &mut Draft) {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD_BYTES)]).to_ascii_lowercase();
    let letters = letters::decode(bytes, charset(&head));
    tell_encoding(&letters, draft);
    render(&letters.text, Some(&letters), draft);
}

/// Adds what is to be read of a page: its main part without what surrounds it, or all of it where that would leave too
/// little.
pub(super) fn render(html: &str, letters: Option<&Letters<'_>>, draft: &mut Draft) {
    let (main, total) = main_part(html);
    let start = draft.len();
    let mut page = Page::new(html, letters, draft);
    page.read(main.clone(), true);
    let found = draft
        .text()
        .get(start..)
        .unwrap_or_default()
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .count();
    if found * 100 < total * SHARE_MIN / 2 {
        draft.cut(start);
        Page::new(html, letters, draft).read(0..html.len(), false);
    } else if found < total {
        draft.tell("left_out", "what surrounds the main part of the page: navigation, side notes, footers");
    }
}

fn charset(head: &str) -> Option<&str> {
    let after = head.split_once("charset=")?.1.trim_start_matches(['"', '\'', ' ']);
    Some(after.split(['"', '\'', ' ', '>', ';', '/']).next().unwrap_or_default())
}

/// Finds `<main>`, or the one `<article>`, if it has a good share of the text; and how many letters the page has.
fn main_part(html: &str) -> (std::ops::Range<usize>, usize) {
    struct Candidate {
        name: &'static str,
        start: usize,
        letters: usize,
        depth: usize,
    }
    let (mut total, mut hidden) = (0, 0usize);
    let mut open: Vec<Candidate> = Vec::new();
    let mut best: Option<(usize, std::ops::Range<usize>)> = None;
    for piece in pieces(html) {
        match piece {
            Piece::Text(text) if hidden == 0 => {
                total += text.chars().filter(|letter| !letter.is_whitespace()).count();
            }
            Piece::Text(_) => {}
            Piece::Open(name, attributes) => {
                let name = name.to_ascii_lowercase();
                hidden += usize::from(is_never_shown(&name));
                let is_main = name == "main" || attribute(attributes, "role").as_deref() == Some("main");
                if let Some(candidate) = open.iter_mut().find(|candidate| candidate.name == name) {
                    candidate.depth += 1;
                } else if is_main || name == "article" {
                    let known =
                        ["main", "article", "div", "section"].into_iter().find(|known| *known == name);
                    let start = offset(html, attributes) + attributes.len();
                    open.extend(known.map(|name| Candidate { name, start, letters: total, depth: 1 }));
                }
            }
            Piece::Close(name) => {
                let lower = name.to_ascii_lowercase();
                hidden = hidden.saturating_sub(usize::from(is_never_shown(&lower)));
                let Some(place) = open.iter().position(|candidate| candidate.name == lower) else { continue };
                open[place].depth -= 1;
                if open[place].depth == 0 {
                    let candidate = open.remove(place);
                    let range = candidate.start..offset(html, name);
                    let letters = total - candidate.letters;
                    if best.as_ref().is_none_or(|(most, _)| letters > *most) && range.start < range.end {
                        best = Some((letters, range));
                    }
                }
            }
        }
    }
    match best {
        Some((letters, range)) if letters * 100 >= total * SHARE_MIN => (range, total),
        _ => (0..html.len(), total),
    }
}

/// Where a slice of `whole` begins in it.
fn offset(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

fn is_never_shown(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "noscript"
            | "template"
            | "title"
            | "svg"
            | "iframe"
            | "object"
            | "select"
            | "textarea"
            | "button"
    )
}

fn surrounds(name: &str) -> bool {
    matches!(name, "nav" | "aside" | "footer" | "dialog" | "menu")
}

struct Page<'p, 'd> {
    html: &'p str,
    letters: Option<&'p Letters<'p>>,
    draft: &'d mut Draft,
    /// Of the source, and up to where in `html` it was counted.
    line: (u32, usize),
    /// Elements whose text is left out, outermost first, with how often they are open.
    skipped: Vec<(String, u32)>,
    heading: Option<(usize, u8)>,
    lists: Vec<Option<u32>>,
    preformatted: Option<usize>,
    cells: u32,
    title: bool,
    /// A space is due before the next word.
    space: bool,
}

impl<'p, 'd> Page<'p, 'd> {
    fn new(html: &'p str, letters: Option<&'p Letters<'p>>, draft: &'d mut Draft) -> Self {
        Self {
            html,
            letters,
            draft,
            line: (1, 0),
            skipped: Vec::new(),
            heading: None,
            lists: Vec::new(),
            preformatted: None,
            cells: 0,
            title: false,
            space: false,
        }
    }

    fn read(&mut self, main: std::ops::Range<usize>, readable_only: bool) {
        for piece in pieces(self.html) {
            match piece {
                Piece::Text(text) => {
                    if self.title && self.draft.title.is_none() {
                        self.draft.title = Some(decode(text).into_owned());
                    }
                    if main.contains(&offset(self.html, text)) {
                        self.text(text);
                    }
                }
                Piece::Open(name, attributes) => {
                    let inside = main.contains(&offset(self.html, name));
                    self.open(&name.to_ascii_lowercase(), attributes, inside, readable_only);
                }
                Piece::Close(name) => self.close(&name.to_ascii_lowercase()),
            }
            if self.draft.is_full() {
                return;
            }
        }
        self.draft.end();
    }

    fn text(&mut self, text: &str) {
        if !self.skipped.is_empty() {
            return;
        }
        if self.preformatted.is_some() {
            for line in text.split_inclusive('\n') {
                self.push(line);
            }
            return;
        }
        let breaks = |letter: char| matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0C');
        for word in runs(text) {
            let at_break = self.draft.text().is_empty() || self.draft.text().ends_with(['\n', ' ']);
            if (self.space || word.starts_with(breaks)) && !at_break {
                self.draft.append(" ");
            }
            self.space = word.ends_with(breaks);
            let word = word.trim_matches(breaks);
            if !word.is_empty() {
                self.push(word);
            }
        }
    }

    /// Adds a slice of the source, its references replaced.
    fn push(&mut self, slice: &str) {
        let start = offset(self.html, slice);
        let newlines = self.html.as_bytes().get(self.line.1..start).unwrap_or_default();
        self.line = (
            self.line.0.saturating_add(memchr::memchr_iter(b'\n', newlines).count() as u32),
            start.max(self.line.1),
        );
        let text = decode(slice);
        let (bytes, exact) = match self.letters {
            Some(letters) => letters.bytes(start..start + slice.len()),
            None => (0..0, false),
        };
        let exact = exact && text.len() == slice.len();
        let line = if self.letters.is_some() { self.line.0 } else { 0 };
        let text =
            if self.preformatted.is_some() { text } else { text.replace(['\n', '\t', '\r'], " ").into() };
        self.draft.push(&text, At { line, row: 0, bytes, exact });
    }

    fn line(&mut self, blank: usize) {
        self.space = false;
        if self.preformatted.is_none() && self.skipped.is_empty() {
            self.draft.line(blank);
        }
    }

    fn open(&mut self, name: &str, attributes: &str, inside: bool, readable_only: bool) {
        if let Some(outermost) = self.skipped.first_mut() {
            outermost.1 += u32::from(outermost.0 == name);
            return;
        }
        match name {
            "html" => {
                if let Some(language) =
                    attribute(attributes, "lang").or_else(|| attribute(attributes, "xml:lang"))
                {
                    self.draft.language.get_or_insert(language);
                }
            }
            "meta" => self.meta(attributes),
            "title" => self.title = true,
            _ => {}
        }
        let role = attribute(attributes, "role").unwrap_or_default();
        let around =
            surrounds(name) || matches!(role.as_str(), "navigation" | "banner" | "contentinfo" | "search");
        let unseen = attribute(attributes, "aria-hidden").as_deref() == Some("true")
            || attribute(attributes, "style")
                .is_some_and(|style| style.replace(' ', "").contains("display:none"));
        let skip = is_never_shown(name) || (readable_only && (around || unseen));
        if skip && !is_void(name) {
            self.skipped.push((name.to_owned(), 1));
            return;
        }
        if inside {
            self.show(name, attributes);
        }
    }

    /// What an element does to the text before its own.
    fn show(&mut self, name: &str, attributes: &str) {
        match name {
            "br" => {
                self.space = false;
                if self.preformatted.is_some() || !self.draft.text().ends_with("\n\n") {
                    self.draft.append("\n");
                }
            }
            "p" | "table" | "blockquote" | "figure" | "dl" => self.line(usize::from(self.lists.is_empty())),
            "div" | "section" | "article" | "header" | "dt" | "dd" | "figcaption" | "caption" | "form"
            | "summary" => {
                self.line(0);
            }
            "hr" => self.line(1),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.line(1);
                self.heading = Some((self.draft.len(), name.as_bytes()[1] - b'0'));
            }
            "ul" | "ol" => {
                self.line(usize::from(self.lists.is_empty()));
                let start = attribute(attributes, "start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.lists.push((name == "ol").then_some(start));
            }
            "li" => {
                self.line(0);
                self.draft.append(&"  ".repeat(self.lists.len().saturating_sub(1).min(20)));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let label = format!("{number}. ");
                        *number = number.saturating_add(1);
                        self.draft.append(&label);
                    }
                    _ => {
                        self.draft.append("- ");
                    }
                }
            }
            "pre" => {
                self.line(1);
                self.preformatted = Some(self.draft.len());
            }
            "img" => {
                if let Some(alt) = attribute(attributes, "alt").filter(|alt| alt.trim().contains(' ')) {
                    if self.space {
                        self.draft.append(" ");
                    }
                    let bytes = offset(self.html, attributes);
                    let (bytes, _) = match self.letters {
                        Some(letters) => letters.bytes(bytes..bytes + attributes.len()),
                        None => (0..0, false),
                    };
                    self.draft.push(&format!("[{}]", alt.trim()), At { bytes, ..At::default() });
                    self.space = true;
                }
            }
            "tr" => {
                self.line(0);
                self.cells = 0;
            }
            "td" | "th" => {
                self.space = false;
                if self.cells > 0 {
                    self.draft.append(" | ");
                }
                self.cells += 1;
            }
            _ => {}
        }
    }

    fn meta(&mut self, attributes: &str) {
        let name =
            attribute(attributes, "name").or_else(|| attribute(attributes, "property")).unwrap_or_default();
        let Some(content) = attribute(attributes, "content") else { return };
        match name.to_ascii_lowercase().as_str() {
            "author" | "article:author" => self.draft.tell("author", &content),
            "description" | "og:description" => self.draft.tell("description", &content),
            "keywords" => self.draft.tell("keywords", &content),
            "article:published_time" | "date" | "dcterms.created" => self.draft.tell("created", &content),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if name == "title" {
            self.title = false;
        }
        if let Some(outermost) = self.skipped.first_mut() {
            outermost.1 -= u32::from(outermost.0 == name);
            if outermost.1 == 0 {
                self.skipped.clear();
            }
            return;
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                if let Some((start, level)) =
                    self.heading.take().filter(|(start, _)| *start <= self.draft.len())
                {
                    let title = self.draft.text().get(start..).unwrap_or_default().to_owned();
                    self.draft.heading(start, level, &title);
                }
                self.line(1);
            }
            "p" | "table" | "blockquote" | "dl" | "figure" => self.line(usize::from(self.lists.is_empty())),
            "div" | "section" | "article" | "li" | "tr" | "dt" | "dd" | "header" => self.line(0),
            "ul" | "ol" => {
                self.lists.pop();
                self.line(usize::from(self.lists.is_empty()));
            }
            "pre" => {
                if let Some(start) = self.preformatted.take() {
                    self.draft.block(start, Block::Code);
                }
                self.line(1);
            }
            _ => {}
        }
    }
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "br" | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "area"
            | "base"
            | "col"
            | "embed"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Cuts a text where white space is more than one byte, so that what is between stands in the text as in the source.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let breaks =
            |at: usize| bytes.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 12));
        let mut end = 0;
        while breaks(end) {
            end += 1;
        }
        while end < bytes.len() && !(breaks(end) && breaks(end + 1)) {
            end += 1;
        }
        while breaks(end) {
            end += 1;
        }
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Format, Options, Reading, read_bytes};

    fn read(html: &str) -> Reading {
        let options = Options { format: Some(Format::Html), ..Options::default() };
        read_bytes("a.html", html.as_bytes(), &options).unwrap()
    }

    #[test]
    fn what_surrounds_is_left_out() {
        let page = read(
            "<html lang=en><title>A &amp; B</title><nav><a>Home</a> <a>Away</a></nav><main><h1>Bread</h1>\
             <p>It   rises\n  for <b>hours</b>&nbsp;&mdash; or more.<script>if (a<b) 'don't </main>'</script></p>\
             <ul><li>flour<li>water</ul></main><footer>© nobody</footer>",
        );
        assert_eq!(page.text, "Bread\n\nIt rises for hours\u{a0}— or more.\n\n- flour\n- water\n");
        assert_eq!((page.title.as_deref(), page.language.as_deref()), (Some("A & B"), Some("en")));
        assert_eq!(page.places.at(page.text.find("flour").unwrap()).headings, ["Bread"]);
    }

    #[test]
    fn bytes_lead_back() {
        let html =
            "<p>One two</p>\n<table><tr><td>a</td><td>b\n\n   c</td></tr></table><pre>x &lt;\n  y</pre>";
        let page = read(html);
        assert_eq!(page.text, "One two\n\na | b c\n\nx <\n  y\n");
        for word in ["two", "b", "c", "y"] {
            let at = page.text.find(word).unwrap();
            let bytes = page.places.of(at..at + word.len()).bytes.unwrap();
            assert_eq!(&html[bytes.start as usize..bytes.end as usize], word);
        }
        assert_eq!(page.places.at(page.text.find('c').unwrap()).line, Some(4));
    }

    #[test]
    fn a_page_that_is_all_navigation_is_kept() {
        assert_eq!(read("<nav><p>Only this is here</p></nav>").text, "Only this is here\n");
        assert_eq!(
            read("<nav><p>never closed <main>all of the text</main>").text,
            "never closed all of the text\n"
        );
    }

    proptest! {
        #[test]
        fn any_page_is_read(html in "(<(p|main|nav|script|title|td|li|h1|pre|/p|/main|/nav|/h1|/pre)>|[<>a-zé&; \n]){0,40}") {
            let page = read(&html);
            for (at, _) in page.text.char_indices() {
                if let Some(bytes) = page.places.at(at).bytes {
                    prop_assert!(bytes.end <= html.len() as u64);
                }
            }
        }
    }
}
