//! A file whose objects cannot be followed: all of them, as they stand in it one after the other.
//!
//! Readers that show damaged files do so: where a table is wrong, `7 0 obj` still says where the seventh object begins, and
//! where it ends is known by what comes next. Objects are read as leniently as contents of pages are, so that one wrong letter
//! costs what stands around it and not the object.

use lopdf::{Dictionary, Document, Object, ObjectId, ObjectStream, Stream, StringFormat};
use memchr::memmem;

use super::tokens::{Operand, Token, Tokens};

/// What one stream of objects may inflate to.
const OBJECTS_BYTES_MAX: usize = 64 << 20;
/// Trailers looked at, from the end, and how far each is read.
const TRAILERS_MAX: usize = 64;
const TRAILER_BYTES_MAX: usize = 16 << 10;

/// Makes a document of every object that stands in `bytes`; of those with one number, the last one counts. It may have none.
pub(super) fn rescue(bytes: &[u8]) -> Document {
    let mut document = Document::new();
    let heads = heads(bytes);
    let mut ends = Ends { bytes, none: false };
    // Where the last stream ends: what looks like an object in it is a part of it.
    let mut passed = 0;
    for (place, head) in heads.iter().enumerate() {
        if head.start < passed {
            continue;
        }
        let end = heads.get(place + 1).map_or(bytes.len(), |next| next.start);
        let mut tokens = Tokens::of_objects(bytes.get(head.body..end).unwrap_or_default());
        let Some(Token::Operand(operand)) = tokens.next() else { continue };
        let mut object = object(operand);
        if let Object::Dictionary(dictionary) = &mut object
            && tokens.next() == Some(Token::Operator(b"stream"))
        {
            let content = ends.stream(head.body + tokens.at(), dictionary);
            passed = content.end;
            object = Object::Stream(Stream::new(std::mem::take(dictionary), bytes[content].to_vec()));
        }
        document.objects.insert(head.id, object);
    }
    document.max_id = document.objects.keys().map(|id| id.0).max().unwrap_or(0);
    document.trailer = trailer(bytes, &document);
    if let Ok(Object::Dictionary(encryption)) = document.trailer.get(b"Encrypt") {
        // lopdf knows it as an object of its own only.
        let id = document.add_object(encryption.clone());
        document.trailer.set("Encrypt", id);
    }
    if !document.is_encrypted() {
        unpack(&mut document);
    }
    document
}

/// Where an object begins.
struct Head {
    id: ObjectId,
    start: usize,
    body: usize,
}

/// Finds each `NUMBER GENERATION obj`.
fn heads(bytes: &[u8]) -> Vec<Head> {
    let head = |at: usize| {
        let (generation, rest) = number_before(&bytes[..at])?;
        let (number, rest) = number_before(rest)?;
        let id = (u32::try_from(number).ok()?, u16::try_from(generation).ok()?);
        Some(Head { id, start: rest.len(), body: at + 3 })
    };
    memmem::find_iter(bytes, b"obj").filter_map(head).collect()
}

/// The number at the end, white space behind it aside, and what is before it.
fn number_before(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let bytes = bytes.trim_ascii_end();
    let digits = bytes.iter().rev().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, digits) = bytes.split_at(bytes.len() - digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// Finds where streams end, and looks no more once there are no ends left.
struct Ends<'a> {
    bytes: &'a [u8],
    none: bool,
}

impl Ends<'_> {
    /// The bytes of the stream whose word `stream` ends here.
    fn stream(&mut self, from: usize, dictionary: &Dictionary) -> std::ops::Range<usize> {
        let rest = self.bytes.get(from..).unwrap_or_default();
        let start = match rest {
            [b'\r', b'\n', ..] => from + 2,
            [b'\r' | b'\n', ..] => from + 1,
            _ => from,
        };
        let length = dictionary.get(b"Length").and_then(Object::as_i64).ok();
        if let Some(end) = length.and_then(|length| start.checked_add(usize::try_from(length).ok()?))
            && self.bytes.get(end..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"endstream"))
        {
            return start..end;
        }
        let found = if self.none { None } else { memmem::find(&self.bytes[start..], b"endstream") };
        self.none = found.is_none();
        let end = found.map_or(self.bytes.len(), |found| start + found);
        let content = &self.bytes[start..end];
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        start..start + content.strip_suffix(b"\r").unwrap_or(content).len()
    }
}

