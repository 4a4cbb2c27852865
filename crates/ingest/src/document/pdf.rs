//! PDF: the objects by lopdf, the text by ourselves (`docs/decisions/0221-pdf-text-of-our-own.md`).
//!
//! A page's content is run for its letters and their places (`machine`, `font`); letters become words and lines by the
//! distances between them (`words`), lines are put in reading order (`columns`), and paragraphs are made of them.

mod bidi;
mod cmap;
mod columns;
mod encoding;
mod font;
mod glyphs;
mod machine;
mod matrix;
mod objects;
mod paragraphs;
mod pictures;
mod rescue;
mod tokens;
mod words;

use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId};

use self::{
    machine::{Fonts, Glyph, Machine},
    matrix::Matrix,
    objects::{array, bytes, dictionary, get, name, number_of, numbers, resolve, text},
    paragraphs::Paragraph,
};
use super::{
    Error, Part,
    draft::{At, Draft},
};

/// What object streams may inflate to.
const OBJECTS_BYTES_MAX: usize = 256 << 20;
/// Parents of a page are asked for what it does not say itself, so far up.
const PARENTS_MAX: u32 = 64;
/// Annotations looked at on one page.
const ANNOTATIONS_MAX: usize = 5_000;

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let document = open(bytes)?;
    tell(&document, draft);
    let pages = pages(&document);
    draft.tell("pages", &pages.len().to_string());
    let layers = hidden_layers(&document);
    let mut fonts = Fonts::default();
    let mut body = Body::default();
    let mut pictures = 0;
    let mut letters = 0;
    for (number, page) in (1..).zip(pages) {
        if draft.is_full() {
            break;
        }
        let Ok(page) = document.get_dictionary(page) else {
            draft.skipped(format!("page {number}"), "the page is not in the file");
            continue;
        };
        let before = draft.len();
        let (glyphs, drawn) = glyphs(&document, page, &mut fonts, &layers);
        draft.part(Part { page: Some(number), ..Part::default() });
        write(&glyphs, &mut body, draft);
        letters += draft.len() - before;
        if draft.len() - before < 8 && !drawn.is_empty() {
            pictures += 1;
            if draft.wants_pictures()
                && let Some(picture) = pictures::largest(&document, &drawn)
            {
                draft.picture(number, picture);
            }
        }
        draft.flush();
    }
    if letters == 0 && pictures > 0 {
        return Err(Error::Pictures { pages: pictures });
    }
    if pictures > 0 {
        draft.notice("", format!("{pictures} pages hold pictures and no text"));
    } else if letters == 0 {
        draft.notice("", "there is no text on its pages".to_owned());
    }
    Ok(())
}

fn open(bytes: &[u8]) -> Result<Document, Error> {
    let options = LoadOptions { max_decompressed_size: Some(OBJECTS_BYTES_MAX), ..LoadOptions::default() };
    match load(bytes, &options) {
        Ok(document) => Ok(document),
        Err(Error::Locked) if only_attachments_are_locked(bytes) => {
            // The same file without the word that says so.
            let mut bytes = bytes.to_vec();
            while let Some(found) = memchr::memmem::rfind(&bytes, b"/Encrypt") {
                bytes[found + 1] = b'e';
            }
            load(&bytes, &options)
        }
        Err(error) => Err(error),
    }
}

