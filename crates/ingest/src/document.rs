//! Foreign documents in, text with places out.
//!
//! ```
//! use athenaeum_ingest::document::{self, Format, Options};
//!
//! let reading = document::read_bytes("bread.md", b"# Bread\n\nIt rises *slowly*.\n", &Options::default())?;
//! assert_eq!((reading.format, reading.title.as_deref()), (Format::Markdown, Some("Bread")));
//!
//! let slowly = reading.text.find("slowly").unwrap();
//! let place = reading.places.at(slowly);
//! assert_eq!((place.line, place.headings), (Some(3), vec!["Bread".to_owned()]));
//! # Ok::<(), athenaeum_ingest::document::Error>(())
//! ```
//!
//! [`read`] finds out by content and then by name what a file is, and gives a [`Reading`]: its text in reading order,
//! and [`Places`] that lead from any byte of that text back to page, slide, sheet and row, headings, line, and, where
//! the file is text itself, to its bytes. [`chunk`](crate::chunk) cuts a reading into pieces for search.
//!
//! Damage costs no more than what is damaged: the rest is in the reading, beside a list of problems. An [`Error`]
//! says why there is no text at all, in a way that a program can act on ([`Error::kind`]).
//!
//! **Invariant:** the source is never written to; whatever its bytes are, memory stays within [`Options`]'s limits.

pub mod child;
mod docx;
mod draft;
mod epub;
mod error;
mod format;
mod letters;
mod mail;
mod markdown;
mod notebook;
mod odf;
mod options;
mod package;
mod pdf;
mod picture;
mod places;
mod plain;
mod pptx;
mod rtf;
mod sheets;
mod table;
mod web;
mod xml;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, Write},
    path::Path,
};

use athenaeum_core::Problem;

use self::draft::Draft;
pub use self::{
    error::{Error, Kind},
    format::Format,
    options::{Ocr, Options},
    places::{Block, Heading, Part, Place, Places, Stretch},
};

/// A document's text and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What the file is.
    pub format: Format,
    /// As the document says of itself, or its first heading of the highest level.
    pub title: Option<String>,
    /// As the document says of itself: a BCP 47 tag such as `en` or `pt-BR`.
    pub language: Option<String>,
    /// Its text in reading order; lines end in `\n`. Without NUL characters.
    pub text: String,
    /// Where each part of `text` comes from.
    pub places: Places,
    /// What could not be read; `file` is the file's name.
    pub problems: Vec<Problem>,
    /// The bytes that were read.
    pub source: Source,
    /// What else the document says of itself, by lower-case names: `author`, `created`, `pages`, `subject`, `from`, …
    pub metadata: BTreeMap<String, String>,
}

/// The bytes of a document, by which it is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    /// BLAKE3 of the whole file.
    pub blake3: [u8; 32],
    /// The file's length.
    pub bytes: u64,
}

impl Source {
    /// Hashes bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self { blake3: *blake3::hash(bytes).as_bytes(), bytes: bytes.len() as u64 }
    }
}

/// Reads the text of a file. Blocks, for up to the time limits of [`Options`].
///
/// # Errors
/// [`Error::Open`] where there is no file or it may not be read, [`Error::TooLarge`] beyond
/// [`Options::bytes_max`], and what [`read_bytes`] says.
pub fn read(path: &Path, options: &Options) -> Result<Reading, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
    }
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::with_capacity(metadata.len().min(options.bytes_max).try_into().unwrap_or(0));
    file.take(options.bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    read_bytes(&name, &bytes, options)
}

/// Reads the text of a document that is in memory; `name` helps where the content leaves its format open.
///
/// # Errors
/// [`Error::Unknown`] where the bytes are of no format that is read here, [`Error::Locked`] where a password is
/// missing, [`Error::Damaged`] where nothing could be made out, [`Error::TooLarge`] beyond [`Options::bytes_max`].
pub fn read_bytes(name: &str, bytes: &[u8], options: &Options) -> Result<Reading, Error> {
    if bytes.len() as u64 > options.bytes_max {
        return Err(Error::TooLarge { bytes: bytes.len() as u64, bytes_max: options.bytes_max });
    }
    let format = match options.format {
        Some(format) => format,
        None => format::recognise(name, bytes)?,
    };
    let mut draft = Draft::new(name, options);
    let read = match &options.child {
        Some(child) if format.is_risky() => {
            let input = stored(bytes)
                .map_err(|error| Error::GivenUp { reason: format!("no room to hand it over: {error}") })?;
            child::read(child, format, input, &mut draft)
        }
        _ => read_here(format, bytes, &mut draft),
    };
    match read {
        Err(Error::Pictures { pages }) if format == Format::Pdf => picture::scanned(pages, &mut draft)?,
        Ok(()) if format == Format::Pdf => picture::scanned(0, &mut draft)?,
        read => read?,
    }
    Ok(draft.finish(format, Source::of(bytes)))
}

/// A file without a name that holds these bytes.
fn stored(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Reads in this process.
fn read_here(format: Format, bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    match format {
        Format::Text | Format::Code | Format::Json | Format::JsonLines | Format::Xml => {
            plain::read(bytes, format, draft);
            Ok(())
        }
        Format::Markdown => {
            markdown::read(bytes, draft);
            Ok(())
        }
        Format::Html => {
            web::read(bytes, draft);
            Ok(())
        }
        Format::Csv => {
            table::read(bytes, draft);
            Ok(())
        }
        Format::Pdf => pdf::read(bytes, draft),
        Format::Docx => docx::read(bytes, draft),
        Format::Pptx => pptx::read(bytes, draft),
        Format::Xlsx | Format::Xls | Format::Xlsb | Format::Ods => sheets::read(bytes, format, draft),
        Format::Odt | Format::Odp => odf::read(bytes, draft),
        Format::Epub => epub::read(bytes, draft),
        Format::Rtf => rtf::read(bytes, draft),
        Format::Mail => mail::read(bytes, draft),
        Format::Mailbox => mail::read_box(bytes, draft),
        Format::Notebook => notebook::read(bytes, draft),
        Format::Picture => picture::read(bytes, draft),
    }
}

/// Text as `Reading` promises it: no NUL, lines end in `\n`.
fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\r']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', " "))
}
