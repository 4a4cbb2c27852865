//! Other people's model files: the sound ones hold what is known of them, the others are refused for the right reason.

use std::{error::Error, fs, panic::catch_unwind, path::Path};

use anyhow::ensure;
use athenaeum_inference::model;

use crate::shell::say;

/// Compares each file of the table with what is expected of it. Skipped, visibly, where there are none.
pub(super) fn files(table: &Path, data: &Path) -> anyhow::Result<u64> {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for row in fs::read_to_string(table)?.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, expected] = columns.as_slice() else {
            ensure!(false, "conformance/models.tsv: '{row}' has not two columns");
            continue;
        };
        let path = data.join(file);
        if !path.exists() {
            skipped += 1;
            continue;
        }
        let told = catch_unwind(|| told(&path)).unwrap_or_else(|_| "it makes the reader panic".to_owned());
        if told.contains(expected) {
            passed += 1;
        } else {
            failed += 1;
            say(&format!("✗ {file}: expected '{expected}', got '{told}'"));
        }
    }
    say(&format!("model files: {passed} passed, {failed} failed, {skipped} not there"));
    Ok(failed)
}

/// `sound, N tensors, N tokens`, or all that is said of why it is not.
fn told(path: &Path) -> String {
    match model::open(path) {
        Ok(model) => {
            let summary = model.summary();
            format!("sound, {} tensors, {} tokens", summary.tensors, summary.vocabulary.unwrap_or_default())
        }
        Err(error) => {
            let mut told = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                told += &format!(": {error}");
                cause = error.source();
            }
            told
        }
    }
}
