//! JSON of strangers: bounded, and with no name twice.

use std::{
    collections::HashSet,
    fmt,
    io::{self, BufReader, Read},
    marker::PhantomData,
    path::Path,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};

use super::source::Opened;

/// Names and values in the order of the text; a name that comes twice is an error, and so are more than the limit.
#[derive(Debug)]
pub(crate) struct Unique<V>(pub(crate) Vec<(String, V)>);

const NAMES_MAX: usize = 1 << 20;

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with no name twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry::<String, V>()? {
            entries.push(entry);
            if entries.len() > NAMES_MAX {
                return Err(serde::de::Error::custom(format_args!("more than {NAMES_MAX} names")));
            }
        }
        let mut seen = HashSet::with_capacity(entries.len());
        match entries.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            Some((name, _)) => {
                Err(serde::de::Error::custom(format_args!("the name {name:?} stands there twice")))
            }
            None => Ok(Unique(entries)),
        }
    }
}

/// Reads a JSON file of at most `bytes_max` bytes without holding its text; `None` if there is no such file.
///
/// # Errors
///
/// If it is longer, cannot be read, or is not what is expected.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, bytes_max: u64) -> io::Result<Option<T>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let file = Opened::open(path)?.into_file(bytes_max)?;
    serde_json::from_reader(BufReader::new(file.take(bytes_max))).map(Some).map_err(io::Error::from)
}
