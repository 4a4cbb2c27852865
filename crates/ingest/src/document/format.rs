use super::{Error, package::Package};

/// The formats of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// Plain text in any encoding.
    Text,
    /// Markdown.
    Markdown,
    /// A page of the web, saved.
    Html,
    /// Program text.
    Code,
    /// One JSON value.
    Json,
    /// A JSON value a line.
    JsonLines,
    /// XML of no known vocabulary.
    Xml,
    /// Rows and cells as text, separated by commas, semicolons, tabs or bars.
    Csv,
    /// PDF.
    Pdf,
    /// A document of Word since 2007.
    Docx,
    /// A presentation of PowerPoint since 2007.
    Pptx,
    /// A workbook of Excel since 2007.
    Xlsx,
    /// A workbook of Excel before 2007.
    Xls,
    /// A binary workbook of Excel since 2007.
    Xlsb,
    /// A workbook of OpenDocument.
    Ods,
    /// A text of OpenDocument.
    Odt,
    /// A presentation of OpenDocument.
    Odp,
    /// An electronic book.
    Epub,
    /// Rich Text Format.
    Rtf,
    /// One mail.
    Mail,
    /// Mails one after the other.
    Mailbox,
    /// A notebook of Jupyter.
    Notebook,
    /// A picture: PNG, JPEG, TIFF, GIF, BMP, WebP.
    Picture,
}

impl Format {
    /// All of them, in the order of their declaration.
    pub const ALL: &[Self] = &[
        Self::Text,
        Self::Markdown,
        Self::Html,
        Self::Code,
        Self::Json,
        Self::JsonLines,
        Self::Xml,
        Self::Csv,
        Self::Pdf,
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Xls,
        Self::Xlsb,
        Self::Ods,
        Self::Odt,
        Self::Odp,
        Self::Epub,
        Self::Rtf,
        Self::Mail,
        Self::Mailbox,
        Self::Notebook,
        Self::Picture,
    ];

    /// Returns the stable lower-case name that files and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Code => "code",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Xml => "xml",
            Self::Csv => "csv",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Pptx => "pptx",
            Self::Xlsx => "xlsx",
            Self::Xls => "xls",
            Self::Xlsb => "xlsb",
            Self::Ods => "ods",
            Self::Odt => "odt",
            Self::Odp => "odp",
            Self::Epub => "epub",
            Self::Rtf => "rtf",
            Self::Mail => "mail",
            Self::Mailbox => "mailbox",
            Self::Notebook => "notebook",
            Self::Picture => "picture",
        }
    }

    /// Whether its reader can be driven to abort, and is better kept in a process of its own.
    pub(super) fn is_risky(self) -> bool {
        matches!(self, Self::Pdf | Self::Xlsx | Self::Xls | Self::Xlsb | Self::Ods)
    }

    /// Returns the format that a file's name tells of; `None` where only its content does, as of PDF and of pictures.
    pub fn by_name(name: &str) -> Option<Self> {
        let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let extension = base.rsplit_once('.')?.1.to_ascii_lowercase();
        let known = EXTENSIONS.iter().find(|(known, _)| known.contains(&extension.as_str()));
        known.map(|(_, format)| *format)
    }

    /// Returns the format of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.as_str() == name)
    }
}

/// Finds out what a file is: by its first bytes, then by its name, then by what its text looks like.
pub(super) fn recognise(name: &str, bytes: &[u8]) -> Result<Format, Error> {
    let unknown = |what| Err(Error::Unknown { what, hint: "" });
    if is_pdf(name, bytes) {
        return Ok(Format::Pdf);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return archive(bytes);
    }
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return compound(bytes);
    }
    if bytes.starts_with(b"{\\rtf") {
        return Ok(Format::Rtf);
    }
    if PICTURES.iter().any(|(at, magic)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic))) {
        return Ok(Format::Picture);
    }
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return unknown(what);
    }
    if is_binary(bytes) {
        return unknown("a binary file of an unknown kind");
    }
    if let Some(format) = Format::by_name(name) {
        return Ok(format);
    }
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    if matches!(base.as_str(), "makefile" | "dockerfile" | "justfile" | "cmakelists.txt") {
        return Ok(Format::Code);
    }
    Ok(by_text(bytes))
}

