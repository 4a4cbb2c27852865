//! The texts that documents are made of: a title, then paragraphs; `# ` begins a heading, `---` a page.

/// What stands in a text, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Title(&'t str),
    Heading(&'t str),
    Paragraph(&'t str),
    Page,
}

pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let lines = text.lines().filter(|line| !line.is_empty()).enumerate();
    lines.map(|(index, line)| match line.strip_prefix("# ") {
        _ if index == 0 => Piece::Title(line),
        Some(heading) => Piece::Heading(heading),
        None if line == "---" => Piece::Page,
        None => Piece::Paragraph(line),
    })
}
