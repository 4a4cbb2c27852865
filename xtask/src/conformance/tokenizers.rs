//! Other people's vocabularies: texts must become the tokens that llama.cpp's own tests expect.

use std::{fs, panic::catch_unwind, path::Path};

use anyhow::{Context, ensure};
use athenaeum_inference::{
    model::gguf,
    tokenizer::{Special, TextStream, Tokenizer},
};

use crate::shell::say;

/// Between the texts of an `.inp` file; the `.out` file has their tokens, a line for each.
const BETWEEN: &str = "\n__ggml_vocab_test__\n";

/// Compares each `NAME.gguf` of the folder with `NAME.gguf.inp` and `NAME.gguf.out`. Skipped, visibly, where there is
/// no such folder.
pub(super) fn vocabularies(folder: &Path) -> anyhow::Result<u64> {
    if !folder.exists() {
        say(&format!("tokenizers: skipped, there is no {}", folder.display()));
        return Ok(0);
    }
    let (mut passed, mut failed) = (0, 0);
    for path in super::files(folder)? {
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let differing =
            catch_unwind(|| differences(&path)).unwrap_or_else(|_| Err(anyhow::anyhow!("it panics")));
        match differing {
            Ok((texts, differences)) => {
                passed += texts - differences.len() as u64;
                failed += differences.len() as u64;
                differences.iter().for_each(|difference| say(&format!("✗ {name}: {difference}")));
            }
            Err(error) => {
                failed += 1;
                say(&format!("✗ {name}: {error:#}"));
            }
        }
    }
    say(&format!("tokenizers: {passed} texts passed, {failed} failed"));
    Ok(failed)
}

fn differences(path: &Path) -> anyhow::Result<(u64, Vec<String>)> {
    let beside = |ending: &str| {
        let path = path.with_added_extension(ending);
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let (texts, expected) = (beside("inp")?, beside("out")?);
    // Each text is followed by the mark, the last one as well.
    let texts: Vec<&str> = texts.strip_suffix(BETWEEN).unwrap_or(&texts).split(BETWEEN).collect();
    let expected: Vec<&str> = expected.lines().collect();
    ensure!(texts.len() == expected.len(), "{} texts, {} lines", texts.len(), expected.len());
    let tokenizer = Tokenizer::from_gguf(gguf::Model::open(path)?.metadata())?;
    let mut differences = Vec::new();
    for (text, expected) in texts.iter().zip(expected) {
        let expected: Vec<u32> = expected.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let found = tokenizer.encode(text, Special::Text);
        if found != expected {
            differences.push(format!("{text:?} becomes {found:?}, not {expected:?}"));
            continue;
        }
        let mut stream = TextStream::new();
        let mut streamed: String = found.iter().map(|id| stream.push(&tokenizer, *id)).collect();
        streamed += &stream.finish();
        if streamed != tokenizer.decode(&found, false) {
            differences.push(format!("{text:?} comes back as {streamed:?} piece by piece"));
        }
    }
    Ok((texts.len() as u64, differences))
}
