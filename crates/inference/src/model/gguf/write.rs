use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::{Array, File, Refusal, TensorType, Value, ValueType};
use crate::model::source::{Planned, ReadAt as _};

/// A GGUF file of version 3 to be written: keys and tensors in the order in which they are given.
///
/// ```
/// use athenaeum_inference::model::gguf::{File, TensorType, Writer};
///
/// let numbers: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
/// let mut file = Vec::new();
/// Writer::new()
///     .set("general.architecture", "llama")
///     .set("llama.block_count", 1_u32)
///     .set("tokenizer.ggml.tokens", ["<s>", "a"])
///     .tensor("output_norm.weight", TensorType::F32, &[2], numbers)
///     .write(&mut file)?;
/// assert_eq!(File::from_bytes(&file)?.tensors[0].dims(), [2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Writer<'a> {
    keys: Vec<(String, Typed)>,
    tensors: Vec<Planning<'a>>,
}

/// A value with the type that it has in the file, which for numbers is the type given: `1_u32` is not `1_u64`, and
/// readers may insist on one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    value_type: ValueType,
    bytes: Vec<u8>,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file would be one that [`File::from_bytes`] refuses.
    #[error("the file would not be read again")]
    Refused(#[source] Box<Refusal>),
    /// The bytes of a tensor are not as many as its type and dimensions take.
    #[error("the tensor {name:?} takes {expected} bytes, and {found} were given")]
    Bytes {
        /// The tensor.
        name: String,
        /// What its type and dimensions take.
        expected: u64,
        /// How many there were.
        found: u64,
    },
    /// What is written to could not take it.
    #[error("it cannot be written")]
    Io(#[source] io::Error),
}

#[derive(Debug)]
struct Planning<'a> {
    name: String,
    tensor_type: TensorType,
    dims: Vec<u64>,
    data: Cow<'a, [u8]>,
}

const ALIGNMENT_KEY: &str = "general.alignment";
const ALIGNMENT_DEFAULT: u64 = 32;

// === impl Writer ===

impl<'a> Writer<'a> {
    /// Returns a file of no keys and no tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. Tensors begin at multiples of `general.alignment` if that is set, of 32 otherwise.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Typed>) -> Self {
        self.keys.push((key.into(), value.into()));
        self
    }

    /// Adds a tensor: `dims` with the one first whose numbers lie side by side (`[columns, rows]`), and its numbers as
    /// they lie in the file.
    #[must_use]
    pub fn tensor(
        mut self,
        name: impl Into<String>,
        tensor_type: TensorType,
        dims: &[u64],
        data: impl Into<Cow<'a, [u8]>>,
    ) -> Self {
        self.tensors.push(Planning {
            name: name.into(),
            tensor_type,
            dims: dims.to_vec(),
            data: data.into(),
        });
        self
    }

    /// Writes the file, once it is certain that it can be read again.
    ///
    /// # Errors
    ///
    /// A [`WriteError`]; unless it is [`WriteError::Io`], nothing was written.
    pub fn write(&self, mut to: impl Write) -> Result<(), WriteError> {
        let alignment = self.alignment();
        let header = self.header(alignment);
        let data_bytes = self.tensors.iter().fold(0, |at: u64, tensor| after(at, tensor, alignment));
        let data_offset = aligned(header.len() as u64, alignment);
        let planned = Planned { header: &header, bytes: data_offset.saturating_add(data_bytes) };
        let file = File::read(&planned).map_err(|refusal| WriteError::Refused(Box::new(refusal)))?;
        for (tensor, read) in self.tensors.iter().zip(&file.tensors) {
            let (expected, found) = (read.bytes, tensor.data.len() as u64);
            if expected != found {
                return Err(WriteError::Bytes { name: tensor.name.clone(), expected, found });
            }
        }
        let mut at = header.len() as u64;
        to.write_all(&header).map_err(WriteError::Io)?;
        for tensor in &self.tensors {
            pad(&mut to, at, alignment)?;
            to.write_all(&tensor.data).map_err(WriteError::Io)?;
            at = aligned(at, alignment) + tensor.data.len() as u64;
        }
        pad(&mut to, at, alignment)?;
        debug_assert_eq!(aligned(at, alignment), aligned(planned.bytes(), alignment));
        to.flush().map_err(WriteError::Io)
    }

    fn header(&self, alignment: u64) -> Vec<u8> {
        let mut header = b"GGUF".to_vec();
        header.extend(3_u32.to_le_bytes());
        header.extend((self.tensors.len() as u64).to_le_bytes());
        header.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            put_string(&mut header, key.as_bytes());
            header.extend((value.value_type as u32).to_le_bytes());
            header.extend(&value.bytes);
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            put_string(&mut header, tensor.name.as_bytes());
            // A number of dimensions beyond 32 bits is beyond the reader's limit however it is written.
            header.extend(u32::try_from(tensor.dims.len()).unwrap_or(u32::MAX).to_le_bytes());
            tensor.dims.iter().for_each(|dim| header.extend(dim.to_le_bytes()));
            header.extend(tensor.tensor_type.number().to_le_bytes());
            header.extend(offset.to_le_bytes());
            offset = after(offset, tensor, alignment);
        }
        header
    }

    /// Returns what is asked for, where that makes sense; the reader refuses it where it does not.
    fn alignment(&self) -> u64 {
        let asked = self.keys.iter().find(|(key, _)| key == ALIGNMENT_KEY);
        let value = asked.and_then(|(_, typed)| typed.value_type.number(&typed.bytes));
        let value = value.and_then(|value| value.as_u64());
        value
            .filter(|value| value.is_power_of_two() && *value <= u32::MAX.into())
            .unwrap_or(ALIGNMENT_DEFAULT)
    }
}

