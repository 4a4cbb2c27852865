//! Safetensors, Hugging Face's format: a header in JSON, then the tensors' numbers without a gap.
//!
//! ```text
//! header's bytes u64 | {"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, …} | data
//! ```
//!
//! A header has at most 100 MB, as in the reference implementation.

mod write;

use std::{fmt, io};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};

use super::{
    json::Unique,
    source::{Failure, ReadAt, Reader},
};
pub use write::{Numbers, WriteError, write};

/// What a safetensors file holds besides the numbers of its tensors.
#[derive(Debug)]
pub struct File {
    /// What the header says of the file as a whole (`__metadata__`), in its order.
    pub metadata: Vec<(String, String)>,
    /// The tensors, by where they lie.
    pub tensors: Vec<Tensor>,
    /// Byte of the file at which data begins.
    pub data_offset: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Where the numbers of a tensor are, and how they are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Unique in the file.
    pub name: String,
    /// How each number is stored.
    pub dtype: Dtype,
    /// Rows first (`[rows, columns]`); none for a single number.
    pub shape: Vec<u64>,
    /// Byte of the file at which the numbers begin.
    pub offset: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Product of the shape.
    pub elements: u64,
}

/// How a number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[expect(non_camel_case_types, missing_docs, reason = "the names of the format")]
pub enum Dtype {
    BOOL,
    F4,
    F6_E2M3,
    F6_E3M2,
    U8,
    I8,
    F8_E5M2,
    F8_E4M3,
    F8_E8M0,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

/// Why a safetensors file is not taken, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Refusal {
    #[error("it has {bytes} bytes, too few for a header; {DAMAGED}")]
    TooShort { bytes: u64 },
    #[error("it promises a header of {bytes} bytes, but at most {HEADER_BYTES_MAX} are read; {DAMAGED}")]
    HeaderTooLarge { bytes: u64 },
    #[error("it promises a header of {bytes} bytes, but the file ends before that; {DAMAGED}")]
    HeaderTruncated { bytes: u64 },
    #[error("its header cannot be understood; {DAMAGED}")]
    Header(#[source] serde_json::Error),
    #[error("the tensor {name:?} has {count} dimensions, but at most {DIMS_MAX} are read; {DAMAGED}")]
    Dimensions { name: String, count: usize },
    #[error("the tensor {name:?} is larger than can be counted; {DAMAGED}")]
    Overflow { name: String },
    #[error("the tensor {name:?} takes {expected} bytes by its shape and {found} by its place; {DAMAGED}")]
    Bytes { name: String, expected: u64, found: u64 },
    #[error("the tensor {name:?} begins at byte {found} of the data, where {expected} is due; {DAMAGED}")]
    Place { name: String, expected: u64, found: u64 },
    #[error("its tensors take {expected} bytes, but {found} follow the header; {DAMAGED}")]
    Length { expected: u64, found: u64 },
    #[error("it cannot be read")]
    Io(#[source] io::Error),
}

const DAMAGED: &str = "the file is damaged or incomplete: download it again";
const HEADER_BYTES_MAX: u64 = 100_000_000;
const DIMS_MAX: usize = 64;

// === impl File ===

impl File {
    /// Reads what `bytes`, a whole file, hold.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] for whatever is not sound.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::read(&bytes)
    }

    pub(crate) fn read(source: &dyn ReadAt) -> Result<Self, Refusal> {
        let bytes = source.bytes();
        let mut reader = Reader::new(source, 8 + HEADER_BYTES_MAX);
        let header_bytes = reader.u64().map_err(or_io(Refusal::TooShort { bytes }))?;
        if header_bytes > HEADER_BYTES_MAX {
            return Err(Refusal::HeaderTooLarge { bytes: header_bytes });
        }
        let header =
            reader.vec(header_bytes).map_err(or_io(Refusal::HeaderTruncated { bytes: header_bytes }))?;
        let header: Header = serde_json::from_slice(&header).map_err(Refusal::Header)?;
        let mut tensors = Vec::with_capacity(header.tensors.len());
        for (name, info) in header.tensors {
            tensors.push(measured(name, info)?);
        }
        let file = Self { metadata: header.metadata, tensors, data_offset: reader.at(), bytes };
        file.placed()
    }

    /// Returns the bytes of memory that this takes, for comparison with the file's.
    pub fn memory_bytes(&self) -> usize {
        let metadata: usize =
            self.metadata.iter().map(|(name, value)| name.capacity() + value.capacity()).sum();
        let tensors: usize = self
            .tensors
            .iter()
            .map(|tensor| tensor.name.capacity() + tensor.shape.capacity() * size_of::<u64>())
            .sum();
        metadata
            + tensors
            + self.metadata.capacity() * size_of::<(String, String)>()
            + self.tensors.capacity() * size_of::<Tensor>()
    }

    /// Checks that the tensors fill the rest of the file, one after another.
    fn placed(mut self) -> Result<Self, Refusal> {
        // Tensors of no bytes share their place with the next one.
        self.tensors.sort_unstable_by(|a, b| (a.offset, a.bytes, &a.name).cmp(&(b.offset, b.bytes, &b.name)));
        let mut expected = 0;
        for tensor in &mut self.tensors {
            if tensor.offset != expected {
                let (name, found) = (tensor.name.clone(), tensor.offset);
                return Err(Refusal::Place { name, expected, found });
            }
            // No overflow: the sum was checked when the tensor was measured.
            expected += tensor.bytes;
            tensor.offset = tensor.offset.saturating_add(self.data_offset);
        }
        let found = self.bytes - self.data_offset;
        match found == expected {
            true => Ok(self),
            false => Err(Refusal::Length { expected, found }),
        }
    }
}

fn or_io(refusal: Refusal) -> impl FnOnce(Failure) -> Refusal {
    move |failure| match failure {
        Failure::Io(error) => Refusal::Io(error),
        _ => refusal,
    }
}

/// Checks a tensor's place against its shape; its offset still counts from where data begins.
fn measured(name: String, info: Info) -> Result<Tensor, Refusal> {
    if info.shape.len() > DIMS_MAX {
        return Err(Refusal::Dimensions { name, count: info.shape.len() });
    }
    let elements = info.shape.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim));
    let bits = elements.and_then(|elements| elements.checked_mul(info.dtype.bits()));
    let [start, end] = info.data_offsets;
    let (Some(elements), Some(bits)) = (elements, bits) else { return Err(Refusal::Overflow { name }) };
    let expected = bits.div_ceil(8);
    match end.checked_sub(start) {
        Some(found) if found == expected && bits.is_multiple_of(8) => {}
        found => return Err(Refusal::Bytes { name, expected, found: found.unwrap_or(0) }),
    }
    Ok(Tensor { name, dtype: info.dtype, shape: info.shape, offset: start, bytes: expected, elements })
}