/// Opens what leads to at least one page: as it is written; by the objects that lopdf finds in it, where its table is wrong;
/// by those that we do, where they are wrong as well.
fn load(bytes: &[u8], options: &LoadOptions) -> Result<Document, Error> {
    let mut failed = None;
    for by in [By::Table, By::Objects, By::Rescue] {
        let document = match by {
            By::Table => Document::load_mem_with_options(bytes, options.clone()),
            By::Objects => {
                let options = LoadOptions { force_reconstruct: true, ..options.clone() };
                Document::load_mem_with_options(bytes, options)
            }
            By::Rescue => Ok(rescue::rescue(bytes)),
        };
        let opened = document.map_err(|error| match is_password(&error) {
            true => Error::Locked,
            false => Error::damaged(error.to_string()),
        });
        let opened =
            opened.and_then(|mut document| match document.is_encrypted() && document.decrypt("").is_err() {
                true => Err(Error::Locked),
                false => Ok(document),
            });
        match opened {
            Ok(mut document) => {
                if by == By::Table {
                    measure(&mut document, bytes);
                }
                if !pages(&document).is_empty() {
                    return Ok(document);
                }
            }
            // What tells why is what was said first, and that there is a password above all.
            Err(error) if failed.is_none() || matches!(error, Error::Locked) => failed = Some(error),
            Err(_) => {}
        }
    }
    Err(failed.unwrap_or_else(|| Error::damaged("no page can be found in it")))
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Table,
    Objects,
    Rescue,
}

/// Streams that do not say how long they are go on until the word that ends them.
fn measure(document: &mut Document, bytes: &[u8]) {
    let begin = memchr::memmem::find(bytes, b"%PDF-").unwrap_or(0);
    for object in document.objects.values_mut() {
        let Object::Stream(stream) = object else { continue };
        let start = stream.start_position.filter(|_| stream.content.is_empty()).map(|start| start + begin);
        let Some(rest) = start.and_then(|start| bytes.get(start..)) else { continue };
        if let Some(end) = memchr::memmem::find(rest, b"endstream") {
            let content = rest[..end].strip_suffix(b"\n").unwrap_or(&rest[..end]);
            stream.content = content.strip_suffix(b"\r").unwrap_or(content).to_vec();
        }
    }
}

/// Whether the streams of the pages are said not to be encrypted (ISO 32000-2, table 20, `StmF`).
fn only_attachments_are_locked(bytes: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"/StmF /Identity", b"/StmF/Identity"];
    names.iter().any(|name| memchr::memmem::find(bytes, name).is_some())
}

/// The pages in order; where no tree leads to them, all that there are, in the order of their numbers: what says that it is one,
/// or, where nothing does, what has the shape of one.
fn pages(document: &Document) -> Vec<ObjectId> {
    let mut seen = std::collections::HashSet::new();
    let mut pages: Vec<ObjectId> = Vec::new();
    // A loop, since collecting makes room for as many pages as the file says there are, be it ten billion.
    for page in document.page_iter() {
        if seen.insert(page) {
            pages.push(page);
        }
    }
    if !pages.is_empty() {
        return pages;
    }
    let those = |is_page: fn(&Dictionary) -> bool| -> Vec<ObjectId> {
        let pages = document.objects.iter().filter(|(_, object)| object.as_dict().is_ok_and(is_page));
        pages.map(|(id, _)| *id).collect()
    };
    let pages = those(|page| page.has_type(b"Page"));
    if !pages.is_empty() {
        return pages;
    }
    those(is_like_a_page)
}

fn is_like_a_page(object: &Dictionary) -> bool {
    let parts: [&[u8]; 3] = [b"MediaBox", b"Contents", b"Resources"];
    !object.has(b"Type") && object.has(b"Parent") && parts.iter().any(|part| object.has(part))
}

fn is_password(error: &lopdf::Error) -> bool {
    matches!(
        error,
        lopdf::Error::InvalidPassword | lopdf::Error::Decryption(_) | lopdf::Error::Unimplemented(_)
    )
}

/// What the document says of itself.
fn tell(document: &Document, draft: &mut Draft) {
    if let Some(info) = dictionary(document, &document.trailer, b"Info") {
        draft.title = text(document, info, b"Title").filter(|title| !title.trim().is_empty());
        for (key, known) in [
            (&b"Author"[..], "author"),
            (b"Subject", "subject"),
            (b"Keywords", "keywords"),
            (b"Creator", "program"),
        ] {
            if let Some(value) = text(document, info, key) {
                draft.tell(known, &value);
            }
        }
        if let Some(date) = text(document, info, b"CreationDate").as_deref().and_then(date) {
            draft.tell("created", &date);
        }
    }
    if let Ok(catalog) = document.catalog() {
        draft.language = text(document, catalog, b"Lang");
    }
}

