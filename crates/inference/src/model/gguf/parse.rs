use super::{Array, Refusal, TensorType, Value, value::ValueType};
use crate::model::source::{Failure, ReadAt, Reader};

/// What a GGUF file holds besides the numbers of its tensors.
#[derive(Debug)]
pub struct File {
    /// 2 or 3.
    pub version: u32,
    /// Keys and values, in the file's order.
    pub metadata: Metadata,
    /// The tensors, in the file's order.
    pub tensors: Vec<Tensor>,
    /// Tensors begin at multiples of this, a power of two.
    pub alignment: u64,
    /// Byte of the file at which tensor data begins.
    pub data_offset: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Keys and values, in the file's order.
#[derive(Debug, Default)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    /// Indexes into `entries`, by key.
    by_key: Vec<u32>,
}

/// Where the numbers of a tensor are, and how they are laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Unique in the model: `blk.0.attn_q.weight`.
    pub name: String,
    /// How the numbers are stored.
    pub tensor_type: TensorType,
    /// Byte of the file at which they begin.
    pub offset: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Product of the dimensions.
    pub elements: u64,
    dims: [u64; DIMS_MAX as usize],
    dims_len: u8,
}

/// Ten times the metadata of the largest vocabularies there are.
const HEADER_BYTES_MAX: u64 = 256 << 20;
const DIMS_MAX: u32 = 4;
const NESTING_MAX: u32 = 4;
const NESTED_MAX: u64 = 1 << 16;
const KEYS_MAX: u64 = 1 << 16;
const TENSORS_MAX: u64 = 1 << 20;
/// The format's own limit.
const KEY_BYTES_MAX: u64 = (1 << 16) - 1;
/// ggml has 64; room for those that do not care.
const NAME_BYTES_MAX: u64 = 256;
/// Whole tokenizers of 20 MiB travel in one string.
const STRING_BYTES_MAX: u64 = 64 << 20;
/// Name of one byte, no dimensions, type, offset.
const TENSOR_BYTES_MIN: u64 = 8 + 1 + 4 + 4 + 8;
/// Key of one byte, type, value of one byte.
const ENTRY_BYTES_MIN: u64 = 8 + 1 + 4 + 1;
const ALIGNMENT_DEFAULT: u64 = 32;

// === impl File ===

impl File {
    /// Reads what `bytes`, a whole file, hold.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] for whatever is not a sound file of version 2 or 3.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::read(&bytes)
    }

    pub(crate) fn read(source: &dyn ReadAt) -> Result<Self, Refusal> {
        let mut parser = Parser { reader: Reader::new(source, HEADER_BYTES_MAX), nested: 0 };
        let (version, tensors, keys) = parser.header()?;
        let metadata = parser.metadata(keys)?;
        let alignment = alignment(&metadata)?;
        let tensors = parser.tensors(tensors)?;
        let file = Self { version, metadata, tensors, alignment, data_offset: 0, bytes: source.bytes() };
        file.placed(parser.reader.at())
    }

    /// Returns the bytes of memory that this takes, for comparison with the file's.
    pub fn memory_bytes(&self) -> usize {
        let values: usize =
            self.metadata.entries.iter().map(|(key, value)| key.capacity() + value.memory_bytes()).sum();
        let names: usize = self.tensors.iter().map(|tensor| tensor.name.capacity()).sum();
        values
            + names
            + self.metadata.entries.capacity() * size_of::<(String, Value)>()
            + self.metadata.by_key.capacity() * size_of::<u32>()
            + self.tensors.capacity() * size_of::<Tensor>()
    }

    /// Turns offsets from the end of the header into offsets in the file, and checks that each tensor lies within the
    /// file, aligned, on bytes of its own.
    fn placed(mut self, header_end: u64) -> Result<Self, Refusal> {
        // Where a file holds no tensors, nothing need follow the header, not even padding.
        self.data_offset = header_end.checked_next_multiple_of(self.alignment).unwrap_or(u64::MAX);
        for tensor in &mut self.tensors {
            let (name, alignment) = (&tensor.name, self.alignment);
            if !tensor.offset.is_multiple_of(alignment) {
                return Err(Refusal::Misaligned { name: name.clone(), offset: tensor.offset, alignment });
            }
            let start = self.data_offset.checked_add(tensor.offset);
            let end = start.and_then(|start| start.checked_add(tensor.bytes));
            match (start, end) {
                (Some(start), Some(end)) if end <= self.bytes => tensor.offset = start,
                (_, end) => {
                    let (name, end) = (name.clone(), end.unwrap_or(u64::MAX));
                    return Err(Refusal::BeyondFile { name, end, file: self.bytes });
                }
            }
        }
        let mut by_offset: Vec<&Tensor> = self.tensors.iter().collect();
        by_offset.sort_unstable_by_key(|tensor| tensor.offset);
        for pair in by_offset.windows(2) {
            let [first, second] = pair else { continue };
            if first.offset + first.bytes > second.offset {
                let (first, second) = (first.name.clone(), second.name.clone());
                return Err(Refusal::Overlap { first, second });
            }
        }
        Ok(self)
    }
}

