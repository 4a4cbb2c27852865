//! How a conversation's source is kept byte for byte without keeping its text twice.
//!
//! An export's JSON is its messages' text plus metadata. The text stands in the rows already, so the JSON is
//! compressed against it: zstd with the messages' ids and contents, in order and escaped as in JSON, as a prefix
//! to copy from; the keys that exports repeat stand before them ([`KEYS`]). Byte layout: version 1; how non-ASCII is escaped (0 not at all, 1 as `\\u00e9`); xxh3-64 of the
//! source (little-endian); its length (LEB128); one zstd frame.

use xxhash_rust::xxh3::xxh3_64;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, ErrorCode, compress_bound, get_error_name};

use super::error::Error;

const VERSION: u8 = 1;

/// What the messages say, as the source is likely to write it.
#[derive(Debug)]
pub(crate) struct Prefix {
    bytes: Vec<u8>,
    ascii_only: bool,
}

impl Prefix {
    /// Begins the prefix that `stored` was compressed with; `None` where it is damaged or of a newer version.
    pub(crate) fn of(stored: &[u8]) -> Option<Self> {
        match stored {
            [VERSION, escapes @ 0..=1, ..] => Some(Self::new(*escapes == 1)),
            _ => None,
        }
    }

    fn new(ascii_only: bool) -> Self {
        Self { bytes: KEYS.as_bytes().to_vec(), ascii_only }
    }

    /// Adds the next message, in order of position.
    pub(crate) fn push(&mut self, external_id: Option<&str>, content: &str) {
        self.bytes.extend_from_slice(external_id.unwrap_or_default().as_bytes());
        self.bytes.push(b'"');
        self.escape(content);
        self.bytes.push(b'"');
    }

    fn escape(&mut self, content: &str) {
        let mut rest = content;
        self.bytes.reserve(content.len() + content.len() / 16);
        while let Some(at) = to_escape(rest.as_bytes(), self.ascii_only) {
            let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            self.bytes.extend_from_slice(plain.as_bytes());
            let mut letters = tail.chars();
            match letters.next() {
                Some('"') => self.bytes.extend_from_slice(b"\\\""),
                Some('\\') => self.bytes.extend_from_slice(b"\\\\"),
                Some('\n') => self.bytes.extend_from_slice(b"\\n"),
                Some('\r') => self.bytes.extend_from_slice(b"\\r"),
                Some('\t') => self.bytes.extend_from_slice(b"\\t"),
                Some(letter) => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        self.bytes.extend_from_slice(b"\\u");
                        let digit = |shift: u32| HEX[usize::from(*unit >> shift & 0xf)];
                        self.bytes.extend_from_slice(&[digit(12), digit(8), digit(4), digit(0)]);
                    }
                }
                None => {}
            }
            rest = letters.as_str();
        }
        self.bytes.extend_from_slice(rest.as_bytes());
    }
}

/// Returns where the first byte stands that JSON escapes: eight at a time while there is none.
fn to_escape(bytes: &[u8], ascii_only: bool) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = EACH * 0x80;
    let is_special =
        |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\' || ascii_only && *byte >= 0x80;
    // Sets the high bit of bytes below `limit`; borrows only ever disturb bytes above one that is set.
    let below = |bytes: u64, limit: u8| bytes.wrapping_sub(EACH * u64::from(limit)) & !bytes & HIGH;
    let wide = if ascii_only { HIGH } else { 0 };
    let (eights, _) = bytes.as_chunks::<8>();
    let plain = eights.iter().take_while(|eight| {
        let eight = u64::from_le_bytes(**eight);
        let quotes = below(eight ^ (EACH * u64::from(b'"')), 1) | below(eight ^ (EACH * u64::from(b'\\')), 1);
        (below(eight, 0x20) | quotes | (eight & wide)) == 0
    });
    let from = plain.count() * 8;
    Some(from + bytes.get(from..)?.iter().position(is_special)?)
}

