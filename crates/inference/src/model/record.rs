use std::{io, path::Path};

use serde::{Deserialize, Serialize};

use super::{SafePath, Sha256, json};

/// What is known of a model since it came here: where from, and the checksum of each file. Lies beside the files, as
/// [`RECORD_FILE`](super::RECORD_FILE); `docs/formats/models-folder.md` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this layout; 1.
    format: u32,
    /// Where the model came from, as it would be typed to fetch it again, or the path it was added from.
    pub source: String,
    /// What somebody here called it, where that is not what its folder is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a hub, the commit that the files are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its files.
    pub files: Vec<RecordedFile>,
}

/// A file as it was when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Where it lies beside the record.
    pub path: SafePath,
    /// Its length.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: Sha256,
}

/// What the record beside a model's files is called.
pub const FILE_NAME: &str = "athenaeum-model.json";
const RECORD_BYTES_MAX: u64 = 8 << 20;
const FORMAT: u32 = 1;

impl Record {
    /// Makes a record of the current layout.
    pub fn new(source: String, revision: Option<String>, files: Vec<RecordedFile>) -> Self {
        Self { format: FORMAT, source, name: None, revision, files }
    }

    /// Reads the record in `folder`; `None` where there is none.
    ///
    /// # Errors
    ///
    /// What the system says, or that it cannot be understood (damaged, or of a later version).
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let record: Option<Self> = json::read(&folder.join(FILE_NAME), RECORD_BYTES_MAX)?;
        match record {
            Some(record) if record.format != FORMAT => {
                let told = format!("its layout {} is not known; a later version wrote it", record.format);
                Err(io::Error::new(io::ErrorKind::InvalidData, told))
            }
            record => Ok(record),
        }
    }

    /// Writes the record into `folder` and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_whole(&folder.join(FILE_NAME), text.as_bytes())
    }

    /// Adds up the lengths of the files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| file.bytes.saturating_add(sum))
    }
}

/// Writes a small file so that after a crash there is either what was before or all of it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = std::fs::File::create(&new)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&new, path)
}
