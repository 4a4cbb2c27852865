//! The tokenizer in a folder of Hugging Face.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde_json::Value;

use super::{Error, Tokenizer};

/// The largest are 35 MB.
const TOKENIZER_BYTES_MAX: u64 = 256 << 20;
const CONFIG_BYTES_MAX: u64 = 16 << 20;

pub(super) fn tokenizer(folder: &Path) -> Result<Tokenizer, Error> {
    // A model may be named by its only file.
    let folder = if folder.is_dir() { folder } else { folder.parent().unwrap_or(folder) };
    let json = match read(&folder.join("tokenizer.json"), TOKENIZER_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NoFile),
        other => other.map_err(Error::Io)?,
    };
    let config = |name: &str| {
        let bytes = read(&folder.join(name), CONFIG_BYTES_MAX).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()
    };
    let mut tokenizer = Tokenizer::from_json(&json, config("tokenizer_config.json").as_ref())?;
    for name in ["generation_config.json", "config.json"] {
        let ends = config(name).and_then(|mut config| Some(config.get_mut("eos_token_id")?.take()));
        let ids = match &ends {
            Some(Value::Array(ids)) => ids.as_slice(),
            Some(id) => std::slice::from_ref(id),
            None => continue,
        };
        tokenizer.add_ends(ids.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()));
        break;
    }
    Ok(tokenizer)
}

fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(len) if len <= bytes_max => Ok(bytes),
        _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes"))),
    }
}
