use std::{borrow::Cow, fmt};

use serde_json::Value as Json;

/// What a metadata key stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any integer without a sign, of 1 to 8 bytes in the file.
    Unsigned(u64),
    /// Any integer with a sign, of 1 to 8 bytes in the file.
    Signed(i64),
    /// A float of 4 or 8 bytes in the file.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Text; the format asks for UTF-8, but nothing enforces it.
    String(Vec<u8>),
    /// Values of one type.
    Array(Array),
}

/// Values of one type, kept as they lie in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub(super) element: ValueType,
    pub(super) count: u64,
    /// Numbers as in the file, or the bytes of all strings one after another.
    pub(super) raw: Vec<u8>,
    /// Where each string ends in `raw`.
    pub(super) ends: Vec<u64>,
    /// The arrays of an array of arrays.
    pub(super) nested: Vec<Array>,
}

/// The type of a value in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names of the format")]
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

/// Values of an array that are shown one by one.
const SHOWN_MAX: u64 = 8;

// === impl Value ===

impl Value {
    /// Returns an integer that is not negative, whatever its width in the file.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Returns text; what is not UTF-8 in it is replaced by U+FFFD.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::String(bytes) => Some(String::from_utf8_lossy(bytes)),
            _ => None,
        }
    }

    /// Returns an array.
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Returns it as JSON: arrays of more than eight values as `{"array_of": "strings", "count": 32000}`, floats that
    /// JSON cannot hold as text.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Unsigned(number) => (*number).into(),
            Self::Signed(number) => (*number).into(),
            Self::Float(number) if number.is_finite() => (*number).into(),
            Self::Float(number) => number.to_string().into(),
            Self::Bool(truth) => (*truth).into(),
            Self::String(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
            Self::Array(array) => array.to_json(),
        }
    }

    /// Returns the bytes of memory beyond this value itself.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.capacity(),
            Self::Array(array) => array.memory_bytes(),
            _ => 0,
        }
    }
}

/// Texts in quotes, arrays by what they hold (`[32000 strings]`) unless they are short.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
            Self::String(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Self::Array(array) if array.len() <= SHOWN_MAX => {
                f.write_str("[")?;
                for index in 0..array.len() {
                    let comma = if index == 0 { "" } else { ", " };
                    match (array.get(index), array.nested(index)) {
                        (Some(value), _) => write!(f, "{comma}{value}")?,
                        (None, nested) => {
                            write!(f, "{comma}[{} values]", nested.map_or(0, Array::len))?;
                        }
                    }
                }
                f.write_str("]")
            }
            Self::Array(array) => write!(f, "[{} {}]", array.count, array.element.plural()),
        }
    }
}

// === impl Array ===

impl Array {
    /// Returns the number of values.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the type of the values.
    pub fn element(&self) -> ValueType {
        self.element
    }

    /// Returns the bytes of the string at `index`, without copying them.
    pub fn bytes(&self, index: u64) -> Option<&[u8]> {
        let index = usize::try_from(index).ok()?;
        let end = usize::try_from(*self.ends.get(index)?).ok()?;
        let start = match index.checked_sub(1) {
            Some(before) => usize::try_from(*self.ends.get(before)?).ok()?,
            None => 0,
        };
        self.raw.get(start..end)
    }

    /// Returns the array at `index` of an array of arrays.
    pub fn nested(&self, index: u64) -> Option<&Self> {
        self.nested.get(usize::try_from(index).ok()?)
    }

    /// Returns the value at `index`; `None` beyond the end, and for arrays of arrays.
    pub fn get(&self, index: u64) -> Option<Value> {
        if self.element == ValueType::String {
            return self.bytes(index).map(|bytes| Value::String(bytes.to_vec()));
        }
        let width = self.element.fixed_bytes()?;
        let start = usize::try_from(index.checked_mul(width)?).ok()?;
        let bytes = self.raw.get(start..)?.get(..width as usize)?;
        self.element.number(bytes)
    }

    fn to_json(&self) -> Json {
        if self.count > SHOWN_MAX {
            return serde_json::json!({ "array_of": self.element.plural(), "count": self.count });
        }
        let value = |index| {
            let nested = self.nested(index).map(Self::to_json);
            nested.or_else(|| self.get(index).map(|value| value.to_json()))
        };
        (0..self.count).filter_map(value).collect()
    }

    fn memory_bytes(&self) -> usize {
        let nested: usize = self.nested.iter().map(Self::memory_bytes).sum();
        self.raw.capacity()
            + self.ends.capacity() * size_of::<u64>()
            + self.nested.capacity() * size_of::<Self>()
            + nested
    }
}

// === impl ValueType ===

impl ValueType {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        const ALL: [ValueType; 13] = [
            ValueType::U8,
            ValueType::I8,
            ValueType::U16,
            ValueType::I16,
            ValueType::U32,
            ValueType::I32,
            ValueType::F32,
            ValueType::Bool,
            ValueType::String,
            ValueType::Array,
            ValueType::U64,
            ValueType::I64,
            ValueType::F64,
        ];
        ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Returns the bytes of a value in the file; `None` where that depends on the value.
    pub(super) fn fixed_bytes(self) -> Option<u64> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }

    /// Returns the fewest bytes that a value can take in the file.
    pub(super) fn least_bytes(self) -> u64 {
        match self {
            Self::String => 8,
            Self::Array => 12,
            other => other.fixed_bytes().unwrap_or(1),
        }
    }

    /// Reads a number or a truth from its bytes, which are as many as the type has.
    pub(super) fn number(self, bytes: &[u8]) -> Option<Value> {
        Some(match self {
            Self::U8 => Value::Unsigned(u8::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::U16 => Value::Unsigned(u16::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::U32 => Value::Unsigned(u32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::U64 => Value::Unsigned(u64::from_le_bytes(bytes.try_into().ok()?)),
            Self::I8 => Value::Signed(i8::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::I16 => Value::Signed(i16::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::I32 => Value::Signed(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::I64 => Value::Signed(i64::from_le_bytes(bytes.try_into().ok()?)),
            Self::F32 => Value::Float(f32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::F64 => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
            Self::Bool => Value::Bool(*bytes.first()? != 0),
            Self::String | Self::Array => return None,
        })
    }

    fn plural(self) -> &'static str {
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 | Self::I8 | Self::I16 | Self::I32 | Self::I64 => {
                "integers"
            }
            Self::F32 | Self::F64 => "floats",
            Self::Bool => "truths",
            Self::String => "strings",
            Self::Array => "arrays",
        }
    }
}
