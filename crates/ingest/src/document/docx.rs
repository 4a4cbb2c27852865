//! Word documents (ECMA-376, part 1, 17).

use std::collections::HashMap;

use super::{
    Block, Error, Part,
    draft::{At, Draft},
    package::Package,
    xml::{Element, Event, characters, events, fields},
};

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let mut package = Package::open(bytes)?;
    package.tell_if_salvaged(draft);
    tell(&mut package, draft);
    let main = package
        .relations("")
        .into_iter()
        .find(|(_, kind, _)| kind == "officeDocument")
        .map_or_else(|| "word/document.xml".to_owned(), |(.., target)| target);
    let styles = styles(&package.text("word/styles.xml"));
    let (document, problem) =
        package.bytes(&main).map_err(|reason| Error::damaged(format!("{main}: {reason}")))?;
    if let Some(reason) = problem {
        draft.broken(&main, format!("the rest was not read: {reason}"));
    }
    Body::new(&styles, draft).read(&super::package::as_text(&document));
    for (part, label) in [
        ("word/footnotes.xml", "footnotes"),
        ("word/endnotes.xml", "endnotes"),
        ("word/comments.xml", "comments"),
    ] {
        let xml = package.text(part);
        if xml.contains("<w:t") {
            draft.part(Part { entry: Some(label.into()), ..Part::default() });
            Body::new(&styles, draft).read(&xml);
        }
    }
    draft.end();
    Ok(())
}

/// What a document of Office says of itself.
pub(super) fn tell(package: &mut Package<'_>, draft: &mut Draft) {
    let xml = package.text("docProps/core.xml");
    for (name, value) in
        fields(&xml, &["title", "creator", "subject", "keywords", "created", "language", "description"])
    {
        match name.as_str() {
            "title" => draft.title = Some(value),
            "creator" => draft.tell("author", &value),
            "language" => draft.language = Some(value),
            other => draft.tell(other, &value),
        }
    }
}

/// The level of heading of each style that is one.
fn styles(xml: &str) -> HashMap<String, u8> {
    let mut levels = HashMap::new();
    let mut style = String::new();
    for event in events(xml) {
        let Event::Open(element) = event else { continue };
        let value = || element.attribute("val").unwrap_or_default();
        match element.name {
            "style" => style = element.attribute("styleId").unwrap_or_default(),
            "name" => {
                let name = value().to_ascii_lowercase();
                let level = name.strip_prefix("heading ").and_then(|level| level.trim().parse().ok());
                let level =
                    level.or_else(|| (name == "title").then_some(1)).filter(|level| (1..=9).contains(level));
                levels.extend(level.map(|level| (style.clone(), level)));
            }
            "outlineLvl" => {
                if let Ok(level @ 0..=8) = value().parse::<u8>() {
                    levels.entry(style.clone()).or_insert(level + 1);
                }
            }
            _ => {}
        }
    }
    levels
}

struct Body<'d> {
    styles: &'d HashMap<String, u8>,
    draft: &'d mut Draft,
    /// Open elements whose text is passed over.
    hidden: u32,
    in_text: bool,
    /// Where the paragraph began.
    paragraph: usize,
    level: Option<u8>,
    item: bool,
    tables: u32,
    cells: u32,
    table: usize,
}

impl<'d> Body<'d> {
    fn new(styles: &'d HashMap<String, u8>, draft: &'d mut Draft) -> Self {
        let paragraph = draft.len();
        Self {
            styles,
            draft,
            hidden: 0,
            in_text: false,
            paragraph,
            level: None,
            item: false,
            tables: 0,
            cells: 0,
            table: 0,
        }
    }

    fn read(&mut self, xml: &str) {
        for event in events(xml) {
            match event {
                Event::Open(element) => self.open(element),
                Event::Close(name) => self.close(name),
                Event::Text(text, literal) if self.in_text && self.hidden == 0 => {
                    self.draft.push(&characters(text, literal), At::default());
                }
                Event::Text(..) => {}
            }
            if self.draft.is_full() {
                return;
            }
        }
    }

    fn open(&mut self, element: Element<'_>) {
        // A picture's replacement says what the picture says already; what is deleted is gone.
        if matches!(element.name, "Fallback" | "del" | "moveFrom") {
            self.hidden += u32::from(!element.empty);
            return;
        }
        if self.hidden > 0 {
            return;
        }
        let value = || element.attribute("val").unwrap_or_default();
        match element.name {
            "t" => self.in_text = !element.empty,
            "tab" if self.draft.len() > self.paragraph => {
                self.draft.append("\t");
            }
            "br" | "cr" => {
                self.draft.append("\n");
            }
            "noBreakHyphen" => {
                self.draft.append("-");
            }
            "p" if self.tables == 0 => {
                self.draft.line(1);
                (self.paragraph, self.level, self.item) = (self.draft.len(), None, false);
            }
            "p" => (self.level, self.item) = (None, false),
            "pStyle" => {
                let style = value();
                let own =
                    style.to_ascii_lowercase().strip_prefix("heading").and_then(|level| level.parse().ok());
                self.level = self.styles.get(&style).copied().or(own).filter(|level| (1..=9).contains(level));
            }
            "outlineLvl" => {
                self.level = value().parse::<u8>().ok().filter(|level| *level < 9).map(|level| level + 1);
            }
            "numPr" if self.tables == 0 && self.draft.len() == self.paragraph => {
                self.item = true;
                // Items of one list stand close together.
                let close = self.draft.text().ends_with("\n\n")
                    && self
                        .draft
                        .text()
                        .trim_end()
                        .rsplit('\n')
                        .next()
                        .is_some_and(|line| line.starts_with("- "));
                if close {
                    self.draft.cut(self.draft.len() - 1);
                }
                self.draft.append("- ");
                self.paragraph = self.draft.len();
            }
            "tbl" => {
                if self.tables == 0 {
                    self.draft.line(1);
                    self.table = self.draft.len();
                }
                self.tables += u32::from(!element.empty);
            }
            "tr" if self.tables == 1 => {
                self.draft.line(0);
                self.cells = 0;
            }
            "tc" if self.tables == 1 => {
                if self.cells > 0 {
                    self.draft.append(" | ");
                }
                self.cells += 1;
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if matches!(name, "Fallback" | "del" | "moveFrom") {
            self.hidden = self.hidden.saturating_sub(1);
            return;
        }
        match name {
            "t" => self.in_text = false,
            "p" if self.tables > 0 => {
                let spaced = self.draft.text().ends_with([' ', '\n']);
                self.draft.append(if spaced { "" } else { " " });
            }
            "p" => {
                let title = self.draft.text().get(self.paragraph..).unwrap_or_default().to_owned();
                if let Some(level) = self.level.take() {
                    self.draft.heading(self.paragraph, level, &title);
                }
            }
            "tc" if self.tables == 1 => {
                let kept = self.draft.text().trim_end_matches(' ').len();
                // What separates the cells stays.
                if !self.draft.text()[..kept].ends_with('|') {
                    self.draft.cut(kept);
                }
            }
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.draft.line(0);
                    self.draft.block(self.table, Block::Table);
                    self.paragraph = self.draft.len();
                }
            }
            _ => {}
        }
    }
}