fn alignment(metadata: &Metadata) -> Result<u64, Refusal> {
    match metadata.get("general.alignment") {
        None => Ok(ALIGNMENT_DEFAULT),
        Some(Value::Unsigned(alignment)) if alignment.is_power_of_two() && *alignment <= u32::MAX.into() => {
            Ok(*alignment)
        }
        Some(other) => Err(Refusal::Alignment { value: other.to_string() }),
    }
}

// === impl Metadata ===

impl Metadata {
    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let found = self.by_key.binary_search_by(|index| self.key(*index).cmp(key)).ok()?;
        let index = *self.by_key.get(found)?;
        self.entries.get(index as usize).map(|(_, value)| value)
    }

    /// Goes through all keys in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    fn new(entries: Vec<(String, Value)>) -> Result<Self, Refusal> {
        let mut metadata = Self { by_key: (0..entries.len() as u32).collect(), entries };
        let mut by_key = std::mem::take(&mut metadata.by_key);
        by_key.sort_unstable_by(|a, b| metadata.key(*a).cmp(metadata.key(*b)));
        let twice = by_key.windows(2).find(|pair| metadata.key(pair[0]) == metadata.key(pair[1]));
        if let Some(pair) = twice {
            return Err(Refusal::DuplicateKey { key: metadata.key(pair[0]).to_owned() });
        }
        metadata.by_key = by_key;
        Ok(metadata)
    }

    fn key(&self, index: u32) -> &str {
        self.entries.get(index as usize).map_or("", |(key, _)| key.as_str())
    }
}

// === impl Tensor ===

impl Tensor {
    /// Returns the dimensions, the one whose numbers lie side by side first (`[columns, rows]`).
    pub fn dims(&self) -> &[u64] {
        self.dims.get(..usize::from(self.dims_len)).unwrap_or_default()
    }
}

struct Parser<'a> {
    reader: Reader<'a>,
    /// How many arrays within arrays there have been; each takes more memory than it takes in the file.
    nested: u64,
}

