//! Markdown as models and people write it, as HTML that holds nothing but what this module itself wrote.
//!
//! The parser's events go through our own writer: every text is escaped, every tag and attribute is one of ours,
//! raw HTML is shown as the text that it is. So there is nothing left to sanitise, and no image is ever fetched:
//! it becomes a link that names its host.

mod link;
mod tex;
mod writer;

use pulldown_cmark::{Options, Parser, TextMergeWithOffset};

use crate::{html::escape_into, marks::Marks};
use writer::Writer;

/// How a text is to be shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style<'m> {
    /// The words to mark.
    pub(crate) marks: &'m Marks,
    /// A line break ends the line, as people who type into a chat mean it; models mean CommonMark.
    pub(crate) hard_breaks: bool,
}

/// Longest text that is read as Markdown, in bytes. A longer one (a pasted log, a book) is shown as it stands,
/// which takes time in proportion to its length and not to its nesting.
const MARKDOWN_BYTES_MAX: usize = 512 * 1024;

/// Appends `source` as HTML.
pub(crate) fn render_into(out: &mut String, source: &str, style: Style<'_>) {
    if source.len() > MARKDOWN_BYTES_MAX {
        out.push_str("<pre class=\"plain\">");
        style.marks.write(out, source);
        out.push_str("</pre>\n");
        return;
    }
    let source = tex::with_dollars(source);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM;
    let mut writer = Writer::new(out, &source, style);
    for (event, range) in TextMergeWithOffset::new(Parser::new_ext(&source, options).into_offset_iter()) {
        writer.event(event, &range);
    }
    writer.finish();
}

/// Appends a line of plain `text`, its addresses as links.
pub(crate) fn linked(out: &mut String, text: &str, marks: &Marks) {
    link::linked_into(out, text, marks);
}

/// Appends `code` as a block with its language above, coloured where the language is known.
pub(crate) fn code_block(out: &mut String, code: &str, language: Option<&str>, marks: &Marks) {
    let found = language.and_then(crate::highlight::find);
    let title = found.map_or(language.unwrap_or(""), |found| found.title);
    out.push_str("<div class=\"code\"><div class=\"code-bar\"><span class=\"code-language\">");
    escape_into(out, &crate::html::shortened(title, 40));
    out.push_str("</span></div><pre tabindex=\"0\"><code>");
    match found {
        Some(language) if code.len() <= MARKDOWN_BYTES_MAX => {
            for (class, text) in crate::highlight::spans(language, code) {
                if let Some(name) = class.name() {
                    out.push_str("<span class=\"");
                    out.push_str(name);
                    out.push_str("\">");
                    marks.write(out, text);
                    out.push_str("</span>");
                } else {
                    marks.write(out, text);
                }
            }
        }
        _ => marks.write(out, code),
    }
    out.push_str("</code></pre></div>\n");
}

#[cfg(test)]
mod tests;
