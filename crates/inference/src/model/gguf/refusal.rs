use std::io;

/// Why a GGUF file is not taken, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Refusal {
    #[error("it does not begin as a GGUF file does; {}", advice::OTHER_FILE)]
    NotGguf,
    #[error("it is a GGUF file of version {version}, and versions 2 and 3 are read; {}", advice::CONVERT)]
    Version { version: u32 },
    #[error("it is a big-endian GGUF file; {} for little-endian machines", advice::CONVERT)]
    BigEndian,
    #[error("it ends within {what} (byte {at}); {}", advice::DAMAGED)]
    Truncated { what: &'static str, at: u64 },
    #[error(
        "it promises {count} {what} (byte {at}), more than the {limit} that are possible; {}",
        advice::DAMAGED
    )]
    TooMany { what: &'static str, count: u64, limit: u64, at: u64 },
    #[error("keys and tensor table go on beyond {limit} bytes; {}", advice::DAMAGED)]
    HeaderTooLarge { limit: u64 },
    #[error(
        "a {what} of {bytes} bytes is promised (byte {at}), but at most {limit} are read; {}",
        advice::DAMAGED
    )]
    TooLong { what: &'static str, bytes: u64, limit: u64, at: u64 },
    #[error("a {what} is not UTF-8 text (byte {at}); {}", advice::DAMAGED)]
    NotText { what: &'static str, at: u64 },
    #[error("a key or a tensor has an empty name (byte {at}); {}", advice::DAMAGED)]
    NoName { at: u64 },
    #[error("the key {key:?} stands there twice; {}", advice::CONVERT)]
    DuplicateKey { key: String },
    #[error("the key {key:?} has the unknown value type {number}; {}", advice::NEWER)]
    UnknownValueType { key: String, number: u32 },
    #[error("the key {key:?} holds arrays within arrays, deeper than {limit}; {}", advice::DAMAGED)]
    TooDeep { key: String, limit: u32 },
    #[error("the key {key:?} is neither true nor false; {}", advice::DAMAGED)]
    NotBool { key: String },
    #[error(
        "the alignment (general.alignment) is {value}, not a power of two in 32 bits; {}",
        advice::CONVERT
    )]
    Alignment { value: String },
    #[error("the tensor {name:?} stands there twice; {}", advice::CONVERT)]
    DuplicateTensor { name: String },
    #[error(
        "the tensor {name:?} has {count} dimensions, but at most {limit} are possible; {}",
        advice::DAMAGED
    )]
    Dimensions { name: String, count: u32, limit: u32 },
    #[error("the tensor {name:?} has a dimension of 0; {}", advice::DAMAGED)]
    ZeroDimension { name: String },
    #[error("the tensor {name:?} is larger than can be counted; {}", advice::DAMAGED)]
    Overflow { name: String },
    #[error("the tensor {name:?} has the unknown type {number}; {}", advice::NEWER)]
    UnknownTensorType { name: String, number: u32 },
    #[error(
        "the tensor {name:?} has the type {type_name}, which llama.cpp has withdrawn; {}",
        advice::CONVERT
    )]
    WithdrawnTensorType { name: String, type_name: &'static str },
    #[error(
        "a row of the tensor {name:?} has {row} numbers, which are not whole blocks of {block}; {}",
        advice::DAMAGED
    )]
    Blocks { name: String, row: u64, block: u64 },
    #[error(
        "the tensor {name:?} lies at {offset}, which is no multiple of the alignment {alignment}; {}",
        advice::DAMAGED
    )]
    Misaligned { name: String, offset: u64, alignment: u64 },
    #[error("the tensor {name:?} reaches to byte {end}, but the file has {file}; {}", advice::DAMAGED)]
    BeyondFile { name: String, end: u64, file: u64 },
    #[error("the tensors {first:?} and {second:?} overlap; {}", advice::DAMAGED)]
    Overlap { first: String, second: String },
    #[error(
        "it says it is one of {count} parts, but is not called NAME-00001-of-{count:05}.gguf or so; rename it"
    )]
    SplitName { count: u64 },
    #[error(
        "it says it is part {found} of {found_count}, but is called part {named} of {named_count}; rename it, or download it again"
    )]
    SplitNumber { found: u64, found_count: u64, named: u64, named_count: u64 },
    #[error("the key {key} has no sensible value; {}", advice::DAMAGED)]
    SplitKey { key: &'static str },
    #[error("its part {name} is missing or cannot be read; download all parts into one folder")]
    SplitPart {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("its part {name} cannot be used")]
    SplitRefused {
        name: String,
        #[source]
        source: Box<Refusal>,
    },
    #[error("its parts hold {found} tensors, but should hold {expected}; {}", advice::DAMAGED)]
    SplitTensors { found: u64, expected: u64 },
    #[error("it cannot be read")]
    Io(#[source] io::Error),
}

/// What can be done, by kind of trouble.
mod advice {
    pub(super) const DAMAGED: &str = "the file is damaged or incomplete: download it again";
    pub(super) const CONVERT: &str = "convert the original model again with a current llama.cpp";
    pub(super) const NEWER: &str =
        "the file is damaged, or newer than this program: download it again, or update";
    pub(super) const OTHER_FILE: &str =
        "it is something else, or damaged: name a .gguf or .safetensors file, or a folder with one";
}