/// `D:20240131…` as `2024-01-31`.
fn date(date: &str) -> Option<String> {
    let digits = date
        .trim_start_matches("D:")
        .get(..8)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

/// The layers that are not shown unless somebody asks for them.
fn hidden_layers(document: &Document) -> Vec<ObjectId> {
    let hidden = || {
        let properties = dictionary(document, document.catalog().ok()?, b"OCProperties")?;
        let usual = dictionary(document, properties, b"D")?;
        let off = array(document, usual, b"OFF")?;
        Some(off.iter().take(10_000).filter_map(|layer| layer.as_reference().ok()).collect())
    };
    hidden().unwrap_or_default()
}

/// The letters of a page, and the pictures on it.
fn glyphs(
    document: &Document,
    page: &Dictionary,
    fonts: &mut Fonts,
    layers: &[ObjectId],
) -> (Vec<Glyph>, Vec<ObjectId>) {
    let empty = Dictionary::new();
    let resources =
        inherited(document, page, b"Resources").and_then(|found| found.as_dict().ok()).unwrap_or(&empty);
    let mut bounds = [0.0, 0.0, 612.0, 792.0];
    if let Some(Object::Array(items)) = inherited(document, page, b"MediaBox") {
        let found: Vec<f64> = items.iter().filter_map(|item| objects::number(document, item)).collect();
        if let [a, b, c, d] = found.as_slice()
            && (a - c).abs() > 1.0
            && (b - d).abs() > 1.0
        {
            bounds = [a.min(*c), b.min(*d), a.max(*c), b.max(*d)];
        }
    }
    let quarter =
        inherited(document, page, b"Rotate").and_then(|turn| objects::number(document, turn)).unwrap_or(0.0);
    let rotation = match (quarter / 90.0).round() as i64 & 3 {
        1 => Matrix([0.0, -1.0, 1.0, 0.0, 0.0, 0.0]),
        2 => Matrix([-1.0, 0.0, 0.0, -1.0, 0.0, 0.0]),
        3 => Matrix([0.0, 1.0, -1.0, 0.0, 0.0, 0.0]),
        _ => Matrix::ONE,
    };
    let mut machine = Machine::new(document, fonts, layers, rotation);
    machine.run(&content(document, page), resources, 0);
    annotations(document, page, &mut machine);
    let corners = [rotation.apply(bounds[0], bounds[1]), rotation.apply(bounds[2], bounds[3])];
    let inside = |at: f64, a: f64, b: f64| (a.min(b) - 1.0..=a.max(b) + 1.0).contains(&at);
    let mut glyphs = std::mem::take(&mut machine.glyphs);
    glyphs.retain(|glyph| {
        inside(glyph.x, corners[0].0, corners[1].0)
            && inside(glyph.y, corners[0].1, corners[1].1)
            && glyph.size > 0.01
    });
    (glyphs, std::mem::take(&mut machine.pictures))
}

/// The page's streams as one; a word may begin in one and end in the next only by mistake.
fn content(document: &Document, page: &Dictionary) -> Vec<u8> {
    let mut content = Vec::new();
    let mut add = |object: &Object| {
        if let Some(Object::Stream(stream)) = resolve(document, object) {
            content.extend(bytes(document, stream));
            content.push(b'\n');
        }
        content.len() < objects::STREAM_BYTES_MAX
    };
    match get(document, page, b"Contents") {
        Some(Object::Array(streams)) => {
            for stream in streams {
                if !add(stream) {
                    break;
                }
            }
        }
        Some(stream) => {
            add(stream);
        }
        None => {}
    }
    content
}

fn inherited<'d>(document: &'d Document, page: &'d Dictionary, key: &[u8]) -> Option<&'d Object> {
    let mut node = page;
    for _ in 0..PARENTS_MAX {
        if let Some(found) = get(document, node, key) {
            return Some(found);
        }
        node = dictionary(document, node, b"Parent")?;
    }
    None
}

/// What was filled into forms and written into notes that are shown.
fn annotations(document: &Document, page: &Dictionary, machine: &mut Machine<'_>) {
    let Some(annotations) = array(document, page, b"Annots") else { return };
    for annotation in annotations.iter().take(ANNOTATIONS_MAX) {
        let Some(Object::Dictionary(annotation)) = resolve(document, annotation) else { continue };
        let flags = number_of(document, annotation, b"F").unwrap_or(0.0) as i64;
        // Hidden, or not to be seen on the screen (ISO 32000-2, table 167).
        if flags & (2 | 32) != 0 || name(document, annotation, b"Subtype") == Some(b"Popup") {
            continue;
        }
        let Some(rect) = numbers::<4>(document, annotation, b"Rect") else { continue };
        let normal = dictionary(document, annotation, b"AP").and_then(|all| get(document, all, b"N"));
        let stream = match normal {
            Some(Object::Stream(stream)) => Some(stream),
            Some(Object::Dictionary(states)) => {
                let state = name(document, annotation, b"AS").unwrap_or(b"Off");
                get(document, states, state).and_then(|state| state.as_stream().ok())
            }
            _ => None,
        };
        match stream {
            Some(stream) => machine.appearance(stream, rect),
            None => {
                let key: &[u8] = match name(document, annotation, b"Subtype") {
                    Some(b"FreeText") => b"Contents",
                    Some(b"Widget") if name(document, annotation, b"FT") == Some(b"Tx") => b"V",
                    _ => continue,
                };
                if let Some(text) = text(document, annotation, key) {
                    machine.written(&text, rect);
                }
            }
        }
    }
}

/// The size of the letters of the text proper, by which headings stand out.
#[derive(Default)]
struct Body {
    /// Letters by size, in half points.
    letters: std::collections::BTreeMap<u32, usize>,
}

impl Body {
    fn add(&mut self, paragraph: &Paragraph) {
        *self.letters.entry((paragraph.size * 2.0).round().clamp(0.0, 2_000.0) as u32).or_default() +=
            paragraph.text.len();
    }

    fn level(&self, paragraph: &Paragraph) -> Option<u8> {
        let (size, _) = self.letters.iter().max_by_key(|(_, letters)| **letters)?;
        let ratio = paragraph.size * 2.0 / f64::from((*size).max(1));
        let words = paragraph.text.chars().filter(|letter| letter.is_alphabetic()).count();
        let plausible =
            paragraph.lines <= 3 && (3..=200).contains(&paragraph.text.chars().count()) && words >= 3;
        match ratio {
            _ if !plausible => None,
            1.8.. => Some(1),
            1.4.. => Some(2),
            1.15.. => Some(3),
            _ => None,
        }
    }
}

/// Adds a page's text.
fn write(glyphs: &[Glyph], body: &mut Body, draft: &mut Draft) {
    let mut all = Vec::new();
    for turns in [0, 1, 3, 2] {
        if glyphs.iter().any(|glyph| glyph.turns == turns && !glyph.vertical) {
            all.push(paragraphs::paragraphs(columns::ordered(words::runs(glyphs, turns))));
        }
    }
    all.iter().flatten().for_each(|paragraph| body.add(paragraph));
    for paragraph in all.into_iter().flatten() {
        draft.line(usize::from(paragraph.apart));
        let start = draft.len();
        draft.push(&paragraph.text, At::default());
        if let Some(level) = body.level(&paragraph) {
            draft.heading(start, level, &paragraph.text);
        }
    }
    for line in words::vertical(glyphs) {
        draft.line(0);
        draft.push(&line, At::default());
    }
    draft.line(0);
}
