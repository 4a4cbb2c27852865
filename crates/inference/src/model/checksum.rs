use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// What SHA-256 makes of a file. Written as 64 small hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

/// A text that is no SHA-256: 64 hexadecimal digits were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SHA-256 checksum: 64 hexadecimal digits are")]
pub struct InvalidSha256(String);

/// Computes a [`Sha256`] piece by piece.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hasher(sha2::Sha256);

// === impl Sha256 ===

impl Sha256 {
    /// Computes the checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Reads a regular file front to back; `read` is told how many bytes each step read, and ends it by `false`.
    /// Returns `None` where it was ended. Blocks.
    ///
    /// # Errors
    ///
    /// What the system says when the file cannot be opened or read; anything but a regular file is refused.
    pub fn of_file(path: &Path, mut read: impl FnMut(u64) -> bool) -> io::Result<Option<Self>> {
        let mut file = super::source::Opened::open(path)?.into_file(u64::MAX)?;
        let mut hasher = Hasher::default();
        let whole = hasher.read(&mut file, u64::MAX, &mut read)?;
        Ok(whole.then(|| hasher.finish()))
    }

    /// Reads a digest as registries write it. `sha256:` and 64 small hexadecimal digits are taken, nothing else:
    /// digests become names of files.
    pub fn from_digest(digest: &str) -> Option<Self> {
        let hex = digest.strip_prefix("sha256:")?;
        let is_small = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_small { hex.parse().ok() } else { None }
    }
}

impl FromStr for Sha256 {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Self, InvalidSha256> {
        let invalid = || InvalidSha256(text.chars().take(80).collect());
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| invalid())?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            let (high, low) = digit(0).zip(digit(1)).ok_or_else(invalid)?;
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl TryFrom<String> for Sha256 {
    type Error = InvalidSha256;

    fn try_from(text: String) -> Result<Self, InvalidSha256> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(sum: Sha256) -> Self {
        sum.to_string()
    }
}

// === impl Hasher ===

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Takes up to `bytes_max` bytes of `file`; returns `false` where `read` ended it.
    pub(crate) fn read(
        &mut self,
        file: &mut File,
        bytes_max: u64,
        read: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<bool> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut left = bytes_max;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let count = match file.read(&mut buffer[..most]) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.update(&buffer[..count]);
            left -= count as u64;
            if !read(count as u64) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

const PIECE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4's example: SHA-256 of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn sums_are_those_of_the_standard() {
        assert_eq!(Sha256::of(b"abc").to_string(), ABC);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let mut told = 0;
        let add = |count| {
            told += count;
            true
        };
        assert_eq!(Sha256::of_file(file.path(), add).unwrap(), Some(Sha256::of(b"abc")));
        assert_eq!(told, 3);
        assert_eq!(Sha256::of_file(file.path(), |_| false).unwrap(), None);
    }

    #[test]
    fn only_sums_are_taken_for_sums() {
        assert_eq!(ABC.parse(), Ok(Sha256::of(b"abc")));
        assert_eq!(ABC.to_uppercase().parse(), Ok(Sha256::of(b"abc")));
        assert_eq!(Sha256::from_digest(&format!("sha256:{ABC}")), Some(Sha256::of(b"abc")));
        let upper = format!("sha256:{}", ABC.to_uppercase());
        for wrong in [ABC, &upper, "sha256:", "sha256:../../etc/passwd", &format!("sha512:{ABC}")] {
            assert_eq!(Sha256::from_digest(wrong), None, "{wrong}");
        }
        for wrong in ["", &ABC[1..], &format!("{ABC}0"), &ABC.replace('b', "ä"), &ABC.replace('b', "+")] {
            assert!(wrong.parse::<Sha256>().is_err(), "{wrong}");
        }
    }
}
