//! How a conversation's source is kept byte for byte without keeping its text twice.
//!
//! An export's JSON is its messages' text plus metadata. The text stands in the rows already, so the JSON is
//! compressed against it: zstd with the messages' ids and contents, in order, as a prefix to copy from. Byte
//! layout: version 1, xxh3-64 of the source (little-endian), its length (LEB128), one zstd frame.

use xxhash_rust::xxh3::xxh3_64;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, ErrorCode, get_error_name};

const VERSION: u8 = 1;

/// Collects what the messages say: the text that the source may copy from.
#[derive(Debug, Default)]
pub(crate) struct Prefix(Vec<u8>);

impl Prefix {
    /// Adds the next message, in order of position.
    pub(crate) fn push(&mut self, external_id: Option<&str>, content: &str) {
        self.0.extend_from_slice(external_id.unwrap_or_default().as_bytes());
        self.0.push(b'\n');
        self.0.extend_from_slice(content.as_bytes());
    }
}

/// Compresses `raw`; `None` for an empty one.
///
/// # Errors
/// zstd's name of what went wrong: it ran out of memory.
pub(crate) fn encode(raw: &str, prefix: &Prefix) -> Result<Option<Vec<u8>>, &'static str> {
    if raw.is_empty() {
        return Ok(None);
    }
    let window_log = window_log(raw.len(), prefix.0.len());
    let mut frame = Vec::with_capacity(zstd::zstd_safe::compress_bound(raw.len()));
    let mut context = CCtx::try_create().ok_or("out of memory")?;
    for parameter in [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(window_log),
        CParameter::HashLog(window_log.saturating_sub(HASH_LOG_BELOW_WINDOW).clamp(12, 20)),
        CParameter::ContentSizeFlag(false),
    ] {
        context.set_parameter(parameter).map_err(name)?;
    }
    context.ref_prefix(&prefix.0).map_err(name)?;
    context.compress2(&mut frame, raw.as_bytes()).map_err(name)?;

    let mut stored = Vec::with_capacity(frame.len() + 16);
    stored.push(VERSION);
    stored.extend_from_slice(&xxh3_64(raw.as_bytes()).to_le_bytes());
    let mut length = raw.len();
    while length >= 0x80 {
        stored.push(length as u8 | 0x80);
        length >>= 7;
    }
    stored.push(length as u8);
    stored.extend_from_slice(&frame);
    Ok(Some(stored))
}

/// Restores the source; `None` where the stored bytes or the messages are not those that it was kept with.
pub(crate) fn decode(stored: &[u8], prefix: &Prefix) -> Option<String> {
    let (&version, rest) = stored.split_first()?;
    let (checksum, mut rest) = rest.split_first_chunk::<8>()?;
    let length = take_length(&mut rest)?;
    if version != VERSION || length > LENGTH_MAX {
        return None;
    }
    let mut raw = Vec::new();
    raw.try_reserve_exact(length).ok()?;
    let mut context = DCtx::try_create()?;
    context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).ok()?;
    context.ref_prefix(&prefix.0).ok()?;
    context.decompress(&mut raw, rest).ok()?;
    let intact = raw.len() == length && xxh3_64(&raw) == u64::from_le_bytes(*checksum);
    intact.then(|| String::from_utf8(raw).ok())?
}

/// Returns the smallest window that reaches from the end of the source to the beginning of the prefix.
fn window_log(raw: usize, prefix: usize) -> u32 {
    let bits = usize::BITS - raw.saturating_add(prefix).leading_zeros();
    bits.clamp(10, WINDOW_LOG_MAX)
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0_usize;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn name(code: ErrorCode) -> &'static str {
    get_error_name(code)
}

const LEVEL: i32 = 1;

/// The table that remembers where text stood needs room for the whole prefix: the source repeats the messages
/// in order, so each is a whole conversation away from its copy.
const HASH_LOG_BELOW_WINDOW: u32 = 2;

/// 128 MiB: parts of larger conversations lie out of reach and are stored again.
const WINDOW_LOG_MAX: u32 = 27;

/// SQLite's own limit on a value is 1 GB; a length beyond it is damage.
const LENGTH_MAX: usize = 4 << 30;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(messages: &[&str]) -> Prefix {
        let mut prefix = Prefix::default();
        messages.iter().for_each(|message| prefix.push(Some("m"), message));
        prefix
    }

    #[test]
    fn text_in_the_messages_costs_next_to_nothing() {
        let noise = |i: u32| char::from(b'a' + (xxh3_64(&i.to_le_bytes()) % 26) as u8);
        let text: String = (0..2_000).map(noise).collect();
        let raw = format!("{{\"text\":\"{text}\"}}");
        let stored = encode(&raw, &prefix(&[&text])).unwrap().unwrap();
        assert!(stored.len() < 60, "{} bytes", stored.len());
        assert_eq!(decode(&stored, &prefix(&[&text])).as_deref(), Some(raw.as_str()));
    }

    #[test]
    fn another_conversation_does_not_decode_to_garbage() {
        let stored = encode("{\"text\":\"how long does it rise\"}", &prefix(&["how long does it rise"]))
            .unwrap()
            .unwrap();
        assert_eq!(decode(&stored, &prefix(&["how long must it bake"])), None);
        assert_eq!(decode(&stored[..stored.len() - 1], &prefix(&["how long does it rise"])), None);
        assert_eq!(decode(&[], &prefix(&[])), None);
    }

    proptest! {
        #[test]
        fn any_source_reads_back(raw in "\\PC{1,300}", text in "\\PC{0,100}") {
            let stored = encode(&raw, &prefix(&[&text])).unwrap().unwrap();
            prop_assert_eq!(decode(&stored, &prefix(&[&text])), Some(raw));
        }

        #[test]
        fn any_bytes_are_harmless(stored in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&stored, &prefix(&["text"]));
        }
    }
}
