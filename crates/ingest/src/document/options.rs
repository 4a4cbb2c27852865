use super::Format;

/// How documents are read; the default suits every document that is not meant to hurt.
#[derive(Debug, Clone)]
pub struct Options {
    /// Reads the file as this, whatever it looks like.
    pub format: Option<Format>,
    /// Larger files are refused.
    pub bytes_max: u64,
    /// Text beyond this many bytes is left out, with a problem that says so.
    pub text_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: None, bytes_max: 256 << 20, text_bytes_max: 64 << 20 }
    }
}
