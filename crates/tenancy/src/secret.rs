//! What a key is made of, and the only places where one is looked at.

use std::{collections::HashSet, fmt, hint::black_box, sync::Arc};

use sha2::{Digest, Sha256};

use crate::Error;

/// What is kept of a secret: SHA-256. Secrets that we make have 256 bits of randomness, so that there is nothing to
/// guess and nothing that a slow hash would protect.
pub(crate) type Hash = [u8; 32];

/// A fresh key: `ath_` and 43 of 0-9A-Za-z, drawn evenly; more than 256 bits.
pub(crate) fn fresh() -> Result<String, Error> {
    Ok(format!("{MARK}{}", random_text(43)?))
}

/// Draws `length` of 0-9A-Za-z from the system's randomness.
pub(crate) fn random_text(length: usize) -> Result<String, Error> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes).map_err(Error::Randomness)?;
        // The largest multiple of 62 in a byte; what lies above would make the first letters likelier.
        let even = bytes.iter().filter(|byte| **byte < 248);
        let letters = even.filter_map(|byte| LETTERS.get(usize::from(byte % 62)));
        text.extend(letters.take(length - text.len()).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

/// Returns what a person recognises a key by: its first ten characters, six of them random.
pub(crate) fn beginning(secret: &str) -> String {
    secret.chars().take(MARK.len() + 6).collect()
}

pub(crate) fn hash(secret: &str) -> Hash {
    Sha256::new().chain_update(b"athenaeum key 1\0").chain_update(secret).finalize().into()
}

/// Compares in a time that does not depend on where two hashes differ.
pub(crate) fn equal(a: &Hash, b: &Hash) -> bool {
    let differing = a.iter().zip(b).fold(0_u8, |differing, (a, b)| black_box(differing | (a ^ b)));
    differing == 0
}

/// Tells whether `name` can be a key's: 1 to 64 of letters, digits, `.`, `_`, `-`, `@`, and no beginning of a key.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(MARK)
}

/// How every key begins that we make.
pub(crate) const MARK: &str = "ath_";

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that the settings give, for installations whose secrets come from elsewhere (containers). Only its hash is
/// held.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenKey {
    pub(crate) name: Arc<str>,
    pub(crate) hash: Hash,
}

impl GivenKey {
    /// Reads keys apart by line ends, spaces or commas; lines that begin with `#` are passed over. Each is `NAME:SECRET`
    /// or a secret alone, which is then called `settings-1`, `settings-2`, … by its place.
    ///
    /// # Errors
    ///
    /// [`Error::Given`] for a secret of fewer than 16 characters or with others than visible ASCII, and for names that
    /// come twice.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let entries = lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || c == ','));
        let mut names = HashSet::new();
        let mut keys: Vec<Self> = Vec::new();
        for (at, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
            let wrong = |problem| Error::Given { nth: at + 1, problem };
            let (name, secret) = match entry.split_once(':') {
                Some((name, secret)) if is_name(name) => (Arc::from(name), secret),
                _ => (Arc::from(format!("settings-{}", at + 1)), entry),
            };
            if secret.len() < SECRET_CHARS_MIN {
                return Err(wrong("is too short to be safe"));
            }
            if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(wrong("has characters that no header can carry"));
            }
            let hash = hash(secret);
            if !names.insert(Arc::clone(&name)) || keys.iter().any(|known| known.hash == hash) {
                return Err(wrong("has the name or the secret of another"));
            }
            keys.push(Self { name, hash });
        }
        Ok(keys)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for GivenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A person chose these, so they must at least not be words.
const SECRET_CHARS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_keys_are_long_and_never_the_same() {
        let keys: HashSet<String> = (0..1_000).map(|_| fresh().unwrap()).collect();
        assert_eq!(keys.len(), 1_000);
        let mut seen = HashSet::new();
        for key in &keys {
            let random = key.strip_prefix("ath_").unwrap();
            assert_eq!(random.len(), 43, "{key}");
            assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
            assert_eq!(beginning(key), key[..10]);
            seen.extend(random.bytes());
        }
        assert_eq!(seen.len(), 62, "every letter comes");
    }

    #[test]
    fn only_the_same_secret_has_the_same_hash() {
        assert!(equal(&hash("a"), &hash("a")));
        assert!(!equal(&hash("a"), &hash("b")));
        let mut last_bit = hash("a");
        last_bit[31] ^= 1;
        assert!(!equal(&hash("a"), &last_bit));
        assert_eq!(beginning("é"), "é", "no boundary is missed");
    }

    fn check(text: &str, expected: Result<&[&str], &str>) {
        match (GivenKey::parse(text), expected) {
            (Ok(keys), Ok(expected)) => {
                assert_eq!(keys.iter().map(GivenKey::name).collect::<Vec<_>>(), expected, "{text}");
                assert!(!format!("{keys:?}").contains("0123456789abcdef"));
            }
            (Err(error), Err(expected)) => {
                let error = error.to_string();
                assert!(error.contains(expected) && !error.contains("hunter"), "{error}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn keys_of_the_settings_are_read_or_refused() {
        check("", Ok(&[]));
        check(" \n# none:yet-0123456789abcdef\n", Ok(&[]));
        check("phone:0123456789abcdef", Ok(&["phone"]));
        check("0123456789abcdef,phone:0123456789abcdeg\n", Ok(&["settings-1", "phone"]));
        check("with+sign:0123456789abcdef", Ok(&["settings-1"]));
        check("phone:hunter2", Err("the 1. key in the settings is too short"));
        check("phone:0123456789abcdef hunter2", Err("the 2. key in the settings is too short"));
        check("0123456789abcdefé", Err("no header can carry"));
        check("a:0123456789abcdef a:0123456789abcdeg", Err("of another"));
        check("a:0123456789abcdef b:0123456789abcdef", Err("of another"));
    }
}
