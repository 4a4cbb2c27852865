use std::{path::PathBuf, time::Duration};

use super::{Format, child::Child};

/// How documents are read; the default suits every document that is not meant to hurt.
#[derive(Debug, Clone)]
pub struct Options {
    /// Reads the file as this, whatever it looks like.
    pub format: Option<Format>,
    /// Larger files are refused.
    pub bytes_max: u64,
    /// Text beyond this many bytes is left out, with a problem that says so.
    pub text_bytes_max: usize,
    /// Reads PDFs and spreadsheets in a process of their own. Without one they are read in this process, where a document
    /// that was made to do so can end it.
    pub child: Option<Child>,
    /// Reads pictures; `None` leaves them unread.
    pub ocr: Option<Ocr>,
}

/// How pictures become text: by `tesseract`, where it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ocr {
    /// The program, as a path or as a name to be found in `PATH`.
    pub program: PathBuf,
    /// Its languages, such as `eng+deu`; empty for its own default.
    pub languages: String,
    /// For one picture; after this it is ended. All those of one document may take ten times as long.
    pub time_limit: Duration,
    /// Pictures of one document that are read.
    pub pictures_max: u32,
}

impl Default for Ocr {
    fn default() -> Self {
        let time_limit = Duration::from_secs(60);
        Self { program: "tesseract".into(), languages: String::new(), time_limit, pictures_max: 200 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: None,
            bytes_max: 256 << 20,
            text_bytes_max: 64 << 20,
            child: None,
            ocr: Some(Ocr::default()),
        }
    }
}
