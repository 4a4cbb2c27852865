//! Rich Text Format 1.9.1: groups, control words, and the code pages that letters are written in.

use encoding_rs::{Encoding, WINDOWS_1252};

use super::{
    Error,
    draft::{At, Draft},
};

/// Groups inside of groups.
const DEPTH_MAX: usize = 2_000;

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let start = memchr::memmem::find(&bytes[..bytes.len().min(1024)], b"{\\rtf")
        .ok_or_else(|| Error::damaged("it does not begin as RTF does"))?;
    let mut reader = Reader::new(&bytes[start..], draft);
    reader.run();
    reader.write();
    let whole = reader.groups.is_empty();
    draft.end();
    if !whole {
        draft.notice("", "it ends before its last group does");
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Text,
    Title,
    Author,
    /// The table of fonts, for their character sets.
    Fonts,
    Nowhere,
}

#[derive(Clone, Copy)]
struct Group {
    destination: Destination,
    encoding: &'static Encoding,
    /// Characters after `\u` that say the same for old programs.
    substitutes: usize,
    hidden: bool,
}

struct Reader<'a, 'd> {
    bytes: &'a [u8],
    at: usize,
    draft: &'d mut Draft,
    group: Group,
    groups: Vec<Group>,
    /// Deeper groups that are not kept.
    beyond: usize,
    /// Bytes that wait to be decoded together.
    coded: Vec<u8>,
    text: String,
    skip: usize,
    page: &'static Encoding,
    fonts: std::collections::HashMap<i64, &'static Encoding>,
    font: i64,
    /// The first half of a pair of UTF-16.
    high: Option<u16>,
}

impl<'a, 'd> Reader<'a, 'd> {
    fn new(bytes: &'a [u8], draft: &'d mut Draft) -> Self {
        let group =
            Group { destination: Destination::Text, encoding: WINDOWS_1252, substitutes: 1, hidden: false };
        Self {
            bytes,
            at: 0,
            draft,
            group,
            groups: Vec::new(),
            beyond: 0,
            coded: Vec::new(),
            text: String::new(),
            skip: 0,
            page: WINDOWS_1252,
            fonts: std::collections::HashMap::new(),
            font: 0,
            high: None,
        }
    }

    fn run(&mut self) {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'{' if self.groups.len() < DEPTH_MAX => {
                    self.decode();
                    self.groups.push(self.group);
                }
                b'{' => self.beyond += 1,
                b'}' if self.beyond > 0 => self.beyond -= 1,
                b'}' => {
                    self.decode();
                    if self.group.destination != Destination::Text {
                        self.write();
                    }
                    self.skip = 0;
                    let Some(group) = self.groups.pop() else { return };
                    self.group = group;
                    if self.groups.is_empty() {
                        return;
                    }
                }
                b'\\' => self.control(),
                b'\r' | b'\n' => {}
                byte => self.byte(byte),
            }
            if self.draft.is_full() {
                return;
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.skip {
            0 => self.coded.push(byte),
            _ => self.skip -= 1,
        }
    }

