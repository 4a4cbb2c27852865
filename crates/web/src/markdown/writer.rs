//! Events in, our own tags out.

use std::ops::Range;

use pulldown_cmark::{Alignment, BlockQuoteKind, CodeBlockKind, Event, HeadingLevel, Tag, TagEnd};

use super::{Style, code_block, link};
use crate::html::{escape, escape_into};

/// Deepest nesting of lists, quotes and emphasis that becomes tags; below it only the text goes on. Browsers
/// slow down with depth and cut it at 512 themselves.
const DEPTH_MAX: usize = 24;

pub(super) struct Writer<'o, 's> {
    out: &'o mut String,
    source: &'s str,
    style: Style<'s>,
    /// What closes each open tag; empty for one that was left out.
    open: Vec<&'static str>,
    /// Code that is being collected, with its language.
    code: Option<(String, Option<String>)>,
    /// The link that is open, with the place in `out` where its text begins.
    link: Option<(Destination, usize)>,
    /// Pictures may hold emphasis and more; their text alone is kept.
    image: Option<(String, String)>,
    image_depth: usize,
    columns: Vec<Alignment>,
    column: usize,
    in_head: bool,
}

/// Where an open link leads.
enum Destination {
    /// An address that people may visit.
    Visit(String),
    /// Anything else: told, not linked.
    Told(String),
}

impl<'o, 's> Writer<'o, 's> {
    pub(super) fn new(out: &'o mut String, source: &'s str, style: Style<'s>) -> Self {
        Self {
            out,
            source,
            style,
            open: Vec::new(),
            code: None,
            link: None,
            image: None,
            image_depth: 0,
            columns: Vec::new(),
            column: 0,
            in_head: false,
        }
    }

    /// Closes whatever is still open.
    pub(super) fn finish(mut self) {
        while let Some(close) = self.open.pop() {
            self.out.push_str(close);
        }
    }

