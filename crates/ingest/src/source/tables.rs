use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// What is read of a database to find the names of its tables: the schema nearly always stands in the first
/// pages.
const SCHEMA_BYTES: u64 = 1 << 20;

/// Finds the names of a database's tables, lower case and sorted, by looking for `CREATE TABLE` in its first
/// pages. A guess that costs one read and runs no foreign SQL; the format's parser opens the database properly.
pub(crate) fn tables(path: &Path) -> io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SCHEMA_BYTES).read_to_end(&mut bytes)?;
    bytes.make_ascii_lowercase();
    let mut names: Vec<String> =
        memchr::memmem::find_iter(&bytes, b"create table").filter_map(|at| name(&bytes[at + 12..])).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn name(rest: &[u8]) -> Option<String> {
    let mut rest = rest.trim_ascii_start();
    if let Some(after) = rest.strip_prefix(b"if not exists") {
        rest = after.trim_ascii_start();
    }
    if let [b'"' | b'`' | b'[' | b'\'', after @ ..] = rest {
        rest = after;
    }
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    (length > 0).then(|| String::from_utf8_lossy(&rest[..length]).into_owned())
}
