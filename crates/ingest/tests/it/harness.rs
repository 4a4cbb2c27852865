//! Reads a source and keeps what comes out.

use std::{
    fs,
    io::{Cursor, Write},
    ops::ControlFlow,
    path::Path,
};

use athenaeum_core::{Conversation, Problem};
use athenaeum_ingest::{Item, Options, Summary, read};

/// What a read pushed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) files: Vec<String>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) summary: Summary,
}

impl Outcome {
    /// The problems as text, without notices.
    pub(crate) fn losses(&self) -> Vec<String> {
        let losses = self.problems.iter().filter(|p| p.severity != athenaeum_core::Severity::Notice);
        losses.map(ToString::to_string).collect()
    }

    /// The notices' reasons.
    pub(crate) fn notices(&self) -> Vec<&str> {
        let notices = self.problems.iter().filter(|p| p.severity == athenaeum_core::Severity::Notice);
        notices.map(|p| p.reason.as_str()).collect()
    }

    /// The only conversation.
    pub(crate) fn only(&self) -> &Conversation {
        assert_eq!(self.conversations.len(), 1, "{self:#?}");
        &self.conversations[0]
    }
}

pub(crate) fn read_path(path: &Path, options: &Options) -> Outcome {
    let (mut conversations, mut files, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let summary = read(path, options, &mut |item| {
        match item {
            Item::Conversation { conversation, file } => {
                conversations.push(conversation);
                files.push(file);
            }
            Item::Problem(problem) => problems.push(problem),
            Item::Progress { bytes_read, bytes_total } => assert!(bytes_read <= bytes_total),
        }
        ControlFlow::Continue(())
    });
    Outcome { conversations, files, problems, summary: summary.expect("the source opens") }
}

/// Reads a file of this name and content.
pub(crate) fn read_file(name: &str, content: impl AsRef<[u8]>) -> Outcome {
    read_folder_entry(name, content.as_ref(), &Options::default())
}

pub(crate) fn read_folder_entry(name: &str, content: &[u8], options: &Options) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    read_path(&path, options)
}

/// Reads a folder of these files; names may hold `/`.
pub(crate) fn read_folder(files: &[(&str, &[u8])]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    read_path(folder.path(), &Options::default())
}

/// Packs files into a zip archive.
pub(crate) fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
