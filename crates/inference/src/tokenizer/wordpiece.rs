//! WordPiece: of each word the longest beginning that is a token, then the longest of what is left.

use super::vocabulary::Vocabulary;

/// How the pieces of a word are written.
pub(super) struct WordPiece {
    /// Before a piece that begins a word.
    pub(super) first: String,
    /// Before the others.
    pub(super) other: String,
    /// A word of more characters is unknown, where there is a limit.
    pub(super) characters_max: Option<usize>,
    pub(super) unknown: Option<u32>,
}

impl WordPiece {
    /// Appends the tokens of a word; if any part of it is none, the one for the unknown.
    pub(super) fn word(&self, vocabulary: &Vocabulary, word: &str, out: &mut Vec<u32>) {
        let before = out.len();
        let too_long = self.characters_max.is_some_and(|most| word.chars().nth(most).is_some());
        if too_long || self.pieces(vocabulary, word, out).is_none() {
            out.truncate(before);
            out.extend(self.unknown);
        }
    }

    fn pieces(&self, vocabulary: &Vocabulary, word: &str, out: &mut Vec<u32>) -> Option<()> {
        let whole = format!("{}{word}", self.first);
        let mut rest = whole.as_str();
        let mut piece = String::new();
        while !rest.is_empty() {
            let prefix = if rest.len() == whole.len() { "" } else { self.other.as_str() };
            piece.clear();
            piece.push_str(prefix);
            let most = vocabulary.text_bytes_max.saturating_sub(prefix.len());
            piece.push_str(&rest[..rest.floor_char_boundary(most)]);
            let id = loop {
                if let Some(id) = vocabulary.find_plain(piece.as_bytes()) {
                    break id;
                }
                piece.pop();
                if piece.len() <= prefix.len() {
                    return None;
                }
            };
            out.push(id);
            rest = &rest[piece.len() - prefix.len()..];
        }
        Some(())
    }
}
