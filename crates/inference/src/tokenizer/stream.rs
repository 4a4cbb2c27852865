//! Text from tokens that come one by one.

use super::Tokenizer;

/// Turns tokens into text as they come, whole characters only.
///
/// A character whose bytes are spread over several tokens is held back until it is complete. What all pieces make
/// together is what [`Tokenizer::decode`] makes of all tokens at once.
///
/// ```
/// # use athenaeum_inference::tokenizer::{TextStream, Tokenizer};
/// # fn pieces(tokenizer: &Tokenizer, ids: &[u32]) {
/// let mut stream = TextStream::new();
/// for id in ids {
///     print!("{}", stream.push(tokenizer, *id));
/// }
/// print!("{}", stream.finish());
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TextStream {
    /// The beginning of a character.
    held: Vec<u8>,
    /// The next token begins a text, before which some tokenizers put a space.
    begins: bool,
    specials: bool,
}

impl Default for TextStream {
    fn default() -> Self {
        Self::new()
    }
}

impl TextStream {
    /// A text from its beginning; control tokens are left out.
    pub fn new() -> Self {
        Self { held: Vec::new(), begins: true, specials: false }
    }

    /// A text that continues another one, as what a model makes of a prompt: a space at its beginning is kept.
    pub fn continuing() -> Self {
        Self { begins: false, ..Self::new() }
    }

    /// Control tokens are shown by their names, as readers of tool calls and channels need it.
    #[must_use]
    pub fn with_specials(self) -> Self {
        Self { specials: true, ..self }
    }

    /// Takes a token, and returns what is complete with it; often nothing.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        let mut text = String::new();
        self.push_to(tokenizer, id, &mut text);
        text
    }

    /// Takes a token, and appends what is complete with it. Allocates nothing once it has run, but where `text` has no room.
    pub fn push_to(&mut self, tokenizer: &Tokenizer, id: u32, text: &mut String) {
        tokenizer.append(id, self.specials, &mut self.begins, &mut self.held);
        let mut rest = self.held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    *text += valid;
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    *text += std::str::from_utf8(valid).unwrap_or_default();
                    rest = after;
                    // What is no character, and cannot become one, is shown as such.
                    let Some(wrong) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[wrong..];
                }
            }
        }
        let done = self.held.len() - rest.len();
        self.held.drain(..done);
    }

    /// Ends the text, and returns what stands for a character that has not become complete.
    pub fn finish(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        rest
    }
}
