//! Addresses of our own pages, put together safely.

use std::{fmt, ops::Range};

/// A path and its parameters.
pub(crate) struct Address {
    text: String,
    parameters: usize,
}

impl Address {
    /// Begins with `path`, which is one of ours and needs no escaping.
    pub(crate) fn new(path: &str) -> Self {
        Self { text: path.to_owned(), parameters: 0 }
    }

    /// Adds a parameter; `name` is one of ours, `value` any text.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.text.push(if self.parameters == 0 { '?' } else { '&' });
        self.parameters += 1;
        self.text.push_str(name);
        self.text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                self.text.push('%');
                self.text.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
                self.text.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
            }
        }
    }

    /// As [`Address::add`], left out where `value` is empty.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.add(name, value);
        }
        self
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Leads to a passage on the page of its document, `range` in bytes of its text; words of `query` are marked there.
pub(crate) fn passage(document: impl fmt::Display, range: &Range<usize>, query: &str) -> String {
    let address = Address::new(&format!("/library/{document}"));
    let address = address.with("from", &range.start.to_string()).with("to", &range.end.to_string());
    address.with("q", query).finish() + "#passage"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        let address = Address::new("/search").with("q", "a&b=c#d é\"<").with("x", "").with("p", "1").finish();
        assert_eq!(address, "/search?q=a%26b%3Dc%23d%20%C3%A9%22%3C&p=1");
        assert_eq!(passage("7", &(3..9), "a#b"), "/library/7?from=3&to=9&q=a%23b#passage");
        assert_eq!(passage("7", &(0..9), ""), "/library/7?from=0&to=9#passage");
    }
}
