use std::io::{self, Write};

use serde_json::{Map, Value as Json};

use super::{Dtype, File, Info, Refusal};
use crate::model::source::Planned;

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct Numbers<'a> {
    /// Unique in the file.
    pub name: &'a str,
    /// How each number is stored.
    pub dtype: Dtype,
    /// Rows first (`[rows, columns]`); none for a single number.
    pub shape: &'a [u64],
    /// The numbers, little-endian, without a gap.
    pub data: &'a [u8],
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file would be one that [`File::from_bytes`] refuses.
    #[error("the file would not be read again")]
    Refused(#[source] Box<Refusal>),
    /// A name is given twice.
    #[error("the tensor {name:?} is given twice; name it once")]
    Twice {
        /// The tensor, or `__metadata__`.
        name: String,
    },
    /// What is written to could not take it.
    #[error("it cannot be written")]
    Io(#[source] io::Error),
}

/// Begins data at multiples of 8, as the reference implementation does.
const ALIGNMENT: usize = 8;

/// Writes a file of these tensors, in this order, once it is certain that it can be read again.
///
/// ```
/// use athenaeum_inference::model::safetensors::{Dtype, File, Numbers, write};
///
/// let norm = Numbers { name: "norm.weight", dtype: Dtype::BF16, shape: &[2], data: &[0x80, 0x3f, 0x80, 0x3f] };
/// let mut file = Vec::new();
/// write(&[("format", "pt")], &[norm], &mut file)?;
/// assert_eq!(File::from_bytes(&file)?.tensors[0].shape, [2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A [`WriteError`]; unless it is [`WriteError::Io`], nothing was written.
pub fn write(
    metadata: &[(&str, &str)],
    tensors: &[Numbers<'_>],
    mut to: impl Write,
) -> Result<(), WriteError> {
    let (header, data_bytes) = header(metadata, tensors)?;
    let planned = Planned { header: &header, bytes: (header.len() as u64).saturating_add(data_bytes) };
    File::read(&planned).map_err(|refusal| WriteError::Refused(Box::new(refusal)))?;
    to.write_all(&header).map_err(WriteError::Io)?;
    for tensor in tensors {
        to.write_all(tensor.data).map_err(WriteError::Io)?;
    }
    to.flush().map_err(WriteError::Io)
}

/// Returns all that stands before the data, and the bytes of the data.
fn header(metadata: &[(&str, &str)], tensors: &[Numbers<'_>]) -> Result<(Vec<u8>, u64), WriteError> {
    let mut names = Map::new();
    let mut put = |name: &str, value: Json| match names.insert(name.to_owned(), value) {
        Some(_) => Err(WriteError::Twice { name: name.to_owned() }),
        None => Ok(()),
    };
    let about: Map<String, Json> =
        metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    if !about.is_empty() {
        put("__metadata__", about.into())?;
    }
    let mut at = 0;
    for tensor in tensors {
        let end = at + tensor.data.len() as u64;
        let info = Info { dtype: tensor.dtype, shape: tensor.shape.to_vec(), data_offsets: [at, end] };
        put(tensor.name, serde_json::to_value(info).map_err(|error| WriteError::Io(error.into()))?)?;
        at = end;
    }
    let mut json = serde_json::to_vec(&names).map_err(|error| WriteError::Io(error.into()))?;
    json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
    Ok(([&(json.len() as u64).to_le_bytes()[..], &json].concat(), at))
}
