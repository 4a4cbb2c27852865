//! The JSON Schema Test Suite through constrained output: an instance is accepted exactly when it is valid.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use athenaeum_inference::constraint::{Constraint, Error, Grammar, Vocabulary};
use serde::Deserialize;
use serde_json::Value;

use crate::shell::say;

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    description: String,
    data: Value,
    valid: bool,
}

/// What became of the instances of one draft.
#[derive(Default)]
struct Tally {
    schemas: u64,
    schemas_refused: u64,
    valid_accepted: u64,
    valid_refused: u64,
    invalid_refused: u64,
    invalid_accepted: u64,
    /// Valid ones that only another spelling lets through.
    reordered: u64,
    reasons: BTreeMap<String, u64>,
    strict: Vec<String>,
}

/// Runs every draft of the suite that is there. Fails for each invalid instance that is accepted; what is refused is
/// counted and told.
pub(super) fn suite(folder: &Path, details: bool) -> anyhow::Result<u64> {
    if !folder.exists() {
        say(&format!("JSON schemas: skipped, there is no {}", folder.display()));
        return Ok(0);
    }
    let mut failed = 0;
    for draft in ["draft2020-12", "draft7"] {
        let mut tally = Tally::default();
        for path in super::files(&folder.join("tests").join(draft))? {
            failed += file(&path, draft, &mut tally).with_context(|| path.display().to_string())?;
        }
        tell(draft, &tally, details);
    }
    Ok(failed)
}

fn file(path: &PathBuf, draft: &str, tally: &mut Tally) -> anyhow::Result<u64> {
    let groups: Vec<Group> = serde_json::from_slice(&fs::read(path)?)?;
    let vocabulary = single_bytes()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut failed = 0;
    for group in groups {
        tally.schemas += 1;
        let mut schema = group.schema;
        if let (Some(object), "draft7") = (schema.as_object_mut(), draft) {
            object.entry("$schema").or_insert_with(|| "http://json-schema.org/draft-07/schema#".into());
        }
        let constraint = match Constraint::new(&vocabulary, &Grammar::JsonSchema(schema)) {
            Ok(constraint) => constraint,
            Err(error) => {
                tally.schemas_refused += 1;
                *tally.reasons.entry(reason(&error)).or_default() += group.tests.len() as u64;
                continue;
            }
        };
        for test in group.tests {
            let place = || format!("{name}: {}: {}: {}", group.description, test.description, test.data);
            match (test.valid, accepts(&constraint, &test.data.to_string())) {
                (true, true) => tally.valid_accepted += 1,
                (false, false) => tally.invalid_refused += 1,
                (true, false) if accepts_some_order(&constraint, &test.data) => tally.reordered += 1,
                (true, false) => {
                    tally.valid_refused += 1;
                    tally.strict.push(place());
                }
                (false, true) => {
                    tally.invalid_accepted += 1;
                    failed += 1;
                    say(&format!("✗ {draft}/{} is accepted, and invalid", place()));
                }
            }
        }
    }
    Ok(failed)
}

fn tell(draft: &str, tally: &Tally, details: bool) {
    let Tally { schemas, schemas_refused, valid_accepted, valid_refused, invalid_refused, .. } = tally;
    let Tally { invalid_accepted, reordered, .. } = tally;
    say(&format!(
        "JSON schemas, {draft}: {schemas} schemas, {schemas_refused} refused with a reason; of the others' instances \
         {valid_accepted} valid accepted (and {reordered} with their keys in the schema's order), {valid_refused} valid \
         not written, {invalid_refused} invalid refused, {invalid_accepted} invalid accepted"
    ));
    if details {
        tally
            .reasons
            .iter()
            .for_each(|(reason, count)| say(&format!("    refused: {reason}: {count} instances")));
        tally.strict.iter().for_each(|place| say(&format!("    valid, not written: {place}")));
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::Unsupported { keyword, .. } => keyword.clone(),
        other => other.to_string(),
    }
}

/// A vocabulary of all bytes, and one token more to end with.
pub(super) fn single_bytes() -> anyhow::Result<Vocabulary> {
    let bytes: Vec<[u8; 1]> = (0..=u8::MAX).map(|byte| [byte]).collect();
    Ok(Vocabulary::new(257, &[256], |token| bytes.get(token as usize).map(|byte| &byte[..]))?)
}

/// Whether the constraint lets this text through, from its beginning to an end after it.
pub(super) fn accepts(constraint: &Constraint, text: &str) -> bool {
    let mut constraint = constraint.clone();
    text.bytes().all(|byte| constraint.accept(u32::from(byte)).is_ok()) && constraint.accept(256).is_ok()
}

/// Whether some order of the keys of the outermost object is let through; keys come in the order of the schema.
fn accepts_some_order(constraint: &Constraint, data: &Value) -> bool {
    let Some(object) = data.as_object().filter(|object| (2..=5).contains(&object.len())) else {
        return false;
    };
    let pairs: Vec<String> =
        object.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
    orders(&pairs).iter().any(|pairs| accepts(constraint, &format!("{{{}}}", pairs.join(","))))
}

fn orders(pairs: &[String]) -> Vec<Vec<String>> {
    if pairs.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for index in 0..pairs.len() {
        let mut rest = pairs.to_vec();
        let first = rest.remove(index);
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

/// Grammars, each with texts it makes and texts it does not. Schemas among them that are refused, and values of other
/// types than a schema speaks of, which its author held invalid, are told and not failures.
pub(super) fn grammars(folder: &Path) -> anyhow::Result<u64> {
    let path = folder.join("llama_grammar_integration.json");
    if !path.exists() {
        say(&format!("grammars: skipped, there is no {}", path.display()));
        return Ok(0);
    }
    let vocabulary = single_bytes()?;
    let cases: Vec<GrammarCase> = serde_json::from_slice(&fs::read(&path)?)?;
    let (mut passed, mut failed, mut refused, mut stricter) = (0, 0, 0, 0);
    for case in cases {
        let is_schema = case.kind == "schema";
        let grammar = match is_schema {
            true => Grammar::JsonSchema(serde_json::from_str(&case.schema.unwrap_or_default())?),
            false => Grammar::Gbnf(case.grammar.unwrap_or_default()),
        };
        let Ok(constraint) = Constraint::new(&vocabulary, &grammar) else {
            refused += 1;
            continue;
        };
        let texts =
            case.passing.iter().map(|text| (text, true)).chain(case.failing.iter().map(|text| (text, false)));
        for (text, expected) in texts {
            match (accepts(&constraint, text), expected) {
                (true, false) if is_schema => stricter += 1,
                (accepted, expected) if accepted == expected => passed += 1,
                _ => {
                    failed += 1;
                    say(&format!("✗ {}: {text:?} is told apart wrongly", case.desc));
                }
            }
        }
    }
    for path in super::files(&folder.join("gbnf"))? {
        match Constraint::new(&vocabulary, &Grammar::Gbnf(fs::read_to_string(&path)?)) {
            Ok(_) => passed += 1,
            Err(error) => {
                failed += 1;
                say(&format!("✗ {}: {error}", path.display()));
            }
        }
    }
    say(&format!(
        "grammars: {passed} texts and files passed, {failed} failed, {refused} grammars refused, {stricter} valid by \
         the schema though llama.cpp never writes them"
    ));
    Ok(failed)
}

#[derive(Deserialize)]
struct GrammarCase {
    kind: String,
    desc: String,
    grammar: Option<String>,
    schema: Option<String>,
    passing: Vec<String>,
    failing: Vec<String>,
}
