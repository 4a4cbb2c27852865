//! Zip archives that nobody's export is: each is read as far as it can be, in little room, and what is wrong is said.

use std::time::{Duration, Instant};

use athenaeum_ingest::Options;

use crate::harness::{Outcome, read_file, read_folder_entry, zipped};

/// An archive written by hand: what its entries hold, and what its directory says of them.
#[derive(Default)]
struct Hand {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u64,
}

/// An entry as the directory tells it.
#[derive(Clone)]
struct Told {
    name: String,
    start: u64,
    crc: u32,
    packed: u32,
    size: u32,
    mode: u32,
}

impl Hand {
    /// Writes a stored entry and returns what should be told of it.
    fn entry(&mut self, name: &str, content: &[u8]) -> Told {
        let told = Told {
            name: name.into(),
            start: self.bytes.len() as u64,
            crc: crc(content),
            packed: content.len() as u32,
            size: content.len() as u32,
            mode: 0o100_644,
        };
        self.bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0");
        for value in [told.crc, told.packed, told.size] {
            self.bytes.extend(value.to_le_bytes());
        }
        self.bytes.extend((name.len() as u16).to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(content);
        told
    }

    fn tell(&mut self, told: &Told) {
        self.entries += 1;
        self.directory.extend(b"PK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0\0\0");
        for value in [told.crc, told.packed, told.size] {
            self.directory.extend(value.to_le_bytes());
        }
        self.directory.extend((told.name.len() as u16).to_le_bytes());
        self.directory.extend([0; 8]);
        self.directory.extend((told.mode << 16).to_le_bytes());
        self.directory.extend((told.start as u32).to_le_bytes());
        self.directory.extend(told.name.as_bytes());
    }

    fn add(&mut self, name: &str, content: &[u8]) {
        let told = self.entry(name, content);
        self.tell(&told);
    }

    /// Ends the archive, with the 64-bit records that many entries need.
    fn finish(mut self) -> Vec<u8> {
        let (start, size) = (self.bytes.len() as u64, self.directory.len() as u64);
        self.bytes.append(&mut self.directory);
        let end = self.bytes.len() as u64;
        self.bytes.extend(b"PK\x06\x06");
        self.bytes.extend(44_u64.to_le_bytes());
        self.bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for value in [self.entries, self.entries, size, start] {
            self.bytes.extend(value.to_le_bytes());
        }
        self.bytes.extend(b"PK\x06\x07\0\0\0\0");
        self.bytes.extend(end.to_le_bytes());
        self.bytes.extend(1_u32.to_le_bytes());
        let few = u16::try_from(self.entries).unwrap_or(u16::MAX).to_le_bytes();
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend([few, few].concat());
        self.bytes.extend((size as u32).to_le_bytes());
        self.bytes.extend((start as u32).to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8)
            .fold(crc ^ u32::from(*byte), |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// A conversation of our own format with this id.
fn line(id: &str) -> Vec<u8> {
    let line = format!(
        r#"{{"athenaeum":1,"provider":"x","id":"{id}","messages":[{{"role":"user","text":"hello"}}]}}"#
    );
    line.into_bytes()
}

fn ids(outcome: &Outcome) -> Vec<&str> {
    outcome.conversations.iter().map(|conversation| conversation.external_id.as_str()).collect()
}

/// The later entries replaced the earlier ones of their name, and nothing was said.
#[test]
fn entries_of_one_name_are_said() {
    let mut hand = Hand::default();
    for (name, id) in [("a.jsonl", "1"), ("b.jsonl", "2"), ("a.jsonl", "3")] {
        hand.add(name, &line(id));
    }
    let outcome = read_file("export.zip", hand.finish());
    assert_eq!(ids(&outcome), ["3", "2"]);
    assert!(outcome.losses()[0].contains("1 entry has the name of another one"), "{:?}", outcome.problems);
}

#[test]
fn names_that_become_one_are_both_read() {
    let outcome = read_file("export.zip", zipped(&[("x/a.jsonl", &line("1")), ("/x/a.jsonl", &line("2"))]));
    assert_eq!(outcome.files, ["export.zip/x/a.jsonl", "export.zip/x/a.jsonl#2"]);
    assert!(outcome.notices().iter().any(|notice| notice.contains("leads out")), "{:?}", outcome.problems);
    assert!(outcome.notices().iter().any(|notice| notice.contains("same name")), "{:?}", outcome.problems);
}

#[test]
fn links_are_said_and_not_followed() {
    let mut hand = Hand::default();
    let told = hand.entry("passwords.json", b"/etc/passwd");
    hand.tell(&Told { mode: 0o120_777, ..told });
    hand.add("a.jsonl", &line("1"));
    let outcome = read_file("export.zip", hand.finish());
    assert_eq!(ids(&outcome), ["1"]);
    assert_eq!(outcome.notices(), ["a link; it was not followed"]);
}

/// 60,000 entries that all stand for the same bytes were read 60,000 times.
#[test]
fn entries_that_share_their_bytes_are_read_once() {
    let mut hand = Hand::default();
    let text = [line("1"), line("2"), line("3"), Vec::new()].join(&b'\n').repeat(20);
    let told = hand.entry("a.jsonl", &text);
    for number in 0..60_000 {
        hand.tell(&Told { name: format!("{number:05}.jsonl"), ..told.clone() });
    }
    let within = Told { name: "z.jsonl".into(), start: told.start + 40, packed: 50, size: 50, ..told };
    hand.tell(&within);
    hand.add("last.jsonl", &line("4"));
    let outcome = read_file("bomb.zip", hand.finish());
    assert_eq!(outcome.conversations.len(), 61, "{:?}", outcome.losses());
    assert!(outcome.losses()[1].contains("59999 of the archive's entries share"), "{:?}", outcome.losses());
}

/// Sizes that are told wrongly cost no memory and no other entry, and what is lost by them is said.
#[test]
fn told_sizes_are_not_believed() {
    let check = |size, packed: Option<u32>, expected: &str| {
        let mut hand = Hand::default();
        let told = hand.entry("a.jsonl", &line("1"));
        hand.tell(&Told { size, packed: packed.unwrap_or(told.packed), ..told });
        hand.add("b.jsonl", &line("2"));
        let outcome = read_file("export.zip", hand.finish());
        let losses = outcome.losses().join("; ");
        let found: &[&str] = if expected.is_empty() { &["1", "2"] } else { &["2"] };
        assert_eq!(ids(&outcome), found, "{size}: {losses}");
        assert!(losses.contains(expected) && losses.is_empty() == expected.is_empty(), "{size}: {losses}");
    };
    check(1, None, "larger than its declared");
    check(u32::MAX - 1, None, "");
    check(0, Some(20), "larger than its declared");
    check(80, Some(20), "Invalid checksum");
    check(7, Some(100_000_000), "larger than its declared");
}

/// The directory of a million entries is not loaded; what stands in the archive is read from its front.
#[test]
fn a_million_entries_take_little_room() {
    let mut hand = Hand::default();
    hand.add("a.jsonl", &line("1"));
    for number in 0..1_000_000 {
        let told =
            Told { name: format!("{number}.png"), start: 0, crc: 0, packed: 0, size: 0, mode: 0o100_644 };
        hand.tell(&told);
    }
    let started = Instant::now();
    let outcome = read_file("export.zip", hand.finish());
    assert_eq!(ids(&outcome), ["1"]);
    assert!(outcome.losses()[0].contains("it names more than 200000 entries"), "{:?}", outcome.losses());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn very_many_entries_are_read() {
    let mut hand = Hand::default();
    hand.add("a.jsonl", &line("1"));
    for number in 0..70_000 {
        hand.add(&format!("pictures/{number}.png"), b"");
    }
    hand.add("z.jsonl", &line("2"));
    let started = Instant::now();
    let outcome = read_file("export.zip", hand.finish());
    assert_eq!(ids(&outcome), ["1", "2"]);
    assert_eq!((outcome.summary.companions, outcome.problems.len()), (70_000, 0));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn archives_nested_too_deep_are_said() {
    let mut archive = zipped(&[("a.jsonl", &line("deep"))]);
    for _ in 0..40 {
        archive = zipped(&[("inner.zip", &archive), ("b.jsonl", &line("near"))]);
    }
    let outcome = read_folder_entry("export.zip", &archive, &Options::default());
    assert_eq!(ids(&outcome), ["near", "near"]);
    assert!(outcome.losses()[0].contains("unpack it first"), "{:?}", outcome.losses());
}