/// Some writers put a few bytes before the mark (ISO 32000-2, implementation note 13); a note or a program may speak of it.
fn is_pdf(name: &str, bytes: &[u8]) -> bool {
    match memchr::memmem::find(&bytes[..bytes.len().min(1024)], b"%PDF-") {
        None => false,
        Some(0) => true,
        Some(at) => Format::by_name(name).is_none() && bytes.get(at + 5).is_some_and(u8::is_ascii_digit),
    }
}

/// A zip archive, by what is in it.
fn archive(bytes: &[u8]) -> Result<Format, Error> {
    let mut package = Package::open(bytes)?;
    let names = package.names();
    let by = |text: &str, table: &[(&str, Format)]| {
        table.iter().find(|(part, _)| text.contains(part)).map(|(_, format)| *format)
    };
    let found = by(&package.text("mimetype"), KINDS)
        .or_else(|| {
            ARCHIVES
                .iter()
                .find(|(known, _)| names.iter().any(|name| name.starts_with(known)))
                .map(|(_, format)| *format)
        })
        .or_else(|| by(&package.text("[Content_Types].xml"), KINDS));
    let iwork =
        || names.iter().any(|name| name.ends_with(".iwa") || name == "Index.zip" || name == "index.xml");
    match found {
        Some(format) => Ok(format),
        None if iwork() => Err(Error::Unknown {
            what: "a document of Apple's Pages, Numbers or Keynote",
            hint: "; export it as PDF or for Office",
        }),
        None => Err(Error::Unknown { what: "an archive", hint: "; unpack it first" }),
    }
}

/// What an archive says of itself.
const KINDS: &[(&str, Format)] = &[
    ("epub", Format::Epub),
    ("opendocument.text", Format::Odt),
    ("opendocument.presentation", Format::Odp),
    ("opendocument.graphics", Format::Odp),
    ("opendocument.spreadsheet", Format::Ods),
    ("wordprocessingml", Format::Docx),
    ("presentationml", Format::Pptx),
    ("spreadsheetml", Format::Xlsx),
];

/// Which entry tells which format.
const ARCHIVES: &[(&str, Format)] = &[
    ("xl/workbook.bin", Format::Xlsb),
    ("xl/", Format::Xlsx),
    ("word/", Format::Docx),
    ("ppt/", Format::Pptx),
    ("META-INF/container.xml", Format::Epub),
    ("content.xml", Format::Odt),
];

/// A compound file of Microsoft, by the names in its directory, which are written in UTF-16.
fn compound(bytes: &[u8]) -> Result<Format, Error> {
    let has = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(bytes, &wide).is_some()
    };
    match () {
        () if has("EncryptedPackage") => Err(Error::Locked),
        () if has("WordDocument") => {
            Err(Error::Unknown { what: "a document of Word before 2007", hint: "; save it as DOCX or PDF" })
        }
        () if has("PowerPoint Document") => Err(Error::Unknown {
            what: "a presentation of PowerPoint before 2007",
            hint: "; save it as PPTX or PDF",
        }),
        () if has("__properties_version1") => {
            Err(Error::Unknown { what: "a mail of Outlook", hint: "; save it as EML" })
        }
        () if ["Workbook", "WORKBOOK", "Book"].into_iter().any(has) => Ok(Format::Xls),
        () => Err(Error::Unknown { what: "a compound file of an unknown kind", hint: "" }),
    }
}

/// What the beginning of a text tells where the name tells nothing.
fn by_text(bytes: &[u8]) -> Format {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).into_owned();
    let head = head.trim_start_matches('\u{FEFF}').trim_start();
    let lower = head.to_ascii_lowercase();
    match () {
        () if lower.starts_with("<!doctype html") || lower.starts_with("<html") => Format::Html,
        () if lower.starts_with("<?xml") && lower.contains("<html") => Format::Html,
        () if lower.starts_with("<?xml") => Format::Xml,
        () if head.starts_with("#!") => Format::Code,
        () if head.starts_with("From ") && head.contains("\nFrom: ") => Format::Mailbox,
        () if is_mail(head) => Format::Mail,
        () if matches!(
            head.trim_start().as_bytes(),
            [b'{', ..] | [b'[', b'{' | b'[' | b'"' | b'\n' | b' ', ..]
        ) && lower.contains('"') =>
        {
            Format::Json
        }
        () => Format::Text,
    }
}