    fn control(&mut self) {
        let Some(first) = self.bytes.get(self.at).copied() else { return };
        self.at += 1;
        if !first.is_ascii_alphabetic() {
            return self.symbol(first);
        }
        let start = self.at - 1;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at.min(start + 32)];
        let digits = self.at;
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let number =
            std::str::from_utf8(&self.bytes[digits..self.at]).ok().and_then(|digits| digits.parse().ok());
        self.at += usize::from(self.bytes.get(self.at) == Some(&b' '));
        self.word(word, number);
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                let digits =
                    self.bytes.get(self.at..self.at + 2).and_then(|digits| std::str::from_utf8(digits).ok());
                if let Some(code) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    self.at += 2;
                    self.byte(code);
                }
            }
            b'~' => self.add("\u{A0}"),
            b'_' => self.add("-"),
            b'*' => self.turn(Destination::Nowhere),
            b'\\' | b'{' | b'}' => self.byte(symbol),
            b'\r' | b'\n' => self.add("\n"),
            _ => {}
        }
    }

    fn turn(&mut self, destination: Destination) {
        self.decode();
        if self.group.destination == Destination::Text {
            self.write();
        }
        self.group.destination = destination;
    }

    fn word(&mut self, word: &[u8], number: Option<i64>) {
        match word {
            b"par" | b"sect" | b"page" => self.add("\n\n"),
            b"line" | b"row" => self.add("\n"),
            b"tab" => self.add("\t"),
            b"cell" | b"nestcell" => self.add(" | "),
            b"emdash" => self.add("—"),
            b"endash" => self.add("–"),
            b"lquote" => self.add("‘"),
            b"rquote" => self.add("’"),
            b"ldblquote" => self.add("“"),
            b"rdblquote" => self.add("”"),
            b"bullet" => self.add("•"),
            b"u" => self.unicode(number.unwrap_or(0)),
            b"uc" => self.group.substitutes = number.unwrap_or(1).clamp(0, 100) as usize,
            b"bin" => self.at = self.at.saturating_add(number.unwrap_or(0).max(0) as usize),
            b"v" => {
                self.decode();
                self.group.hidden = number != Some(0);
            }
            b"plain" => {
                self.decode();
                self.group.hidden = false;
            }
            b"ansicpg" => {
                self.page = number.and_then(code_page).unwrap_or(self.page);
                self.group.encoding = self.page;
            }
            b"mac" => (self.page, self.group.encoding) = (encoding_rs::MACINTOSH, encoding_rs::MACINTOSH),
            b"f" => {
                self.decode();
                self.font = number.unwrap_or(0);
                self.group.encoding = self.fonts.get(&self.font).copied().unwrap_or(self.page);
            }
            b"fcharset" if self.group.destination == Destination::Fonts && self.fonts.len() < 10_000 => {
                if let Some(encoding) = number.and_then(charset) {
                    self.fonts.insert(self.font, encoding);
                }
            }
            b"fonttbl" => self.turn(Destination::Fonts),
            b"title" => self.turn(Destination::Title),
            b"author" => self.turn(Destination::Author),
            b"info"
            | b"colortbl"
            | b"stylesheet"
            | b"pict"
            | b"object"
            | b"header"
            | b"headerl"
            | b"headerr"
            | b"headerf"
            | b"footer"
            | b"footerl"
            | b"footerr"
            | b"footerf"
            | b"listtable"
            | b"listoverridetable"
            | b"revtbl"
            | b"rsidtbl"
            | b"generator"
            | b"themedata"
            | b"colorschememapping"
            | b"datastore"
            | b"latentstyles"
            | b"xmlnstbl"
            | b"fldinst"
            | b"operator"
            | b"creatim"
            | b"revtim"
            | b"company"
            | b"comment"
            | b"doccomm"
            | b"keywords"
            | b"subject"
            | b"bkmkstart"
            | b"bkmkend"
            | b"filetbl"
            | b"ftnsep"
            | b"ftnsepc"
            | b"aftnsep"
            | b"aftnsepc" => {
                self.turn(Destination::Nowhere);
            }
            // Results of objects and newer forms of what is skipped.
            b"fldrslt" | b"shptxt" | b"result" => self.turn(Destination::Text),
            _ => {}
        }
    }

    fn unicode(&mut self, code: i64) {
        self.decode();
        self.skip = self.group.substitutes;
        let unit = (code & 0xFFFF) as u16;
        let letter = match (self.high.take(), unit) {
            (_, 0xD800..0xDC00) => {
                self.high = Some(unit);
                return;
            }
            (Some(high), 0xDC00..0xE000) => char::decode_utf16([high, unit]).next().and_then(Result::ok),
            _ => char::from_u32(u32::from(unit)),
        };
        let mut bytes = [0; 4];
        self.keep(letter.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut bytes));
    }

    fn add(&mut self, text: &str) {
        self.decode();
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.keep(text);
        if self.group.destination == Destination::Text && text.starts_with('\n') {
            self.write();
        }
    }

    fn decode(&mut self) {
        if !self.coded.is_empty() {
            let coded = std::mem::take(&mut self.coded);
            let (text, _) = self.group.encoding.decode_without_bom_handling(&coded);
            self.keep(&text);
        }
    }

    fn keep(&mut self, text: &str) {
        if !self.group.hidden && !matches!(self.group.destination, Destination::Nowhere | Destination::Fonts)
        {
            self.text.push_str(text);
        }
    }

    /// Gives what was read to where it belongs.
    fn write(&mut self) {
        self.decode();
        let text = std::mem::take(&mut self.text);
        match self.group.destination {
            Destination::Text if text.trim().is_empty() && text.contains('\n') => {
                self.draft.line(text.matches('\n').count().min(2) - 1);
            }
            Destination::Text => {
                let breaks = text.len() - text.trim_end_matches('\n').len();
                let line = text.trim_end_matches('\n').trim_end_matches(" | ");
                self.draft.push(line, At::default());
                if breaks > 0 {
                    self.draft.line(breaks - 1);
                }
            }
            Destination::Title => self.draft.title = Some(text),
            Destination::Author => self.draft.tell("author", &text),
            Destination::Nowhere | Destination::Fonts => {}
        }
    }
}

fn code_page(number: i64) -> Option<&'static Encoding> {
    let label = match number {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        10_000 => "macintosh".to_owned(),
        65_001 => "utf-8".to_owned(),
        866 | 874 => format!("windows-{number}").replace("windows-866", "ibm866"),
        number => format!("windows-{number}"),
    };
    Encoding::for_label(label.as_bytes())
}

/// The character sets of Windows' fonts.
fn charset(number: i64) -> Option<&'static Encoding> {
    code_page(match number {
        0 => 1252,
        77 => 10_000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Format, Options, read_bytes};

    fn read(rtf: &[u8]) -> String {
        let options = Options { format: Some(Format::Rtf), ..Options::default() };
        read_bytes("a.rtf", rtf, &options).map(|reading| reading.text).unwrap_or_default()
    }

    #[test]
    fn letters_and_groups() {
        let rtf = b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset204 Arial Cyr;}}{\\info{\\title A book}}\
            {\\*\\generator x;}Caf\\'e9 \\u8212? {\\b bold}\\par\\f1 \\'cf\\'f0\\'e8\\f0 \\{x\\}\\line\\trowd a\\cell b\\cell\\row}";
        assert_eq!(read(rtf), "Café — bold\n\nПри{x}\na | b\n");
    }

    #[test]
    fn deep_groups_and_cut_ones() {
        read(&b"{\\rtf1 {".repeat(50_000));
        assert_eq!(read(b"{\\rtf1 here {and"), "here and\n");
    }

    proptest! {
        #[test]
        fn any_text_is_read(rest in "(\\\\(par|u-?[0-9]{1,5}|'[0-9a-f]{2}|bin[0-9]|f[0-9]|\\*)|[{}a-z ?]){0,40}") {
            read(format!("{{\\rtf1 {rest}").as_bytes());
        }
    }
}