/// JSON that exports repeat for every message, so that short conversations need not spell it out. Part of the
/// format: what was compressed against it reads back only with it, so a change takes a new [`VERSION`].
const KEYS: &str = concat!(
    r#","model":"","stop_reason":null,"truncated":false,"files":[],"attachments":[]},{"uuid":""#,
    r#","name":"","summary":"","account":{"uuid":""},"chat_messages":[{"uuid":"","text":""#,
    r#"","content":[{"start_timestamp":"2024-01-01T00:00:00.000000Z","stop_timestamp":"","flags":null,"type":"text","text":""#,
    r#"","citations":[]}],"sender":"human","sender":"assistant","created_at":"2024-01-01T00:00:00.000000Z","updated_at":""#,
    r#","files":[],"files_v2":[],"sync_sources":[],"parent_message_uuid":"00000000-0000-4000-8000-000000000000"},"#,
    r#"{"title": "", "create_time": 17, "update_time": 17, "mapping": {"#,
    r#""moderation_results": [], "current_node": "", "plugin_ids": null, "conversation_id": "", "conversation_template_id": null, "#,
    r#""gizmo_id": null, "gizmo_type": null, "is_archived": false, "is_starred": null, "safe_urls": [], "blocked_urls": [], "#,
    r#""default_model_slug": "", "conversation_origin": null, "voice": null, "async_status": null, "disabled_tool_ids": [], "id": ""#,
    r#""message": {"id": "", "author": {"role": "user", "name": null, "metadata": {}}, "create_time": 17, "update_time": null, "#,
    r#""content": {"content_type": "text", "parts": [""]}, "status": "finished_successfully", "end_turn": true, "weight": 1.0, "#,
    r#""metadata": {"finish_details": {"type": "stop", "stop_tokens": [200002]}, "is_complete": true, "citations": [], "#,
    r#""content_references": [], "message_type": null, "model_slug": "gpt-4o", "default_model_slug": "auto", "parent_id": "", "#,
    r#""request_id": "", "timestamp_": "absolute", "turn_exchange_id": "", "selected_github_repos": [], "selected_sources": [], "#,
    r#""serialization_metadata": {"custom_symbol_offsets": []}, "message_source": null, "can_save": true}, "#,
    r#""recipient": "all", "channel": null}, "parent": "", "children": [""]}, "#,
    r#""message":{"id":"","author":{"role":"assistant","name":null,"metadata":{}},"create_time":17,"update_time":null,"#,
    r#""content":{"content_type":"text","parts":[""]},"status":"finished_successfully","end_turn":true,"weight":1.0,"#,
    r#""metadata":{"is_visually_hidden_from_conversation":true,"finish_details":{"type":"stop","stop_tokens":[200002]},"#,
    r#""is_complete":true,"citations":[],"content_references":[],"message_type":null,"model_slug":"gpt-4o","#,
    r#""default_model_slug":"auto","parent_id":"","request_id":"","timestamp_":"absolute","turn_exchange_id":"","#,
    r#""selected_sources":[],"serialization_metadata":{"custom_symbol_offsets":[]},"message_source":null,"can_save":true},"#,
    r#""recipient":"all","channel":null},"parent":"","children":[""]},"#,
);

const HEX: [u8; 16] = *b"0123456789abcdef";

/// A source that waits to be compressed, with the text to compress it against.
#[derive(Debug)]
pub(crate) struct Source {
    raw: String,
    prefix: Prefix,
}

impl Source {
    /// Takes the source; `fill` pushes the messages.
    pub(crate) fn new(raw: String, fill: impl FnOnce(&mut Prefix)) -> Self {
        let mut prefix = Prefix::new(raw.is_ascii());
        if !raw.is_empty() {
            fill(&mut prefix);
        }
        Self { raw, prefix }
    }

    /// Returns the memory that it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.raw.len() + self.prefix.bytes.len()
    }
}

/// Compresses sources; `None` for each empty one. Many at once cost less: they share zstd's tables.
pub(crate) fn encode_all<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let failed = |what| Error::Internal { what: format!("compressing a source failed: {what}") };
    let mut context = CCtx::try_create().ok_or_else(|| failed("out of memory"))?;
    let mut frame = Vec::new();
    let encode = |source| encode(&mut context, &mut frame, source).map_err(failed);
    sources.into_iter().map(encode).collect()
}

