use memchr::memchr;

/// Finds the end of one JSON value in bytes that come in pieces: brackets are counted, strings passed over.
///
/// Knows nothing of numbers, names or commas and keeps no stack, so that a value of any size and depth costs
/// no memory. A value that is no valid JSON may end early or late; whoever parses it will say so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scan {
    depth: u32,
    deepest: u32,
    in_string: bool,
    /// The bytes before this piece ended in an odd number of backslashes.
    escaped: bool,
    /// Inside a number or a name, which ends before the next delimiter.
    in_bare: bool,
}

impl Scan {
    /// Looks through the next piece. Returns the number of its bytes that belong to the value once that has
    /// ended, `None` while it has not.
    pub(crate) fn advance(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.in_string {
                at = self.string_end(piece, at)?;
                if self.depth == 0 {
                    return Some(at);
                }
            }
            let kind = loop {
                let byte = *piece.get(at)?;
                at += 1;
                match KIND[usize::from(byte)] {
                    Kind::Other => {}
                    kind => break kind,
                }
            };
            match kind {
                Kind::Quote if self.in_bare => return Some(at - 1),
                Kind::Quote => self.in_string = true,
                Kind::Open if self.in_bare => return Some(at - 1),
                Kind::Open => {
                    self.depth = self.depth.saturating_add(1);
                    self.deepest = self.deepest.max(self.depth);
                }
                Kind::Close if self.depth <= 1 => {
                    // A closing bracket that nothing opened ends a bare value before itself.
                    return Some(if self.depth == 1 { at } else { at - 1 });
                }
                Kind::Close => self.depth -= 1,
                Kind::Delimiter if self.depth == 0 && self.in_bare => return Some(at - 1),
                Kind::Bare if self.depth == 0 => self.in_bare = true,
                Kind::Delimiter | Kind::Bare | Kind::Other => {}
            }
        }
    }

    /// How deep the brackets were nested so far.
    pub(crate) fn deepest(&self) -> u32 {
        self.deepest
    }

    /// The pieces seen so far end inside a bare value (which the end of the input may end).
    pub(crate) fn in_bare(&self) -> bool {
        self.in_bare
    }

    /// Returns the place after the closing quote; `None` when it is not in this piece.
    fn string_end(&mut self, piece: &[u8], start: usize) -> Option<usize> {
        let mut from = start;
        while let Some(found) = memchr(b'"', piece.get(from..)?) {
            let quote = from + found;
            let slashes = piece[start..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
            let carried = self.escaped && slashes == quote - start;
            from = quote + 1;
            if (slashes + usize::from(carried)).is_multiple_of(2) {
                self.escaped = false;
                self.in_string = false;
                return Some(from);
            }
        }
        let slashes = piece[start..].iter().rev().take_while(|byte| **byte == b'\\').count();
        let carried = self.escaped && slashes == piece.len() - start;
        self.escaped = !(slashes + usize::from(carried)).is_multiple_of(2);
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quote,
    Open,
    Close,
    /// Ends a bare value: space, comma, colon.
    Delimiter,
    /// Begins one; only of interest outside of brackets.
    Bare,
    Other,
}

const KIND: [Kind; 256] = {
    let mut kinds = [Kind::Other; 256];
    kinds[b'"' as usize] = Kind::Quote;
    kinds[b'{' as usize] = Kind::Open;
    kinds[b'[' as usize] = Kind::Open;
    kinds[b'}' as usize] = Kind::Close;
    kinds[b']' as usize] = Kind::Close;
    kinds[b',' as usize] = Kind::Delimiter;
    kinds[b':' as usize] = Kind::Delimiter;
    kinds[b' ' as usize] = Kind::Delimiter;
    kinds[b'\t' as usize] = Kind::Delimiter;
    kinds[b'\n' as usize] = Kind::Delimiter;
    kinds[b'\r' as usize] = Kind::Delimiter;
    // First bytes of numbers, true, false, null; any other bare byte is damage that ends at a delimiter too,
    // which the caller sees to by asking only for values that begin well.
    let mut digit = b'0';
    while digit <= b'9' {
        kinds[digit as usize] = Kind::Bare;
        digit += 1;
    }
    kinds[b'-' as usize] = Kind::Bare;
    kinds[b't' as usize] = Kind::Bare;
    kinds[b'f' as usize] = Kind::Bare;
    kinds[b'n' as usize] = Kind::Bare;
    kinds
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, value: &str) {
        assert_eq!(Scan::default().advance(text.as_bytes()), Some(value.len()), "{text}");
        // Byte by byte gives the same end.
        let mut scan = Scan::default();
        let end = text.as_bytes().chunks(1).position(|byte| scan.advance(byte).is_some());
        assert!(matches!(end, Some(end) if end + 1 == value.len() || end == value.len()), "{text}: {end:?}");
    }

    #[test]
    fn values_end_where_json_says() {
        check(r#"{"a": "}\"", "b": [1, {}]} x"#, r#"{"a": "}\"", "b": [1, {}]}"#);
        check(r#""\\" ,"#, r#""\\""#);
        check(r#""a\\\"b","#, r#""a\\\"b""#);
        check("[[],[]],", "[[],[]]");
        check("-12.5e3,", "-12.5e3");
        check("null]", "null");
        check("true\n", "true");
    }

    #[test]
    fn what_is_not_over_has_no_end() {
        for text in ["{", "\"abc", "[1, 2", r#""a\""#, "", "12"] {
            assert_eq!(Scan::default().advance(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in r#"[\[\]{}",:\\a1 ]{0,60}"#, cut in 0usize..60) {
            let bytes = text.as_bytes();
            let whole = Scan::default().advance(bytes);
            let cut = cut.min(bytes.len());
            let mut scan = Scan::default();
            let pieces = scan.advance(&bytes[..cut]).or_else(|| scan.advance(&bytes[cut..]).map(|end| cut + end));
            prop_assert_eq!(whole, pieces);
        }
    }
}