/// Returns where the tensor after this one begins.
fn after(at: u64, tensor: &Planning<'_>, alignment: u64) -> u64 {
    aligned(at.saturating_add(tensor.data.len() as u64), alignment)
}

fn aligned(at: u64, alignment: u64) -> u64 {
    at.checked_next_multiple_of(alignment).unwrap_or(u64::MAX)
}

fn pad(to: &mut impl Write, at: u64, alignment: u64) -> Result<(), WriteError> {
    let zeros = aligned(at, alignment) - at;
    io::copy(&mut io::Read::take(io::repeat(0), zeros), to).map_err(WriteError::Io)?;
    Ok(())
}

fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u64).to_le_bytes());
    to.extend(bytes);
}

// === impl Typed ===

impl Typed {
    /// Returns text that need not be UTF-8, as tokens may be.
    pub fn bytes(text: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(8 + text.len());
        put_string(&mut bytes, text);
        Self { value_type: ValueType::String, bytes }
    }

    /// Returns an array of `values`; `None` where one of them has another type than `element`.
    pub fn array(element: ValueType, values: impl IntoIterator<Item = Self>) -> Option<Self> {
        let values: Vec<Self> = values.into_iter().collect();
        let alike = values.iter().all(|value| value.value_type == element);
        alike.then(|| Self::array_of(element, values.into_iter()))
    }

    /// Returns an array of values that are all of one type by construction.
    fn array_of(element: ValueType, values: impl ExactSizeIterator<Item = Self>) -> Self {
        let mut bytes = (element as u32).to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        values.for_each(|value| bytes.extend(value.bytes));
        Self { value_type: ValueType::Array, bytes }
    }
}

macro_rules! typed_numbers {
    ($($number:ty => $value_type:ident),*) => {$(
        impl From<$number> for Typed {
            fn from(number: $number) -> Self {
                Self { value_type: ValueType::$value_type, bytes: number.to_le_bytes().to_vec() }
            }
        }

        impl Element for $number {
            const TYPE: ValueType = ValueType::$value_type;
        }
    )*};
}

typed_numbers!(
    u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, u64 => U64, i64 => I64, f32 => F32, f64 => F64
);

/// What an array can be of.
trait Element: Into<Typed> {
    const TYPE: ValueType;
}

impl Element for bool {
    const TYPE: ValueType = ValueType::Bool;
}

impl Element for &str {
    const TYPE: ValueType = ValueType::String;
}

impl Element for String {
    const TYPE: ValueType = ValueType::String;
}

impl From<bool> for Typed {
    fn from(truth: bool) -> Self {
        Self { value_type: ValueType::Bool, bytes: vec![truth.into()] }
    }
}

impl From<&str> for Typed {
    fn from(text: &str) -> Self {
        Self::bytes(text.as_bytes())
    }
}

impl From<String> for Typed {
    fn from(text: String) -> Self {
        Self::bytes(text.as_bytes())
    }
}

impl<T: Element> From<Vec<T>> for Typed {
    fn from(values: Vec<T>) -> Self {
        Self::array_of(T::TYPE, values.into_iter().map(Into::into))
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Typed {
    fn from(values: [T; N]) -> Self {
        Self::array_of(T::TYPE, values.into_iter().map(Into::into))
    }
}

/// Arrays as they were in their file; a number alone, whose width is not kept, in 32 bits where it fits.
impl From<&Value> for Typed {
    fn from(value: &Value) -> Self {
        match value {
            Value::Unsigned(number) => u32::try_from(*number).map_or_else(|_| (*number).into(), Into::into),
            Value::Signed(number) => i32::try_from(*number).map_or_else(|_| (*number).into(), Into::into),
            Value::Float(number) if f64::from(*number as f32) == *number => (*number as f32).into(),
            Value::Float(number) => (*number).into(),
            Value::Bool(truth) => (*truth).into(),
            Value::String(text) => Self::bytes(text),
            Value::Array(array) => array.into(),
        }
    }
}

impl From<&Array> for Typed {
    fn from(array: &Array) -> Self {
        match array.element() {
            ValueType::Array => Self::array_of(ValueType::Array, array.nested.iter().map(Self::from)),
            ValueType::String => {
                let text = |index| Self::bytes(array.bytes(index as u64).unwrap_or_default());
                Self::array_of(ValueType::String, (0..array.ends.len()).map(text))
            }
            element => {
                let mut bytes = (element as u32).to_le_bytes().to_vec();
                bytes.extend(array.len().to_le_bytes());
                bytes.extend(&array.raw);
                Self { value_type: ValueType::Array, bytes }
            }
        }
    }
}
