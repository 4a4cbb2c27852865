//! Writes model files, and lets any field be wrong.

/// A GGUF file, field by field.
#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) key_count: Option<u64>,
    pub(crate) keys: Vec<Key>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) alignment: u64,
    pub(crate) data_bytes: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: Vec<u8>,
    pub(crate) value_type: u32,
    pub(crate) value: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: Vec<u8>,
    pub(crate) dims_len: Option<u32>,
    pub(crate) dims: Vec<u64>,
    pub(crate) tensor_type: u32,
    pub(crate) offset: u64,
}

pub(crate) const U32: u32 = 4;
pub(crate) const BOOL: u32 = 7;
pub(crate) const STRING: u32 = 8;
pub(crate) const ARRAY: u32 = 9;

impl Gguf {
    /// A small model of two tensors: 2 × 32 in F32 and 1 × 256 in Q4_K.
    pub(crate) fn small() -> Self {
        let keys = vec![
            key("general.architecture", STRING, string("llama")),
            key("general.name", STRING, string("Tiny")),
            key("general.file_type", U32, u32(15)),
            key("general.license", STRING, string("apache-2.0")),
            key("llama.context_length", U32, u32(2048)),
            key("llama.embedding_length", U32, u32(32)),
            key("llama.block_count", U32, u32(1)),
            key("llama.attention.head_count", ARRAY, array(U32, &[u32(2), u32(4)])),
            key("llama.attention.head_count_kv", U32, u32(1)),
            key("tokenizer.ggml.model", STRING, string("gpt2")),
            key("tokenizer.ggml.pre", STRING, string("llama-bpe")),
            key("tokenizer.ggml.tokens", ARRAY, array(STRING, &["<s>", "a", "b", "ab"].map(string))),
            key("tokenizer.ggml.add_bos_token", BOOL, vec![1]),
            key("tokenizer.chat_template", STRING, string("{{ messages }}")),
            key("a.nested", ARRAY, array(ARRAY, &[array(U32, &[u32(1)]), array(BOOL, &[])])),
        ];
        let tensors =
            vec![tensor("token_embd.weight", &[32, 2], 0, 0), tensor("output.weight", &[256], 12, 256)];
        Self {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            key_count: None,
            keys,
            tensors,
            alignment: 32,
            data_bytes: Some(256 + 144),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = self.header();
        if let Some(data_bytes) = self.data_bytes {
            let data = file.len().next_multiple_of(self.alignment as usize);
            file.resize(data + data_bytes as usize, 7);
        }
        file
    }

    /// All but the padding and the data.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut file = self.magic.to_vec();
        file.extend(u32(self.version));
        file.extend(u64(self.tensor_count.unwrap_or(self.tensors.len() as u64)));
        file.extend(u64(self.key_count.unwrap_or(self.keys.len() as u64)));
        for key in &self.keys {
            file.extend(bytes(&key.name));
            file.extend(u32(key.value_type));
            file.extend(&key.value);
        }
        for tensor in &self.tensors {
            file.extend(bytes(&tensor.name));
            file.extend(u32(tensor.dims_len.unwrap_or(tensor.dims.len() as u32)));
            tensor.dims.iter().for_each(|dim| file.extend(u64(*dim)));
            file.extend(u32(tensor.tensor_type));
            file.extend(u64(tensor.offset));
        }
        file
    }

    /// Sets a key, or adds it.
    pub(crate) fn set(&mut self, name: &str, value_type: u32, value: Vec<u8>) {
        self.keys.retain(|key| key.name != name.as_bytes());
        self.keys.push(key(name, value_type, value));
    }
}

pub(crate) fn key(name: &str, value_type: u32, value: Vec<u8>) -> Key {
    Key { name: name.into(), value_type, value }
}

pub(crate) fn tensor(name: &str, dims: &[u64], tensor_type: u32, offset: u64) -> Tensor {
    Tensor { name: name.into(), dims_len: None, dims: dims.to_vec(), tensor_type, offset }
}

pub(crate) fn u32(number: u32) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

pub(crate) fn u64(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

pub(crate) fn string(text: &str) -> Vec<u8> {
    bytes(text.as_bytes())
}

pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [u64(bytes.len() as u64), bytes.to_vec()].concat()
}

pub(crate) fn array(element: u32, values: &[Vec<u8>]) -> Vec<u8> {
    [u32(element), u64(values.len() as u64), values.concat()].concat()
}

/// A safetensors file of this header and so much data.
pub(crate) fn safetensors(header: &str, data_bytes: usize) -> Vec<u8> {
    [u64(header.len() as u64), header.as_bytes().to_vec(), vec![7; data_bytes]].concat()
}

/// What caused an error, down to the bottom, on one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut told = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    told.join(": ")
}
