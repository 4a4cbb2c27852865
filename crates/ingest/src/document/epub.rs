//! EPUB: chapters of HTML in the order of the spine (EPUB 3.3).

use super::{
    Error, Part,
    draft::Draft,
    package::{Package, as_text, joined},
    web,
    xml::{Event, events, fields},
};

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let mut package = Package::open(bytes)?;
    package.tell_if_salvaged(draft);
    let container = package.text("META-INF/container.xml");
    let root = events(&container).find_map(|event| match event {
        Event::Open(element) if element.name == "rootfile" => element.attribute("full-path"),
        _ => None,
    });
    let root = root
        .or_else(|| package.names().into_iter().find(|name| name.ends_with(".opf")))
        .ok_or_else(|| Error::damaged("it does not say where its chapters are"))?;
    let opf = package.text(&root);
    tell(&opf, draft);
    let chapters = spine(&root, &opf);
    let locked = package.text("META-INF/encryption.xml");
    let said = (draft.title.take(), draft.language.take());
    let mut missing = 0;
    for chapter in &chapters {
        if locked.contains(&format!("\"{chapter}\"")) {
            return Err(Error::Locked);
        }
        match package.bytes(chapter) {
            Ok((bytes, problem)) => {
                if let Some(reason) = problem {
                    draft.broken(chapter, format!("the rest of it was not read: {reason}"));
                }
                draft.part(Part { entry: Some(chapter.as_str().into()), ..Part::default() });
                web::render(&as_text(&bytes), None, draft);
            }
            Err(reason) => {
                missing += 1;
                draft.skipped(chapter, reason);
            }
        }
        if draft.is_full() {
            break;
        }
    }
    draft.metadata.remove("left_out");
    (draft.title, draft.language) = (said.0.or(draft.title.take()), said.1.or(draft.language.take()));
    if missing == chapters.len() {
        return Err(Error::damaged("no chapter can be found in it"));
    }
    Ok(())
}

fn tell(opf: &str, draft: &mut Draft) {
    for (name, value) in
        fields(opf, &["title", "creator", "language", "date", "publisher", "description", "subject"])
    {
        match name.as_str() {
            "title" if draft.title.is_none() => draft.title = Some(value),
            "language" if draft.language.is_none() => draft.language = Some(value),
            "creator" => draft.tell("author", &value),
            "date" => draft.tell("created", &value),
            "title" | "language" => {}
            other => draft.tell(other, &value),
        }
    }
}

/// The chapters' paths in the archive.
fn spine(root: &str, opf: &str) -> Vec<String> {
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut items = std::collections::HashMap::new();
    let mut chapters = Vec::new();
    for event in events(opf) {
        let Event::Open(element) = event else { continue };
        match element.name {
            "item" => {
                if let (Some(id), Some(path)) = (element.attribute("id"), element.attribute("href")) {
                    items.insert(id, joined(folder, &unescaped(&path)));
                }
            }
            "itemref" => {
                chapters.extend(element.attribute("idref").and_then(|id| items.get(&id).cloned()));
            }
            _ => {}
        }
    }
    chapters.dedup();
    chapters
}

/// `%20` and the like.
fn unescaped(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
