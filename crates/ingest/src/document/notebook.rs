//! Notebooks of Jupyter (nbformat 3 and 4): cells of text and code, and what the code wrote.

use serde_json::Value;

use super::{
    Block, Error, Part,
    draft::{At, Draft},
    letters, markdown,
};

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let text = letters::decode(bytes, None).text;
    let notebook: Value =
        serde_json::from_str(&text).map_err(|error| Error::damaged(format!("it is no JSON: {error}")))?;
    let sheets =
        notebook["worksheets"].as_array().into_iter().flatten().filter_map(|sheet| sheet["cells"].as_array());
    let cells: Vec<&Value> = notebook["cells"].as_array().into_iter().chain(sheets).flatten().collect();
    if cells.is_empty() && notebook["nbformat"].is_null() {
        return Err(Error::damaged("it has no cells"));
    }
    if let Some(title) = notebook["metadata"]["title"].as_str() {
        draft.title = Some(title.to_owned());
    }
    if let Some(language) = notebook["metadata"]["kernelspec"]["language"].as_str() {
        draft.tell("program", language);
    }
    for (number, cell) in cells.iter().enumerate() {
        draft.part(Part { entry: Some(format!("cell {}", number + 1).into()), ..Part::default() });
        let source = joined(&cell["source"]);
        let source = if source.is_empty() { joined(&cell["input"]) } else { source };
        match cell["cell_type"].as_str() {
            Some("markdown") => markdown::add(&source, draft),
            Some("heading") => {
                let start = draft.len();
                draft.push(&source, At::default());
                draft.heading(start, cell["level"].as_u64().unwrap_or(1).min(6) as u8, &source);
            }
            Some("code") => {
                let start = draft.len();
                draft.push(&source, At::default());
                draft.line(0);
                draft.block(start, Block::Code);
                outputs(cell, draft);
            }
            _ => draft.push(&source, At::default()),
        }
        draft.line(0);
        if draft.is_full() {
            break;
        }
    }
    draft.end();
    Ok(())
}

/// What a cell wrote, as text; pictures are passed over.
fn outputs(cell: &Value, draft: &mut Draft) {
    for output in cell["outputs"].as_array().into_iter().flatten() {
        let data = &output["data"]["text/plain"];
        let text = [&output["text"], data].into_iter().map(joined).find(|text| !text.is_empty());
        let text =
            text.or_else(|| Some(format!("{}: {}", output["ename"].as_str()?, output["evalue"].as_str()?)));
        if let Some(text) = text {
            let start = draft.len();
            draft.push(&text, At::default());
            draft.line(0);
            draft.block(start, Block::Code);
        }
    }
}

/// A text that may be a list of its lines.
fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}
