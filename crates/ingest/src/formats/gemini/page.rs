//! `MyActivity.html`: one line of megabytes, a cell for each activity. It is cut at the cells, so that only one
//! of them is held at a time.

use std::io::Read;

use athenaeum_core::{Attachment, Provider};

use super::{Activity, Chats, when};
use crate::{
    context::Context,
    format::{Fit, Format, Reject, Shape},
    html::{self, Piece},
};

pub(crate) const PAGE: Format = Format {
    provider: Some(Provider::GEMINI),
    name: "Gemini activity page",
    shape: Shape::Text { recognise, parse },
};

const CELL: &[u8] = b"<div class=\"outer-cell";
const CONTENT: &str = "<div class=\"content-cell";
const READ_BYTES: usize = 256 << 10;

fn recognise(head: &str) -> Fit {
    Fit::strong(head.contains("outer-cell") && head.contains("mdl-"))
        .max(Fit::strong(head.contains("<title>My Activity History</title>")))
}

fn parse(context: &mut Context<'_>, source: &mut dyn Read) -> Result<(), Reject> {
    let mut chats = Chats::default();
    let mut held: Vec<u8> = Vec::new();
    let mut begun = false;
    let mut number = 0_u64;
    let mut searched = 0;
    loop {
        if context.cancelled() {
            return Ok(());
        }
        let before = held.len();
        let read = source.take(READ_BYTES as u64).read_to_end(&mut held);
        let ended = match read {
            Ok(_) => held.len() == before,
            Err(error) => {
                context.broken(format!("the file cannot be read further: {error}"));
                true
            }
        };
        while let Some(found) = memchr::memmem::find(&held[searched..], CELL) {
            let end = searched + found;
            if begun {
                number += 1;
                take_cell(context, &mut chats, &held[..end], number);
            }
            held.drain(..end + CELL.len());
            begun = true;
            searched = 0;
        }
        // A mark may lie across the end of what was read.
        searched = held.len().saturating_sub(CELL.len());
        if ended {
            if begun {
                take_cell(context, &mut chats, &held, number + 1);
            }
            chats.finish(context);
            return Ok(());
        }
        if held.len() > context.options.record_bytes_max {
            context.begin_record(format!("activity {}", number + 1));
            context.skipped(format!("larger than {} bytes", context.options.record_bytes_max));
            held.clear();
            (begun, searched) = (false, 0);
        }
    }
}

fn take_cell(context: &mut Context<'_>, chats: &mut Chats, cell: &[u8], number: u64) {
    context.begin_record(format!("activity {number}"));
    let cell = String::from_utf8_lossy(cell);
    chats.take(context, activity(&cell));
}

/// Reads one cell: a heading with the product, then what was done, when, and what came back.
fn activity(cell: &str) -> Activity {
    let mut parts = cell.split(CONTENT);
    let heading = parts.next().unwrap_or_default();
    let product = heading.split_once("header-cell").map_or(heading, |(_, rest)| rest);
    let product = product.split_once('>').map_or(product, |(_, inner)| inner);
    let body = parts.next().unwrap_or_default();
    let body = body.split_once('>').map_or(body, |(_, inner)| inner);
    let body = body.trim_end();
    let body = body.strip_suffix("</div>").unwrap_or(body);
    let mut activity = Activity { product: plain(product), ..Activity::default() };
    let mut said: Vec<String> = Vec::new();
    let mut rest = body;
    loop {
        let (line, after) = split_break(rest);
        let text = plain(line);
        let time = when::read(&text);
        if time.is_some() || (!said.is_empty() && when::looks_like(&text)) {
            activity.time = time;
            activity.time_text = text;
            rest = after.unwrap_or_default();
            break;
        }
        // Where no time is found, all of it is what was said.
        let file = attached(line).filter(|_| !said.is_empty());
        match file {
            Some(file) => activity.files.push(file),
            None if !said.is_empty() && text.starts_with("Attached ") => {}
            None => said.push(text),
        }
        if activity.address.is_none() {
            activity.address = address(line);
        }
        match after {
            Some(after) => rest = after,
            None => {
                rest = "";
                break;
            }
        }
    }
    activity.title = said.join("\n").trim_end().to_owned();
    let answer = html::to_markdown(rest);
    if !answer.is_empty() {
        activity.answer.push(answer);
    }
    activity.raw = serde_json::Value::from(cell).to_string();
    activity
}

fn split_break(text: &str) -> (&str, Option<&str>) {
    let Some(at) = text.find("<br") else { return (text, None) };
    let after = text[at..].split_once('>').map_or("", |(_, after)| after);
    (&text[..at], Some(after))
}

/// The text without tags; line breaks of the source are spaces.
fn plain(html: &str) -> String {
    let mut text = String::new();
    for piece in html::pieces(html) {
        if let Piece::Text(piece) = piece {
            text.push_str(&html::decode(piece));
        }
    }
    text.trim_matches(|c: char| c.is_ascii_whitespace()).to_owned()
}

fn address(line: &str) -> Option<String> {
    let link = html::pieces(line).find_map(|piece| match piece {
        Piece::Open("a", attributes) => html::attribute(attributes, "href"),
        _ => None,
    });
    link.filter(|link| link.starts_with("http"))
}

/// A link to a file that came along.
fn attached(line: &str) -> Option<Attachment> {
    let found = html::pieces(line).find_map(|piece| match piece {
        Piece::Open("a", attributes) => html::attribute(attributes, "href"),
        _ => None,
    });
    let path = found.filter(|path| !path.contains("://") && !path.is_empty())?;
    let safe = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
    Some(Attachment {
        name: Some(plain(line).trim_start_matches(['-', '\u{a0}', ' ']).to_owned())
            .filter(|name| !name.is_empty()),
        path: safe.then_some(path),
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_taken_apart() {
        let cell = " mdl-cell\"><div class=\"header-cell mdl-cell\"><p class=\"x\">Gemini Apps<br></p></div>\
            <div class=\"content-cell mdl-cell\">Prompted&nbsp;is it &lt; 3 &amp; why<br>Attached 1 file.<br>\
            -&nbsp;<a href=\"plan-1.png\">plan.png</a><br>Nov 13, 2025, 9:50:57\u{202f}AM CET<br><p>Yes, <b>it is</b>.</p></div>\
            <div class=\"content-cell mdl-cell\"></div></div>";
        let activity = activity(cell);
        assert_eq!(activity.product, "Gemini Apps");
        assert_eq!(activity.title, "Prompted\u{a0}is it < 3 & why");
        assert_eq!(activity.files[0].path.as_deref(), Some("plan-1.png"));
        assert_eq!(activity.time.unwrap().to_string(), "2025-11-13T08:50:57Z");
        assert_eq!(activity.answer, ["Yes, **it is**."]);
    }
}
