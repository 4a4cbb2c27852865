//! The words of content streams and CMaps: numbers, names, strings, brackets, operators (ISO 32000-2, 7.2 and 7.3).

/// Arrays and dictionaries inside of each other are read so deep.
const DEPTH_MAX: u32 = 24;

/// What stands before an operator.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Number(f64),
    Name(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Operand>),
    Dictionary(Vec<(Vec<u8>, Operand)>),
    /// Only where objects are read.
    Boolean(bool),
    /// Only where objects are read.
    Reference((u32, u16)),
}

impl Operand {
    pub(super) fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }

    pub(super) fn text(&self) -> Option<&[u8]> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn array(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    pub(super) fn entry(&self, key: &[u8]) -> Option<&Self> {
        let Self::Dictionary(entries) = self else { return None };
        entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }
}

/// An operand or an operator.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Operand(Operand),
    Operator(&'a [u8]),
}

/// Cuts a stream; what makes no sense is passed over.
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// `true`, `false` and references are operands.
    objects: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, objects: false }
    }

    /// Cuts what is no content: the objects of a file.
    pub(super) fn of_objects(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, objects: true }
    }

    /// Where the last token ends.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes over the data of an inline image, after its `ID`.
    pub(super) fn pass_image(&mut self) {
        let mut from = self.at + 1;
        while let Some(found) = self.bytes.get(from..).and_then(|rest| memchr::memmem::find(rest, b"EI")) {
            let at = from + found;
            let before = self.bytes.get(at.wrapping_sub(1)).is_none_or(|byte| is_space(*byte));
            let after = self.bytes.get(at + 2).is_none_or(|byte| is_space(*byte));
            // Binary data has an EI now and then; what follows the real one is text.
            let text =
                self.bytes[at + 2..].iter().take(12).all(|byte| (32..127).contains(byte) || is_space(*byte));
            from = at + 2;
            if before && after && text {
                self.at = from;
                return;
            }
        }
        self.at = self.bytes.len();
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn pass_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'%' => {
                    while self.peek().is_some_and(|byte| byte != b'\n' && byte != b'\r') {
                        self.at += 1;
                    }
                }
                byte if is_space(byte) => self.at += 1,
                _ => return,
            }
        }
    }

    fn token(&mut self, depth: u32) -> Option<Token<'a>> {
        loop {
            self.pass_space();
            let byte = self.peek()?;
            let operand = match byte {
                b'/' => Operand::Name(self.name()),
                b'(' => Operand::Text(self.literal()),
                b'<' if self.bytes.get(self.at + 1) == Some(&b'<') => {
                    self.at += 2;
                    self.dictionary(depth)
                }
                b'<' => Operand::Text(self.hex()),
                b'[' => {
                    self.at += 1;
                    Operand::Array(self.array(depth))
                }
                b']' | b'>' | b')' | b'{' | b'}' => {
                    // Closes nothing.
                    self.at += 1;
                    if depth > 0 {
                        let end = self.at;
                        return Some(Token::Operator(&self.bytes[end - 1..end]));
                    }
                    continue;
                }
                b'0'..=b'9' | b'+' | b'-' | b'.' => match self.reference() {
                    Some(id) => Operand::Reference(id),
                    None => match self.number() {
                        Some(number) => Operand::Number(number),
                        None => continue,
                    },
                },
                _ => {
                    let start = self.at;
                    while self.peek().is_some_and(|byte| !is_space(byte) && !is_delimiter(byte)) {
                        self.at += 1;
                    }
                    match &self.bytes[start..self.at] {
                        b"true" if self.objects => Operand::Boolean(true),
                        b"false" if self.objects => Operand::Boolean(false),
                        word => return Some(Token::Operator(word)),
                    }
                }
            };
            return Some(Token::Operand(operand));
        }
    }

    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut name = Vec::new();
        while let Some(byte) = self.peek().filter(|byte| !is_space(*byte) && !is_delimiter(*byte)) {
            self.at += 1;
            let digits = self.bytes.get(self.at..self.at + 2).filter(|_| byte == b'#');
            match digits.and_then(|digits| Some(nibble(digits[0])? << 4 | nibble(digits[1])?)) {
                Some(coded) => {
                    name.push(coded);
                    self.at += 2;
                }
                None => name.push(byte),
            }
        }
        name
    }

    fn literal(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut text = Vec::new();
        let mut depth = 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => {
                    self.escape(&mut text);
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            text.push(byte);
        }
        text
    }

    fn escape(&mut self, text: &mut Vec<u8>) {
        let Some(byte) = self.peek() else { return };
        self.at += 1;
        match byte {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'\r' => self.at += usize::from(self.peek() == Some(b'\n')),
            b'\n' => {}
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek() else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                text.push((code & 0xFF) as u8);
            }
            other => text.push(other),
        }
    }

    fn hex(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut text = Vec::new();
        let mut half = None;
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'>' {
                break;
            }
            let Some(digit) = nibble(byte) else { continue };
            match half.take() {
                Some(high) => text.push(high << 4 | digit),
                None => half = Some(digit),
            }
        }
        text.extend(half.map(|high| high << 4));
        text
    }

    /// `12 0 R`.
    fn reference(&mut self) -> Option<(u32, u16)> {
        let number = |at: usize| {
            let digits =
                self.bytes.get(at..)?.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
            let text = std::str::from_utf8(&self.bytes[at..at + digits]).ok()?;
            let spaces = self.bytes[at + digits..].iter().take(8).take_while(|byte| is_space(**byte)).count();
            (spaces > 0).then_some((text, at + digits + spaces))
        };
        let (first, at) = number(self.at).filter(|_| self.objects)?;
        let (second, at) = number(at)?;
        let ends = |byte: &u8| is_space(*byte) || is_delimiter(*byte);
        if self.bytes.get(at) != Some(&b'R') || !self.bytes.get(at + 1).is_none_or(ends) {
            return None;
        }
        let id = (first.parse().ok()?, second.parse().ok()?);
        self.at = at + 1;
        Some(id)
    }

    /// Reads also what some programs write: `--5`, `1.2.3`, `12-34`.
    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        let negative = text.starts_with('-');
        let digits = text.trim_start_matches(['+', '-']);
        let end = digits.find(['+', '-']).unwrap_or(digits.len());
        let mut digits = &digits[..end];
        if let Some(second) =
            digits.find('.').and_then(|dot| digits[dot + 1..].find('.').map(|next| dot + 1 + next))
        {
            digits = &digits[..second];
        }
        let value: f64 = if digits == "." || digits.is_empty() { 0.0 } else { digits.parse().ok()? };
        Some(if negative { -value } else { value })
    }

    fn array(&mut self, depth: u32) -> Vec<Operand> {
        let mut items = Vec::new();
        if depth >= DEPTH_MAX {
            return items;
        }
        loop {
            match self.token(depth + 1) {
                Some(Token::Operand(operand)) => items.push(operand),
                Some(Token::Operator(b"]")) | None => return items,
                // The bracket is missing: the operator is more important.
                Some(Token::Operator(word)) if matches!(word, b"TJ" | b"Tj" | b"ET") => {
                    self.at -= word.len();
                    return items;
                }
                // So it is, too, where the dictionary around it ends.
                Some(Token::Operator(b">")) if self.objects && self.peek() == Some(b'>') => {
                    self.at -= 1;
                    return items;
                }
                Some(Token::Operator(_)) => {}
            }
        }
    }

    fn dictionary(&mut self, depth: u32) -> Operand {
        let mut entries = Vec::new();
        if depth >= DEPTH_MAX {
            return Operand::Dictionary(entries);
        }
        let mut key = None;
        loop {
            match self.token(depth + 1) {
                Some(Token::Operator(b">")) => {
                    self.at += usize::from(self.peek() == Some(b'>'));
                    return Operand::Dictionary(entries);
                }
                None => return Operand::Dictionary(entries),
                // Whatever it is, it is the value.
                Some(Token::Operator(word)) if word.len() > 1 => key = None,
                Some(Token::Operator(_)) => {}
                Some(Token::Operand(operand)) => match (key.take(), operand) {
                    (None, Operand::Name(name)) => key = Some(name),
                    (None, _) => {}
                    (Some(name), value) => entries.push((name, value)),
                },
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.token(0)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

fn nibble(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_all_kinds() {
        let tokens: Vec<_> = Tokens::new(
            b"/F#31 12 Tf [(a\\051\\(b(c)) -1.5.2 <4 1 4>] TJ % no\n<</A <</B [1]>> /C /D>> BDC --3 ) T*",
        )
        .collect();
        let number = |number: f64| Token::Operand(Operand::Number(number));
        let inner = Operand::Dictionary(vec![(b"B".to_vec(), Operand::Array(vec![Operand::Number(1.0)]))]);
        assert_eq!(
            tokens,
            [
                Token::Operand(Operand::Name(b"F1".to_vec())),
                number(12.0),
                Token::Operator(b"Tf"),
                Token::Operand(Operand::Array(vec![
                    Operand::Text(b"a)(b(c)".to_vec()),
                    Operand::Number(-1.5),
                    Operand::Text(b"A@".to_vec()),
                ])),
                Token::Operator(b"TJ"),
                Token::Operand(Operand::Dictionary(vec![
                    (b"A".to_vec(), inner),
                    (b"C".to_vec(), Operand::Name(b"D".to_vec())),
                ])),
                Token::Operator(b"BDC"),
                number(-3.0),
                Token::Operator(b"T*"),
            ]
        );
    }

    #[test]
    fn images_are_passed_over() {
        let mut tokens = Tokens::new(b"BI /W 1 ID \x01 EI \x02\x03 EI\nQ");
        while let Some(token) = tokens.next() {
            if token == Token::Operator(b"ID") {
                tokens.pass_image();
                break;
            }
        }
        assert_eq!(tokens.next(), Some(Token::Operator(b"Q")));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"[]<>()/%- .1TJ\\".to_vec())], 0..200)) {
            prop_assert!(Tokens::new(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn depth_is_bounded() {
        Tokens::new(&b"[<<".repeat(100_000)).for_each(drop);
    }
}
