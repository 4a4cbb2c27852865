use std::process::ExitCode;

use athenaeum_ingest::document::child::{self, Child};
use athenaeum_retrieval::documents::Options;

/// The first argument of a program that is to read one document for another one.
const READ_DOCUMENT: &str = "read-document";

/// Does what the program was started for, where that is to read one document for another process of it; `None` where it was
/// started by a person. A program calls this first of all, and then [`documents_options`] may start it anew.
pub fn read_for_another(arguments: impl IntoIterator<Item = String>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != READ_DOCUMENT {
        return None;
    }
    let rest: Vec<String> = arguments.collect();
    Some(child::main(&rest))
}

/// Returns how documents are read by a program that begins with [`read_for_another`]: those that may drive their reader to
/// abort in a process of their own, with limits of time and memory.
pub fn documents_options() -> Options {
    let mut options = Options::default();
    options.reading.child = std::env::current_exe().ok().map(|program| Child::new(program, [READ_DOCUMENT]));
    options
}