/// What says where the pages are and how they are encrypted: the last trailer that leads to a catalog, the dictionary of a
/// stream that stands for one, or what can be put in its place.
fn trailer(bytes: &[u8], document: &Document) -> Dictionary {
    let written = memmem::rfind_iter(bytes, b"trailer").take(TRAILERS_MAX).filter_map(|at| {
        let end = bytes.len().min(at + TRAILER_BYTES_MAX);
        match Tokens::of_objects(&bytes[at + 7..end]).next()? {
            Token::Operand(operand) => object(operand).as_dict().ok().cloned(),
            Token::Operator(_) => None,
        }
    });
    let streams = document.objects.values().rev().filter_map(|object| object.as_stream().ok());
    let streams = streams.filter(|stream| stream.dict.has_type(b"XRef")).map(|stream| stream.dict.clone());
    let leads = |trailer: &Dictionary| is_dictionary(document, trailer, b"Root");
    let mut trailer = written.chain(streams).find(leads).unwrap_or_else(|| {
        let is_catalog = |object: &Object| object.as_dict().is_ok_and(|object| object.has_type(b"Catalog"));
        let catalog = document.objects.iter().rev().find(|(_, object)| is_catalog(object));
        let root = catalog.map(|(id, _)| ("Root", Object::Reference(*id)));
        root.into_iter().collect()
    });
    if !is_dictionary(document, &trailer, b"Encrypt") {
        trailer.remove(b"Encrypt");
    }
    trailer
}

fn is_dictionary(document: &Document, from: &Dictionary, key: &[u8]) -> bool {
    super::objects::dictionary(document, from, key).is_some()
}

/// Adds the objects that stand in streams, where there is none of their number outside.
fn unpack(document: &mut Document) {
    let streams = document.objects.values().filter_map(|object| object.as_stream().ok());
    let packed: Vec<ObjectStream> = streams
        .filter(|stream| stream.dict.has_type(b"ObjStm"))
        .filter_map(|stream| ObjectStream::new_with_limit(stream, Some(OBJECTS_BYTES_MAX)).ok())
        .collect();
    for (id, object) in packed.into_iter().flat_map(|stream| stream.objects) {
        document.objects.entry(id).or_insert(object);
    }
}

fn object(operand: Operand) -> Object {
    match operand {
        Operand::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Object::Integer(number as i64)
        }
        Operand::Number(number) => Object::Real(number as f32),
        Operand::Boolean(is) => Object::Boolean(is),
        Operand::Reference(id) => Object::Reference(id),
        Operand::Name(name) => Object::Name(name),
        Operand::Text(text) => Object::String(text, StringFormat::Literal),
        Operand::Array(items) => Object::Array(items.into_iter().map(object).collect()),
        Operand::Dictionary(entries) => {
            Object::Dictionary(entries.into_iter().map(|(key, value)| (key, object(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn objects_are_found_where_they_stand() {
        let bytes = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/Lang (a\\) b) /X true>>\n\
            2 0 obj << /Kids [3 0 R null 4 0 R] /Count 2 >> endobj \
            3 0 obj << /Length 99 >> stream\r\nsee 7 0 obj\r\nendstream endobj \
            4 0 obj << /Length 20 >> stream\nan endstream is here\nendstream \
            2 0 obj << /Kids [3 0 R] /Broken] > /Count 1 >> 5 0 obj 12.5 endobj \
            trailer << /Root 9 0 R >> trailer << /Root 1 0 R /Encrypt 5 0 R >>";
        let document = rescue(bytes);
        let ids: Vec<u32> = document.objects.keys().map(|id| id.0).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5]);
        let dictionary = |number: u32| document.get_dictionary((number, 0)).unwrap();
        assert_eq!(dictionary(1).get(b"Lang").unwrap().as_str().unwrap(), b"a) b");
        assert_eq!(dictionary(1).get(b"X").unwrap(), &Object::Boolean(true));
        assert_eq!(dictionary(2).get(b"Kids").unwrap(), &Object::Array(vec![Object::Reference((3, 0))]));
        let content = |number: u32| &document.get_object((number, 0)).unwrap().as_stream().unwrap().content;
        assert_eq!(content(3), b"see 7 0 obj");
        assert_eq!(content(4), b"an endstream is here");
        assert_eq!(document.trailer, Dictionary::from_iter([("Root", Object::Reference((1, 0)))]));
    }

    proptest! {
        #[test]
        fn any_words_end(words in proptest::collection::vec(prop::sample::select(vec![
            "1 0 obj", "<<", ">>", "/Length 3", "/Type /ObjStm", "stream\n", "endstream", "endobj", "[", "2 0 R", "trailer",
            "/Root 1 0 R", "99999999999 0 obj", "0 70000 obj", "(", ")", "/N 1 /First 4",
        ]), 0..60)) {
            rescue(words.join(" ").as_bytes());
        }
    }

    #[test]
    fn what_never_ends_is_looked_for_once() {
        rescue(&b"1 0 obj <<>> stream\n".repeat(200_000));
        rescue(&b"1 0 obj << trailer <<".repeat(200_000));
    }
}