impl Parser<'_> {
    /// Returns version, number of tensors and number of keys.
    fn header(&mut self) -> Result<(u32, u64, u64), Refusal> {
        let magic = self.reader.array::<4>().map_err(|failure| match failure {
            Failure::Io(error) => Refusal::Io(error),
            _ => Refusal::NotGguf,
        })?;
        if &magic != b"GGUF" {
            return Err(Refusal::NotGguf);
        }
        let version = self.u32("the version")?;
        match version {
            2 | 3 => {}
            // A version that fits into the upper half is a small one read from the wrong end.
            swapped if swapped != 0 && swapped & 0xffff == 0 => return Err(Refusal::BigEndian),
            version => return Err(Refusal::Version { version }),
        }
        let tensors = self.count("tensors", TENSORS_MAX, TENSOR_BYTES_MIN)?;
        let keys = self.count("keys", KEYS_MAX, ENTRY_BYTES_MIN)?;
        Ok((version, tensors, keys))
    }

    fn metadata(&mut self, keys: u64) -> Result<Metadata, Refusal> {
        let mut entries = Vec::with_capacity(keys as usize);
        for _ in 0..keys {
            let key = self.name("key", KEY_BYTES_MAX)?;
            let value_type = self.value_type(&key)?;
            let value = self.value(&key, value_type)?;
            entries.push((key, value));
        }
        Metadata::new(entries)
    }

    fn value(&mut self, key: &str, value_type: ValueType) -> Result<Value, Refusal> {
        match value_type {
            ValueType::String => self.string().map(Value::String),
            ValueType::Array => self.array(key, 1).map(Value::Array),
            fixed => {
                let at = self.reader.at();
                let mut bytes = Vec::with_capacity(8);
                let width = fixed.fixed_bytes().unwrap_or_default();
                self.reader.append(width, &mut bytes).map_err(within("a value", at))?;
                check_bools(key, fixed, &bytes)?;
                fixed.number(&bytes).ok_or(Refusal::Truncated { what: "a value", at })
            }
        }
    }

    fn array(&mut self, key: &str, depth: u32) -> Result<Array, Refusal> {
        if depth > NESTING_MAX {
            return Err(Refusal::TooDeep { key: key.to_owned(), limit: NESTING_MAX });
        }
        let element = self.value_type(key)?;
        let limit = if element == ValueType::Array { NESTED_MAX - self.nested } else { u64::MAX };
        let count = self.count("values", limit, element.least_bytes())?;
        let mut array = Array { element, count, raw: Vec::new(), ends: Vec::new(), nested: Vec::new() };
        match element {
            ValueType::String => {
                array.ends.reserve_exact(count as usize);
                for _ in 0..count {
                    let (bytes, at) = (self.length("string", STRING_BYTES_MAX)?, self.reader.at());
                    self.reader.append(bytes, &mut array.raw).map_err(within("a string", at))?;
                    array.ends.push(array.raw.len() as u64);
                }
            }
            ValueType::Array => {
                self.nested += count;
                for _ in 0..count {
                    array.nested.push(self.array(key, depth + 1)?);
                }
            }
            fixed => {
                let at = self.reader.at();
                // No overflow: that many bytes were found to be left.
                let bytes = count * fixed.fixed_bytes().unwrap_or_default();
                array.raw = self.reader.vec(bytes).map_err(within("an array", at))?;
                check_bools(key, fixed, &array.raw)?;
            }
        }
        Ok(array)
    }

    fn tensors(&mut self, count: u64) -> Result<Vec<Tensor>, Refusal> {
        let mut tensors = Vec::with_capacity(count as usize);
        for _ in 0..count {
            tensors.push(self.tensor()?);
        }
        let mut names: Vec<&str> = tensors.iter().map(|tensor: &Tensor| tensor.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Refusal::DuplicateTensor { name: pair[0].to_owned() }),
            None => Ok(tensors),
        }
    }

    fn tensor(&mut self) -> Result<Tensor, Refusal> {
        let name = self.name("tensor name", NAME_BYTES_MAX)?;
        let dims_len = self.u32("a tensor's dimensions")?;
        if dims_len > DIMS_MAX {
            return Err(Refusal::Dimensions { name, count: dims_len, limit: DIMS_MAX });
        }
        let mut dims = [1; DIMS_MAX as usize];
        for dim in dims.iter_mut().take(dims_len as usize) {
            *dim = self.u64("a tensor's dimensions")?;
        }
        let number = self.u32("a tensor's type")?;
        let offset = self.u64("a tensor's offset")?;
        let tensor_type = tensor_type(&name, number)?;
        let (elements, bytes) = measure(&name, &dims, tensor_type)?;
        Ok(Tensor { name, tensor_type, offset, bytes, elements, dims, dims_len: dims_len as u8 })
    }

    /// Reads how many there are of something; each takes at least `least_bytes`, so that no more can be there than
    /// the rest of the file has room for.
    fn count(&mut self, what: &'static str, limit: u64, least_bytes: u64) -> Result<u64, Refusal> {
        let at = self.reader.at();
        let count = self.u64("a count")?;
        let limit = limit.min(self.reader.remaining() / least_bytes);
        if count > limit {
            return Err(Refusal::TooMany { what, count, limit, at });
        }
        Ok(count)
    }

    fn length(&mut self, what: &'static str, limit: u64) -> Result<u64, Refusal> {
        let at = self.reader.at();
        let bytes = self.u64("a length")?;
        if bytes > limit {
            return Err(Refusal::TooLong { what, bytes, limit, at });
        }
        Ok(bytes)
    }

    fn name(&mut self, what: &'static str, limit: u64) -> Result<String, Refusal> {
        let bytes = self.length(what, limit)?;
        let at = self.reader.at();
        if bytes == 0 {
            return Err(Refusal::NoName { at });
        }
        let bytes = self.reader.vec(bytes).map_err(within("a name", at))?;
        String::from_utf8(bytes).map_err(|_| Refusal::NotText { what, at })
    }

    fn string(&mut self) -> Result<Vec<u8>, Refusal> {
        let bytes = self.length("string", STRING_BYTES_MAX)?;
        let at = self.reader.at();
        self.reader.vec(bytes).map_err(within("a string", at))
    }

    fn value_type(&mut self, key: &str) -> Result<ValueType, Refusal> {
        let number = self.u32("a value's type")?;
        ValueType::from_number(number)
            .ok_or_else(|| Refusal::UnknownValueType { key: key.to_owned(), number })
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, Refusal> {
        let at = self.reader.at();
        self.reader.u32().map_err(within(what, at))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, Refusal> {
        let at = self.reader.at();
        self.reader.u64().map_err(within(what, at))
    }
}

fn within(what: &'static str, at: u64) -> impl FnOnce(Failure) -> Refusal {
    move |failure| match failure {
        Failure::End => Refusal::Truncated { what, at },
        Failure::Limit => Refusal::HeaderTooLarge { limit: HEADER_BYTES_MAX },
        Failure::Io(error) => Refusal::Io(error),
    }
}

fn check_bools(key: &str, value_type: ValueType, bytes: &[u8]) -> Result<(), Refusal> {
    match value_type == ValueType::Bool && bytes.iter().any(|byte| *byte > 1) {
        true => Err(Refusal::NotBool { key: key.to_owned() }),
        false => Ok(()),
    }
}

fn tensor_type(name: &str, number: u32) -> Result<TensorType, Refusal> {
    let withdrawn = match number {
        4 => "Q4_2",
        5 => "Q4_3",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        36 => "IQ4_NL_4_4",
        37 => "IQ4_NL_4_8",
        38 => "IQ4_NL_8_8",
        _ => {
            return TensorType::from_number(number)
                .ok_or_else(|| Refusal::UnknownTensorType { name: name.to_owned(), number });
        }
    };
    Err(Refusal::WithdrawnTensorType { name: name.to_owned(), type_name: withdrawn })
}

/// Returns how many numbers a tensor has and how many bytes they take.
fn measure(name: &str, dims: &[u64; 4], tensor_type: TensorType) -> Result<(u64, u64), Refusal> {
    if dims.contains(&0) {
        return Err(Refusal::ZeroDimension { name: name.to_owned() });
    }
    let (row, block) = (dims[0], tensor_type.block_len());
    if !row.is_multiple_of(block) {
        return Err(Refusal::Blocks { name: name.to_owned(), row, block });
    }
    let product = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim));
    // ggml counts with a sign; what it cannot count is no model.
    let elements = product.filter(|elements| i64::try_from(*elements).is_ok());
    let bytes = elements.and_then(|elements| (elements / block).checked_mul(tensor_type.block_bytes()));
    elements.zip(bytes).ok_or_else(|| Refusal::Overflow { name: name.to_owned() })
}
