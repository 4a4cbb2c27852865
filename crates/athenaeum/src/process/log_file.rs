use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file for a log, of a limited size: once it is full it is kept as `NAME.1` in place of the last such file, and begun anew.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    held: u64,
    most: u64,
}

impl LogFile {
    /// Opens the file to go on at its end, and makes it where it is not there; it may hold `most` bytes.
    pub(super) fn open(path: &Path, most: u64) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        let held = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, held, most })
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        let mut kept = self.path.clone().into_os_string();
        kept.push(".1");
        std::fs::rename(&self.path, kept)?;
        *self = Self::open(&self.path, self.most)?;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held > 0 && self.held + bytes.len() as u64 > self.most {
            self.begin_anew()?;
        }
        let written = self.file.write(bytes)?;
        self.held += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_kept_and_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        for lines in [0..3, 3..7] {
            let mut log = LogFile::open(&path, 12).unwrap();
            for number in lines {
                log.write_all(format!("line{number}\n").as_bytes()).unwrap();
            }
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line6\n");
        assert_eq!(std::fs::read_to_string(folder.path().join("server.log.1")).unwrap(), "line4\nline5\n");
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 2);
    }
}
