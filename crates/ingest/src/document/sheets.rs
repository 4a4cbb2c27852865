//! Workbooks, by calamine: a row a line, cells between bars.

use std::io::Cursor;

use calamine::{Data, DataRef, Reader, Sheets, Xls, Xlsb, Xlsx, open_workbook_from_rs};

use super::{
    Block, Error, Format, Part,
    draft::{At, Draft},
};

/// A row longer than this is cut.
const CELLS_MAX: usize = 16_384;

pub(super) fn read(bytes: &[u8], format: Format, draft: &mut Draft) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| {
        let reason = error.to_string();
        if reason.to_ascii_lowercase().contains("password") { Error::Locked } else { Error::damaged(reason) }
    };
    let source = Cursor::new(bytes);
    let mut book = match format {
        Format::Xls => {
            Sheets::Xls(open_workbook_from_rs::<Xls<_>, _>(source).map_err(|error| failed(&error))?)
        }
        Format::Xlsb => {
            Sheets::Xlsb(open_workbook_from_rs::<Xlsb<_>, _>(source).map_err(|error| failed(&error))?)
        }
        Format::Ods => Sheets::Ods(open_workbook_from_rs(source).map_err(|error| failed(&error))?),
        _ => Sheets::Xlsx(open_workbook_from_rs::<Xlsx<_>, _>(source).map_err(|error| failed(&error))?),
    };
    if let Ok(properties) = book.workbook_properties() {
        draft.title = properties.title.clone();
        draft.tell("author", properties.creator.as_deref().unwrap_or_default());
    }
    let names = book.sheet_names();
    draft.tell("sheets", &names.len().to_string());
    for name in names {
        draft.part(Part { sheet: Some(name.as_str().into()), ..Part::default() });
        let start = draft.len();
        draft.push(&name, At::default());
        draft.heading(start, 1, &name);
        draft.line(0);
        let start = draft.len();
        let failed = match &mut book {
            Sheets::Xlsx(book) => streamed(book, &name, draft).err(),
            book => whole(book, &name, draft).err(),
        };
        draft.block(start, Block::Table);
        if let Some(reason) = failed {
            draft.broken(&name, format!("the rest of the sheet was not read: {reason}"));
        }
        draft.flush();
        if draft.is_full() {
            break;
        }
    }
    draft.end();
    Ok(())
}

/// Cell by cell, so that a sheet's announced size costs nothing.
fn streamed(book: &mut Xlsx<Cursor<&[u8]>>, name: &str, draft: &mut Draft) -> Result<(), String> {
    let mut cells = book.worksheet_cells_reader(name).map_err(|error| error.to_string())?;
    let mut row: Option<(u32, Vec<String>)> = None;
    loop {
        let cell = match cells.next_cell() {
            Ok(Some(cell)) => cell,
            Ok(None) => break,
            Err(error) => {
                flush(row, draft);
                return Err(error.to_string());
            }
        };
        let (number, _) = cell.get_position();
        let text = match cell.get_value() {
            DataRef::SharedString(text) => (*text).to_owned(),
            other => shown(&Data::from(other.clone())),
        };
        if row.as_ref().is_some_and(|(open, _)| *open != number) {
            flush(row.take(), draft);
        }
        let (_, cells) = row.get_or_insert_with(|| (number, Vec::new()));
        if !text.trim().is_empty() && cells.len() < CELLS_MAX {
            cells.push(text);
        }
        if draft.is_full() {
            return Ok(());
        }
    }
    flush(row, draft);
    Ok(())
}

fn whole(book: &mut Sheets<Cursor<&[u8]>>, name: &str, draft: &mut Draft) -> Result<(), String> {
    let range = book.worksheet_range(name).map_err(|error| error.to_string())?;
    let first = range.start().map_or(0, |(row, _)| row);
    for (number, row) in (first..).zip(range.rows()) {
        let cells = row.iter().take(CELLS_MAX).map(shown).filter(|text| !text.trim().is_empty()).collect();
        flush(Some((number, cells)), draft);
        if draft.is_full() {
            break;
        }
    }
    Ok(())
}

fn flush(row: Option<(u32, Vec<String>)>, draft: &mut Draft) {
    let Some((number, cells)) = row.filter(|(_, cells)| !cells.is_empty()) else { return };
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    draft.push(&cells.join(" | "), At::row(number.saturating_add(1)));
    draft.line(0);
}

fn shown(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Float(number) => number.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Bool(value) => value.to_string(),
        Data::Error(error) => error.to_string(),
        Data::DateTime(time) if time.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
            match (hour, minute, second) {
                (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        Data::DateTime(time) => time.as_f64().to_string(),
    }
}