fn encode<'a>(
    context: &mut CCtx<'a>,
    frame: &mut Vec<u8>,
    Source { raw, prefix }: &'a Source,
) -> Result<Option<Vec<u8>>, &'static str> {
    if raw.is_empty() {
        return Ok(None);
    }
    let window_log = window_log(raw.len(), prefix.bytes.len());
    for parameter in [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(window_log),
        CParameter::HashLog(window_log.saturating_sub(HASH_LOG_BELOW_WINDOW).clamp(12, 20)),
        CParameter::ContentSizeFlag(false),
    ] {
        context.set_parameter(parameter).map_err(name)?;
    }
    context.ref_prefix(&prefix.bytes).map_err(name)?;
    frame.clear();
    frame.reserve(compress_bound(raw.len()));
    context.compress2(frame, raw.as_bytes()).map_err(name)?;

    let mut stored = Vec::with_capacity(frame.len() + 20);
    stored.extend_from_slice(&[VERSION, u8::from(prefix.ascii_only)]);
    stored.extend_from_slice(&xxh3_64(raw.as_bytes()).to_le_bytes());
    let mut length = raw.len();
    while length >= 0x80 {
        stored.push(length as u8 | 0x80);
        length >>= 7;
    }
    stored.push(length as u8);
    stored.extend_from_slice(frame);
    Ok(Some(stored))
}

/// Restores the source; `None` where the stored bytes or the messages are not those that it was kept with.
pub(crate) fn decode(stored: &[u8], prefix: &Prefix) -> Option<String> {
    let (&[version, _escapes], rest) = stored.split_first_chunk::<2>()?;
    let (checksum, mut rest) = rest.split_first_chunk::<8>()?;
    let length = take_length(&mut rest)?;
    if version != VERSION || length > LENGTH_MAX {
        return None;
    }
    let mut raw = Vec::new();
    raw.try_reserve_exact(length).ok()?;
    let mut context = DCtx::try_create()?;
    context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).ok()?;
    context.ref_prefix(&prefix.bytes).ok()?;
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

    fn source(raw: &str, messages: &[&str]) -> Source {
        Source::new(raw.to_owned(), |prefix| {
            messages.iter().for_each(|message| prefix.push(Some("m"), message));
        })
    }

    fn encode(raw: &str, messages: &[&str]) -> Vec<u8> {
        encode_all([&source(raw, messages)]).unwrap().pop().flatten().unwrap()
    }

    fn decode(stored: &[u8], messages: &[&str]) -> Option<String> {
        let mut prefix = Prefix::of(stored)?;
        messages.iter().for_each(|message| prefix.push(Some("m"), message));
        super::decode(stored, &prefix)
    }

    #[test]
    fn what_json_escapes_is_found_wherever_it_stands() {
        for byte in 0..=255_u8 {
            for place in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[place] = byte;
                let is_plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
                assert_eq!(to_escape(&bytes, false), (!is_plain).then_some(place), "{byte:#x}");
                let is_plain = is_plain && byte < 0x80;
                assert_eq!(to_escape(&bytes, true), (!is_plain).then_some(place), "{byte:#x}");
            }
        }
    }

    #[test]
    fn text_in_the_messages_costs_next_to_nothing() {
        let noise = |i: u32| match xxh3_64(&i.to_le_bytes()) % 40 {
            0 => '\n',
            1 => '"',
            2 => 'é',
            3 => '🦉',
            letter => char::from(b'a' + (letter % 26) as u8),
        };
        let text: String = (0..2_000).map(noise).collect();
        let utf8 = serde_json::to_string(&[&text]).unwrap();
        let mut ascii = String::new();
        for letter in utf8.chars() {
            if letter.is_ascii() {
                ascii.push(letter);
            } else {
                letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| ascii += &format!("\\u{unit:04x}"));
            }
        }
        for raw in [utf8, ascii] {
            let stored = encode(&raw, &[&text]);
            assert!(stored.len() < 60, "{} bytes", stored.len());
            assert_eq!(decode(&stored, &[&text]), Some(raw));
        }
    }

    #[test]
    fn another_conversation_does_not_decode_to_garbage() {
        let stored = encode("{\"text\":\"how long does it rise\"}", &["how long does it rise"]);
        assert_eq!(decode(&stored, &["how long must it bake"]), None);
        assert_eq!(decode(&stored[..stored.len() - 1], &["how long does it rise"]), None);
        assert_eq!(decode(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn any_source_reads_back(raw in "\\PC{1,300}", text in "\\PC{0,100}") {
            prop_assert_eq!(decode(&encode(&raw, &[&text]), &[&text]), Some(raw));
        }

        #[test]
        fn any_bytes_are_harmless(stored in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&stored, &["text"]);
        }
    }
}