    pub(super) fn event(&mut self, event: Event<'_>, range: &Range<usize>) {
        if self.image.is_some() {
            return self.inside_image(event);
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => {
                self.out.push_str("<code>");
                self.style.marks.write(self.out, &code);
                self.out.push_str("</code>");
            }
            Event::InlineMath(formula) => self.inline_math(&formula, range),
            Event::DisplayMath(formula) => self.math("<span class=\"math display\">", &formula),
            // The one piece of HTML that models use inside tables; the tag that goes out is our own.
            Event::InlineHtml(html) if is_line_break(&html) => self.out.push_str("<br>"),
            Event::InlineHtml(html) | Event::Html(html) => self.style.marks.write(self.out, &html),
            Event::SoftBreak => self.out.push_str(if self.style.hard_breaks { "<br>\n" } else { "\n" }),
            Event::HardBreak => self.out.push_str("<br>\n"),
            Event::Rule => self.out.push_str("<hr>\n"),
            Event::FootnoteReference(name) => {
                self.out.push_str("<sup class=\"note\">");
                escape_into(self.out, &name);
                self.out.push_str("</sup>");
            }
            Event::TaskListMarker(done) => {
                let (class, label) = if done { ("task done", "done") } else { ("task", "to do") };
                self.out.push_str(&format!(
                    "<span class=\"{class}\" role=\"img\" aria-label=\"{label}\"></span> "
                ));
            }
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((code, _)) = &mut self.code {
            code.push_str(text);
        } else if self.link.is_some() {
            self.style.marks.write(self.out, text);
        } else {
            link::linked_into(self.out, text, self.style.marks);
        }
    }

    fn inline_math(&mut self, formula: &str, range: &Range<usize>) {
        // `$5-$10` is money: a closing dollar is not followed by a digit (the rule of Pandoc's tex_math_dollars).
        let money = self.source.as_bytes().get(range.end).is_some_and(u8::is_ascii_digit);
        if money {
            escape_into(self.out, &format!("${formula}$"));
        } else {
            self.math("<span class=\"math\">", formula);
        }
    }

    fn math(&mut self, open: &str, formula: &str) {
        self.out.push_str(open);
        self.style.marks.write(self.out, formula.trim());
        self.out.push_str("</span>");
    }

    fn begin(&mut self, open: &str, close: &'static str) {
        if self.open.len() < DEPTH_MAX {
            self.out.push_str(open);
            self.open.push(close);
        } else {
            self.open.push("");
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => self.begin("<p>", "</p>\n"),
            Tag::Heading { level, .. } => {
                // The page has the first two levels: its title and the speakers.
                let (open, close) = match level {
                    HeadingLevel::H1 => ("<h3>", "</h3>\n"),
                    HeadingLevel::H2 => ("<h4>", "</h4>\n"),
                    HeadingLevel::H3 => ("<h5>", "</h5>\n"),
                    _ => ("<h6>", "</h6>\n"),
                };
                self.begin(open, close);
            }
            Tag::BlockQuote(kind) => {
                self.begin("<blockquote>\n", "</blockquote>\n");
                if let Some(kind) = kind {
                    self.out.push_str(&format!("<p class=\"alert\">{}</p>", alert(kind)));
                }
            }
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    CodeBlockKind::Fenced(info) if !info.trim().is_empty() => Some(info.trim().to_owned()),
                    _ => None,
                };
                self.code = Some((String::new(), language));
            }
            Tag::HtmlBlock => self.begin("<pre class=\"plain\">", "</pre>\n"),
            Tag::List(None) => self.begin("<ul>\n", "</ul>\n"),
            Tag::List(Some(1)) => self.begin("<ol>\n", "</ol>\n"),
            Tag::List(Some(first)) => {
                self.begin(&format!("<ol start=\"{}\">\n", first.min(999_999_999)), "</ol>\n");
            }
            Tag::Item => self.begin("<li>", "</li>\n"),
            Tag::FootnoteDefinition(name) => {
                self.begin("<div class=\"footnote\">", "</div>\n");
                self.out.push_str(&format!("<span class=\"note\">{}</span> ", escape(&name)));
            }
            Tag::Table(columns) => {
                self.columns = columns;
                self.begin(
                    "<div class=\"wide\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table>\n",
                    "</tbody></table></div>\n",
                );
            }
            Tag::TableHead => {
                (self.column, self.in_head) = (0, true);
                self.begin("<thead><tr>", "</tr></thead>\n<tbody>\n");
            }
            Tag::TableRow => {
                self.column = 0;
                self.begin("<tr>", "</tr>\n");
            }
            Tag::TableCell => self.cell(),
            Tag::Emphasis => self.begin("<em>", "</em>"),
            Tag::Strong => self.begin("<strong>", "</strong>"),
            Tag::Strikethrough => self.begin("<del>", "</del>"),
            Tag::Superscript => self.begin("<sup>", "</sup>"),
            Tag::Subscript => self.begin("<sub>", "</sub>"),
            Tag::Link { dest_url, .. } => {
                let destination = match link::target(&dest_url) {
                    Some(target) => {
                        link::open_into(self.out, &target);
                        Destination::Visit(target.url.to_owned())
                    }
                    None => Destination::Told(dest_url.to_string()),
                };
                self.link = Some((destination, self.out.len()));
            }
            Tag::Image { dest_url, .. } => {
                self.image = Some((dest_url.to_string(), String::new()));
                self.image_depth = 0;
            }
            Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::MetadataBlock(_) => self.begin("", ""),
        }
    }

    fn cell(&mut self) {
        let class = match self.columns.get(self.column) {
            Some(Alignment::Right) => " class=\"right\"",
            Some(Alignment::Center) => " class=\"center\"",
            _ => "",
        };
        self.column += 1;
        if self.in_head {
            self.begin(&format!("<th scope=\"col\"{class}>"), "</th>");
        } else {
            self.begin(&format!("<td{class}>"), "</td>");
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock => {
                if let Some((code, language)) = self.code.take() {
                    code_block(self.out, &code, language.as_deref(), self.style.marks);
                }
            }
            TagEnd::Link => self.end_link(),
            TagEnd::Image => {}
            _ => {
                if tag == TagEnd::TableHead {
                    self.in_head = false;
                }
                let close = self.open.pop().unwrap_or_default();
                self.out.push_str(close);
            }
        }
    }

    fn end_link(&mut self) {
        match self.link.take() {
            Some((Destination::Visit(url), text_from)) => {
                let Some(target) = link::target(&url) else { return };
                let shown = self.out[text_from..].to_owned();
                link::close_into(self.out, &target, &shown);
            }
            // Its text stays, and where it led can be read.
            Some((Destination::Told(url), text_from)) if self.out[text_from..] != escape(&url) => {
                self.out.push_str(" <span class=\"host\">");
                escape_into(self.out, &crate::html::shortened(&url, 80));
                self.out.push_str("</span>");
            }
            _ => {}
        }
    }

    fn inside_image(&mut self, event: Event<'_>) {
        let Some((_, alt)) = &mut self.image else { return };
        match event {
            Event::Start(_) => self.image_depth += 1,
            Event::End(_) if self.image_depth > 0 => self.image_depth -= 1,
            Event::End(_) => self.end_image(),
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) | Event::InlineMath(text) => {
                alt.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => alt.push(' '),
            _ => {}
        }
    }

    /// Tells of a picture without fetching it.
    fn end_image(&mut self) {
        let Some((url, alt)) = self.image.take() else { return };
        let alt = if alt.trim().is_empty() { "Image" } else { alt.trim() };
        match link::target(&url) {
            Some(target) if self.link.is_none() => {
                self.out.push_str("<span class=\"picture\">");
                link::open_into(self.out, &target);
                self.style.marks.write(self.out, alt);
                link::close_into(self.out, &target, "");
                self.out.push_str("</span>");
            }
            _ => {
                self.out.push_str("<span class=\"picture\">");
                self.style.marks.write(self.out, alt);
                self.out.push_str("</span>");
            }
        }
    }
}

fn is_line_break(html: &str) -> bool {
    let inner = html.strip_prefix("<br").and_then(|rest| rest.strip_suffix('>'));
    inner.is_some_and(|inner| matches!(inner.trim(), "" | "/"))
}

fn alert(kind: BlockQuoteKind) -> &'static str {
    match kind {
        BlockQuoteKind::Note => "Note",
        BlockQuoteKind::Tip => "Tip",
        BlockQuoteKind::Important => "Important",
        BlockQuoteKind::Warning => "Warning",
        BlockQuoteKind::Caution => "Caution",
    }
}
