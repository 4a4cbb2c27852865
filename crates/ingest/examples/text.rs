//! Prints the text of documents and what is known of them:
//! `cargo run -p athenaeum-ingest --example text -- PATH…`

#![expect(clippy::print_stdout, reason = "printing is what this program does")]

use std::{env, path::Path};

use athenaeum_ingest::document::{Options, read};

fn main() {
    for path in env::args_os().skip(1) {
        let path = Path::new(&path);
        match read(path, &Options::default()) {
            Ok(reading) => {
                print!("{}", reading.text);
                println!(
                    "== {}: {} {:?} {:?}",
                    path.display(),
                    reading.format.as_str(),
                    reading.title,
                    reading.metadata
                );
                reading
                    .problems
                    .iter()
                    .for_each(|problem| println!("== {}: {problem}", problem.severity.as_str()));
            }
            Err(error) => println!("== {}: {}: {error}", path.display(), error.kind().as_str()),
        }
    }
}