// === impl Dtype ===

impl Dtype {
    /// Returns the bits of a number.
    pub fn bits(self) -> u64 {
        match self {
            Self::F4 => 4,
            Self::F6_E2M3 | Self::F6_E3M2 => 6,
            Self::BOOL | Self::U8 | Self::I8 => 8,
            Self::F8_E5M2 | Self::F8_E4M3 | Self::F8_E8M0 | Self::F8_E4M3FNUZ | Self::F8_E5M2FNUZ => 8,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 16,
            Self::I32 | Self::U32 | Self::F32 => 32,
            Self::C64 | Self::F64 | Self::I64 | Self::U64 => 64,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the header says of a tensor.
#[derive(Debug, Deserialize, Serialize)]
struct Info {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

#[derive(Debug)]
struct Header {
    metadata: Vec<(String, String)>,
    tensors: Vec<(String, Info)>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut metadata = None;
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                let Unique(entries) = map.next_value::<Unique<String>>()?;
                if metadata.replace(entries).is_some() {
                    return Err(A::Error::custom("the name \"__metadata__\" stands there twice"));
                }
            } else {
                tensors.push((name, map.next_value::<Info>()?));
            }
        }
        let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom(format_args!("the name {:?} stands there twice", pair[0])));
        }
        Ok(Header { metadata: metadata.unwrap_or_default(), tensors })
    }
}