/// Whether a text begins with the header of a mail.
fn is_mail(head: &str) -> bool {
    let known = [
        "From:",
        "To:",
        "Subject:",
        "Date:",
        "Received:",
        "Message-ID:",
        "MIME-Version:",
        "Return-Path:",
        "Delivered-To:",
    ];
    let known = |line: &str| {
        known.iter().any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    };
    let mut lines = head.lines();
    lines.next().is_some_and(known) && lines.take(20).filter(|line| known(line)).count() >= 2
}

/// Whether bytes are no text.
fn is_binary(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(8192)];
    let zeros = memchr::memchr_iter(0, sample).count();
    let wide = sample.starts_with(b"\xFF\xFE")
        || sample.starts_with(b"\xFE\xFF")
        || sample.starts_with(b"\0\0\xFE\xFF");
    // UTF-16 of Latin text is half zeros, at every other place.
    let odd = sample.iter().skip(1).step_by(2).filter(|byte| **byte == 0).count();
    let lopsided = zeros * 10 > sample.len() * 2 && (odd * 20 > zeros * 19 || odd * 20 < zeros);
    let control = sample.iter().filter(|byte| matches!(byte, 1..=8 | 14..=26 | 28..=31)).count();
    !wide && !lopsided && (zeros * 200 > sample.len() || control * 20 > sample.len())
}

/// Where pictures have which bytes.
const PICTURES: &[(usize, &[u8])] = &[
    (0, b"\x89PNG\r\n\x1A\n"),
    (0, b"\xFF\xD8\xFF"),
    (0, b"II*\0"),
    (0, b"MM\0*"),
    (0, b"GIF87a"),
    (0, b"GIF89a"),
    (8, b"WEBP"),
    (6, b"\0\0\0\0\x36\0\0\0"),
];

const MAGICS: &[(&[u8], &str)] = &[
    (b"\x7FELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"\x1F\x8B", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xFD7zXZ\0", "a compressed file"),
    (b"7z\xBC\xAF\x27\x1C", "a compressed file"),
    (b"Rar!\x1A\x07", "a compressed file"),
    (b"(\xB5/\xFD", "a compressed file"),
    (b"SQLite format 3\0", "a database"),
    (b"OggS", "sound"),
    (b"ID3", "sound"),
    (b"fLaC", "sound"),
    (b"RIFF", "sound or film"),
    (b"\x1A\x45\xDF\xA3", "a film"),
];

/// Formats by the endings of names, in lower case.
const EXTENSIONS: &[(&[&str], Format)] = &[
    (&["md", "markdown", "mkd", "mdx", "mdown", "qmd", "rmd"], Format::Markdown),
    (&["html", "htm", "xhtml"], Format::Html),
    (&["txt", "text", "log", "rst", "adoc", "asciidoc", "org", "tex", "srt", "vtt", "me"], Format::Text),
    (&["json", "geojson", "webmanifest"], Format::Json),
    (&["jsonl", "ndjson"], Format::JsonLines),
    (&["csv", "tsv", "tab", "psv"], Format::Csv),
    (&["eml", "mht", "mhtml"], Format::Mail),
    (&["mbox", "mbx"], Format::Mailbox),
    (&["ipynb"], Format::Notebook),
    (&["fodt", "fodp"], Format::Odt),
    (&["xml", "nxml", "rss", "atom", "svg"], Format::Xml),
    (
        &[
            "rs",
            "py",
            "pyi",
            "js",
            "mjs",
            "cjs",
            "jsx",
            "ts",
            "tsx",
            "c",
            "h",
            "cc",
            "cpp",
            "cxx",
            "hpp",
            "hh",
            "cs",
            "java",
            "kt",
            "kts",
            "scala",
            "go",
            "rb",
            "php",
            "pl",
            "pm",
            "lua",
            "r",
            "jl",
            "swift",
            "m",
            "mm",
            "hs",
            "ml",
            "mli",
            "ex",
            "exs",
            "erl",
            "clj",
            "cljs",
            "lisp",
            "el",
            "scm",
            "sh",
            "bash",
            "zsh",
            "fish",
            "ps1",
            "bat",
            "sql",
            "css",
            "scss",
            "less",
            "vue",
            "svelte",
            "toml",
            "yaml",
            "yml",
            "ini",
            "cfg",
            "conf",
            "cmake",
            "mk",
            "gradle",
            "tf",
            "proto",
            "graphql",
            "dart",
            "nim",
            "zig",
            "v",
            "vhd",
            "asm",
            "s",
            "f90",
            "f",
            "pas",
            "d",
            "diff",
            "patch",
            "dockerfile",
            "nix",
        ],
        Format::Code,
    ),
];
