use super::Error;

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
}

impl Format {
    /// All of them, in the order of their declaration.
    pub const ALL: &[Self] =
        &[Self::Text, Self::Markdown, Self::Html, Self::Code, Self::Json, Self::JsonLines, Self::Xml];

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
        }
    }

    /// Returns the format of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.as_str() == name)
    }
}

/// Finds out what a file is: by its first bytes, then by its name, then by what its text looks like.
pub(super) fn recognise(name: &str, bytes: &[u8]) -> Result<Format, Error> {
    let extension =
        name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    if let Some(what) = binary(bytes) {
        return Err(Error::Unknown { what, hint: "" });
    }
    let named = EXTENSIONS.iter().find(|(known, _)| known.contains(&extension.as_str()));
    if let Some((_, format)) = named {
        return Ok(*format);
    }
    let base = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    if matches!(base.as_str(), "makefile" | "dockerfile" | "justfile" | "cmakelists.txt") {
        return Ok(Format::Code);
    }
    Ok(by_text(bytes))
}

/// What the beginning of a text tells where the name tells nothing.
fn by_text(bytes: &[u8]) -> Format {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)])
        .trim_start_matches('\u{FEFF}')
        .trim_start()
        .to_ascii_lowercase();
    match () {
        () if head.starts_with("<!doctype html") || head.starts_with("<html") => Format::Html,
        () if head.starts_with("<?xml") && head.contains("<html") => Format::Html,
        () if head.starts_with("<?xml") => Format::Xml,
        () if head.starts_with("#!") => Format::Code,
        () => Format::Text,
    }
}

/// Says what bytes are that are no text.
fn binary(bytes: &[u8]) -> Option<&'static str> {
    for (magic, what) in MAGICS {
        if bytes.starts_with(magic) {
            return Some(what);
        }
    }
    let sample = &bytes[..bytes.len().min(8192)];
    let zeros = memchr::memchr_iter(0, sample).count();
    let wide = sample.starts_with(b"\xFF\xFE")
        || sample.starts_with(b"\xFE\xFF")
        || sample.starts_with(b"\0\0\xFE\xFF");
    // UTF-16 of Latin text is half zeros, at every other place.
    let odd = sample.iter().skip(1).step_by(2).filter(|byte| **byte == 0).count();
    let lopsided = zeros * 10 > sample.len() * 2 && (odd * 20 > zeros * 19 || odd * 20 < zeros);
    let control = sample.iter().filter(|byte| matches!(byte, 1..=8 | 14..=26 | 28..=31)).count();
    let odd_bytes = !wide && !lopsided && (zeros * 200 > sample.len() || control * 20 > sample.len());
    odd_bytes.then_some("a binary file of an unknown kind")
}

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
