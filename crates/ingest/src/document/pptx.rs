//! Presentations (ECMA-376, part 1, 19).

use super::{
    Error, Part,
    draft::{At, Draft},
    package::Package,
    xml::{Event, characters, events},
};

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let mut package = Package::open(bytes)?;
    package.tell_if_salvaged(draft);
    super::docx::tell(&mut package, draft);
    let slides = slides(&mut package);
    if slides.is_empty() {
        if package.text("ppt/presentation.xml").is_empty() {
            return Err(Error::damaged("no slide can be found in it"));
        }
        draft.notice("", "it has no slides");
    }
    draft.tell("slides", &slides.len().to_string());
    for (number, slide) in (1..).zip(slides) {
        draft.part(Part { slide: Some(number), ..Part::default() });
        match package.bytes(&slide) {
            Ok((xml, problem)) => {
                if let Some(reason) = problem {
                    draft.broken(format!("slide {number}"), format!("the rest of it was not read: {reason}"));
                }
                shapes(&super::package::as_text(&xml), true, draft);
            }
            Err(reason) => draft.skipped(format!("slide {number}"), reason),
        }
        for (_, kind, target) in package.relations(&slide) {
            match kind.as_str() {
                "notesSlide" => {
                    let xml = package.text(&target);
                    draft.line(1);
                    let before = draft.len();
                    draft.append("Notes:\n");
                    let start = draft.len();
                    shapes(&xml, false, draft);
                    if draft.text().get(start..).is_none_or(|notes| notes.trim().is_empty()) {
                        draft.cut(before);
                    }
                }
                "diagramData" => shapes(&package.text(&target), false, draft),
                _ => {}
            }
        }
        if draft.is_full() {
            break;
        }
    }
    draft.end();
    Ok(())
}

/// The slides in the order in which they are shown.
fn slides(package: &mut Package<'_>) -> Vec<String> {
    let main = "ppt/presentation.xml";
    let relations = package.relations(main);
    let xml = package.text(main);
    let shown: Vec<String> = events(&xml)
        .filter_map(|event| match event {
            Event::Open(element) if element.name == "sldId" => element.attribute("r:id"),
            _ => None,
        })
        .filter_map(|id| relations.iter().find(|(known, ..)| *known == id).map(|(.., target)| target.clone()))
        .collect();
    if !shown.is_empty() {
        return shown;
    }
    let number = |name: &str| -> Option<u32> {
        name.strip_prefix("ppt/slides/slide")?.strip_suffix(".xml")?.parse().ok()
    };
    let mut found: Vec<(u32, String)> =
        package.names().into_iter().filter_map(|name| Some((number(&name)?, name))).collect();
    found.sort();
    found.into_iter().map(|(_, name)| name).collect()
}

/// The text of a slide's shapes, in their order; titles are headings.
fn shapes(xml: &str, titles: bool, draft: &mut Draft) {
    let (mut in_text, mut title, mut left_out, mut cells, mut in_table) = (false, false, false, 0, false);
    let mut paragraph = draft.len();
    for event in events(xml) {
        match event {
            Event::Open(element) => match element.name {
                "sp" | "graphicFrame" => (title, left_out) = (false, false),
                "ph" => {
                    let kind = element.attribute("type").unwrap_or_default();
                    title = titles && matches!(kind.as_str(), "title" | "ctrTitle");
                    // Numbers of slides, dates, what stands on every slide; in notes the picture of the slide.
                    left_out = matches!(kind.as_str(), "sldNum" | "dt" | "ftr" | "hdr" | "sldImg");
                }
                "tbl" => in_table = true,
                "tr" => {
                    draft.line(0);
                    cells = 0;
                }
                "tc" => {
                    if cells > 0 {
                        draft.append(" | ");
                    }
                    cells += 1;
                }
                "p" if !in_table && !element.empty => {
                    draft.line(0);
                    paragraph = draft.len();
                }
                "br" if !left_out => {
                    draft.append(if title { " " } else { "\n" });
                }
                "t" => in_text = !element.empty && !left_out,
                _ => {}
            },
            Event::Text(text, literal) if in_text => draft.push(&characters(text, literal), At::default()),
            Event::Text(..) => {}
            Event::Close("t") => in_text = false,
            Event::Close("tbl") => in_table = false,
            Event::Close("p") if title => {
                let words = draft.text().get(paragraph..).unwrap_or_default().to_owned();
                draft.heading(paragraph, 1, &words);
            }
            Event::Close("p") if in_table => {
                draft.append(" ");
            }
            Event::Close("sp" | "graphicFrame") => draft.line(0),
            Event::Close(_) => {}
        }
        if draft.is_full() {
            return;
        }
    }
    draft.line(0);
}
