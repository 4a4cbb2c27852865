//! OpenDocument: texts and presentations (OpenDocument 1.3, part 3).

use super::{
    Block, Error, Part,
    draft::{At, Draft},
    package::{Package, as_text},
    xml::{Element, Event, characters, events, fields},
};

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    // The same as one file without an archive.
    if !bytes.starts_with(b"PK") {
        let xml = as_text(bytes);
        tell(&xml, draft);
        Body::new(draft).read(&xml);
        return Ok(());
    }
    let mut package = Package::open(bytes)?;
    package.tell_if_salvaged(draft);
    if package.text("META-INF/manifest.xml").contains("encryption-data") {
        return Err(Error::Locked);
    }
    let meta = package.text("meta.xml");
    tell(&meta, draft);
    let (content, problem) =
        package.bytes("content.xml").map_err(|reason| Error::damaged(format!("content.xml: {reason}")))?;
    if let Some(reason) = problem {
        draft.broken("content.xml", format!("the rest was not read: {reason}"));
    }
    Body::new(draft).read(&as_text(&content));
    Ok(())
}

fn tell(xml: &str, draft: &mut Draft) {
    for (name, value) in fields(
        xml,
        &["title", "initial-creator", "creator", "subject", "keyword", "creation-date", "language"],
    ) {
        match name.as_str() {
            "title" if draft.title.is_none() => draft.title = Some(value),
            "initial-creator" | "creator" => draft.tell("author", &value),
            "language" => draft.language = Some(value),
            "creation-date" => draft.tell("created", &value),
            "keyword" => draft.tell("keywords", &value),
            "subject" => draft.tell("subject", &value),
            _ => {}
        }
    }
}

struct Body<'d> {
    draft: &'d mut Draft,
    body: bool,
    hidden: u32,
    /// Open paragraphs and headings; text elsewhere is white space of the file.
    paragraphs: u32,
    paragraph: usize,
    level: Option<u8>,
    lists: u32,
    item: bool,
    tables: u32,
    table: usize,
    cells: u32,
    slides: u32,
    title: bool,
}

impl<'d> Body<'d> {
    fn new(draft: &'d mut Draft) -> Self {
        Self {
            draft,
            body: false,
            hidden: 0,
            paragraphs: 0,
            paragraph: 0,
            level: None,
            lists: 0,
            item: false,
            tables: 0,
            table: 0,
            cells: 0,
            slides: 0,
            title: false,
        }
    }

    fn read(&mut self, xml: &str) {
        for event in events(xml) {
            match event {
                Event::Open(element) => self.open(element),
                Event::Close(name) => self.close(name),
                Event::Text(text, literal) => self.text(&characters(text, literal)),
            }
            if self.draft.is_full() {
                return;
            }
        }
        self.draft.end();
    }

    fn text(&mut self, text: &str) {
        if !self.body || self.hidden > 0 || self.paragraphs == 0 {
            return;
        }
        // White space counts once (6.1.2).
        let at_break = self.draft.text().is_empty() || self.draft.text().ends_with([' ', '\n']);
        let words: Vec<&str> = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect();
        if text.starts_with([' ', '\n', '\t', '\r']) && !at_break {
            self.draft.append(" ");
        }
        self.draft.push(&words.join(" "), At::default());
        if !words.is_empty() && text.ends_with([' ', '\n', '\t', '\r']) {
            self.draft.append(" ");
        }
    }

    fn open(&mut self, element: Element<'_>) {
        if hides(element.name) {
            self.hidden += u32::from(!element.empty);
            return;
        }
        if element.name == "body" {
            self.body = true;
        }
        if !self.body || self.hidden > 0 {
            return;
        }
        match element.name {
            "p" | "h" if !element.empty => {
                self.paragraphs += 1;
                if self.paragraphs > 1 || self.tables > 0 {
                    return;
                }
                self.draft.line(usize::from(self.lists == 0));
                if std::mem::take(&mut self.item) {
                    self.draft.append(&"  ".repeat(self.lists.saturating_sub(1).min(20) as usize));
                    self.draft.append("- ");
                }
                self.paragraph = self.draft.len();
                let level =
                    element.attribute("outline-level").and_then(|level| level.parse().ok()).unwrap_or(1);
                self.level = (element.name == "h").then_some(level).or_else(|| self.title.then_some(1));
            }
            "s" => {
                let count = element.attribute("c").and_then(|count| count.parse().ok()).unwrap_or(1usize);
                self.draft.append(&" ".repeat(count.min(100)));
            }
            "tab" => {
                self.draft.append("\t");
            }
            "line-break" => {
                self.draft.append("\n");
            }
            "list" if !element.empty => {
                if self.lists == 0 {
                    self.draft.line(1);
                }
                self.lists += 1;
            }
            "list-item" => self.item = true,
            "table" if !element.empty => {
                if self.tables == 0 {
                    self.draft.line(1);
                    self.table = self.draft.len();
                }
                self.tables += 1;
            }
            "table-row" if self.tables == 1 => {
                self.draft.line(0);
                self.cells = 0;
            }
            "table-cell" if self.tables == 1 => {
                if self.cells > 0 {
                    let spaced = self.draft.text().ends_with(' ');
                    self.draft.append(if spaced { "| " } else { " | " });
                }
                self.cells += 1;
            }
            "page" => {
                self.slides += 1;
                self.draft.part(Part { slide: Some(self.slides), ..Part::default() });
            }
            "frame" => self.title = element.attribute("presentation:class").as_deref() == Some("title"),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if hides(name) {
            self.hidden = self.hidden.saturating_sub(1);
            return;
        }
        if self.hidden > 0 {
            return;
        }
        match name {
            "p" | "h" if self.paragraphs > 0 => {
                self.paragraphs -= 1;
                if let Some(level) = self.level.take().filter(|_| self.paragraphs == 0) {
                    let title = self.draft.text().get(self.paragraph..).unwrap_or_default().to_owned();
                    self.draft.heading(self.paragraph, level, &title);
                }
                if self.tables > 0 && !self.draft.text().ends_with([' ', '\n']) {
                    self.draft.append(" ");
                }
            }
            "list" => self.lists = self.lists.saturating_sub(1),
            "table" if self.tables > 0 => {
                self.tables -= 1;
                if self.tables == 0 {
                    self.draft.line(0);
                    self.draft.block(self.table, Block::Table);
                }
            }
            _ => {}
        }
    }
}

/// Whose text is none of the document's: what was deleted, notes of the machine, forms, formulas twice.
fn hides(name: &str) -> bool {
    matches!(
        name,
        "tracked-changes"
            | "forms"
            | "desc"
            | "sequence-decls"
            | "note-citation"
            | "annotation-end"
            | "shapes"
    )
}
