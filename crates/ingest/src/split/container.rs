use serde_json::Value;

use super::{is_space, scan::Scan};
use crate::sample::{Layout, glance};

/// Tells whether a value (pruned, see [`glance`]) that lies so, under such a head, is a record.
pub(crate) type Probe<'p> = &'p dyn Fn(&Layout, &Value, &Value) -> bool;

/// Keys of objects that may wrap the array of records.
const WRAPPERS: &[&str] = &["data", "export", "backup", "result", "payload", "state", "body"];
/// Elements of an array that are tried before it is taken for something else.
const TRIED_MAX: usize = 3;

pub(super) enum Found {
    /// An array of records begins at byte `place`, with `around` objects open around it.
    At { key: String, place: usize, around: u32, head: Value },
    /// The object ends without one.
    Nothing,
    /// The bytes end before one could be seen.
    NotYet,
}

/// Looks for the first array of records among the members of the object that `bytes` begin with.
pub(super) fn find(bytes: &[u8], probe: Probe<'_>) -> Found {
    search(bytes, 0, 1, "", probe)
}

fn search(bytes: &[u8], from: usize, around: u32, path: &str, probe: Probe<'_>) -> Found {
    let mut at = from + 1;
    loop {
        let Some(byte) = next_byte(bytes, &mut at, b',') else { return Found::NotYet };
        if byte != b'"' {
            return Found::Nothing;
        }
        let Some(length) = Scan::default().advance(&bytes[at..]) else { return Found::NotYet };
        let key: String = serde_json::from_slice(&bytes[at..at + length]).unwrap_or_default();
        at += length;
        match next_byte(bytes, &mut at, b':') {
            None => return Found::NotYet,
            Some(b'[') => {
                let head = head(bytes, at, around);
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                let layout = Layout::Container(path);
                match array_holds_records(&bytes[at..], &layout, &head, probe) {
                    None => return Found::NotYet,
                    Some(true) => {
                        let Layout::Container(key) = layout else { return Found::Nothing };
                        return Found::At { key, place: at, around, head };
                    }
                    Some(false) => {}
                }
            }
            Some(b'{') if around == 1 && WRAPPERS.contains(&key.as_str()) => {
                match search(bytes, at, 2, &key, probe) {
                    Found::Nothing => {}
                    found => return found,
                }
            }
            Some(_) => {}
        }
        let Some(length) = Scan::default().advance(&bytes[at..]) else { return Found::NotYet };
        at += length.max(1);
    }
}

/// Tells whether the array that `bytes` begin with holds records; `None` when the bytes end before that can be
/// seen.
pub(super) fn array_holds_records(
    bytes: &[u8],
    layout: &Layout,
    head: &Value,
    probe: Probe<'_>,
) -> Option<bool> {
    let mut at = 1;
    for _ in 0..TRIED_MAX {
        if next_byte(bytes, &mut at, b',')? != b'{' {
            return Some(false);
        }
        let length = Scan::default().advance(&bytes[at..])?;
        let element = String::from_utf8_lossy(&bytes[at..at + length]);
        if probe(layout, head, &glance(&element)) {
            return Some(true);
        }
        at += length;
    }
    Some(false)
}

/// Moves `at` to the next byte that is neither space nor `also` and returns it.
fn next_byte(bytes: &[u8], at: &mut usize, also: u8) -> Option<u8> {
    let skipped = bytes.get(*at..)?.iter().position(|byte| !is_space(*byte) && *byte != also)?;
    *at += skipped;
    Some(bytes[*at])
}

/// The members before the array, which becomes `null`.
fn head(bytes: &[u8], place: usize, around: u32) -> Value {
    let mut text = String::from_utf8_lossy(&bytes[..place]).into_owned();
    text.push_str("null");
    text.push_str(if around > 1 { "}}" } else { "}" });
    glance(&text)
}
