//! The one door through which foreign text becomes HTML.

use std::fmt::Write as _;

/// Appends `text` with the five characters that mean something in HTML replaced, so that it is safe between
/// tags and inside quoted attributes. Control characters that HTML forbids become U+FFFD.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let replacement = match byte {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            0..=8 | 11 | 12 | 14..=31 | 127 => "\u{fffd}",
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        out.push_str(replacement);
        plain_from = at + 1;
    }
    out.push_str(&text[plain_from..]);
}

/// Returns `text` escaped as by [`escape_into`].
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    escape_into(&mut out, text);
    out
}

/// Writes a whole number with a comma between thousands: `12,431`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes a number of bytes for people: `512 bytes`, `3.4 MB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1_000 {
        return format!("{count} bytes");
    }
    let mut size = count as f64 / 1_000.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1_000.0;
        unit += 1;
    }
    let mut out = String::new();
    let _ = if size < 10.0 {
        write!(out, "{size:.1} {}", UNITS[unit])
    } else {
        write!(out, "{size:.0} {}", UNITS[unit])
    };
    out
}

/// Writes `count` and the noun in the number that fits it.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// Returns at most `chars_max` characters of `text` on one line, with `…` where it was cut.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        for char in word.chars() {
            if count >= chars_max {
                out.truncate(out.trim_end().len());
                out.push('…');
                return out;
            }
            out.push(char);
            count += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_means_something_is_replaced() {
        assert_eq!(escape("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
        assert_eq!(escape("a\0b\u{7f}\tc\n"), "a\u{fffd}b\u{fffd}\tc\n");
        assert_eq!(escape("naïve 漢字"), "naïve 漢字");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(1_000), "1.0 kB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(25_400_000), "25 MB");
        assert_eq!(counted(1, "message", "messages"), "1 message");
        assert_eq!(counted(2_000, "message", "messages"), "2,000 messages");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("  one\n two  ", 40), "one two");
        assert_eq!(shortened("日本語のテキスト", 3), "日本語…");
        assert_eq!(shortened("one two", 4), "one…");
    }

    proptest! {
        #[test]
        fn no_tag_survives(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        }
    }
}
