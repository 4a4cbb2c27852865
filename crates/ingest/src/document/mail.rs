//! Mails and mailboxes (RFC 5322, RFC 4155): who wrote to whom about what, the text, and what is attached.

use std::ops::Range;

use mail_parser::{Address, Message, MessageParser, MimeHeaders};

use super::{
    Error, Format, Options, Part,
    draft::{At, Draft},
    web,
};

/// Mails inside of mails.
const DEPTH_MAX: u32 = 5;
/// Attachments of one mail that are opened.
const ATTACHMENTS_MAX: usize = 200;
/// Mails of one mailbox.
const MAILS_MAX: usize = 1_000_000;

pub(super) fn read(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let message =
        MessageParser::default().parse(bytes).ok_or_else(|| Error::damaged("it has no header of a mail"))?;
    draft.title = message.subject().map(str::to_owned);
    for (name, addresses) in [("from", message.from()), ("to", message.to()), ("cc", message.cc())] {
        draft.tell(name, &names(addresses));
    }
    if let Some(date) = message.date() {
        draft.tell("created", &date.to_rfc3339());
    }
    write(&message, 0..bytes.len() as u64, 0, draft);
    draft.end();
    Ok(())
}

pub(super) fn read_box(bytes: &[u8], draft: &mut Draft) -> Result<(), Error> {
    let mut count = 0u64;
    for range in mails(bytes).take(MAILS_MAX) {
        let text = &bytes[range.clone()];
        let after = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
        let Some(message) = MessageParser::default().parse(&text[after..]) else {
            draft.skipped(format!("byte {}", range.start), "it has no header of a mail");
            continue;
        };
        count += 1;
        let subject = message.subject().unwrap_or("(no subject)");
        draft.part(Part { entry: Some(draft.short(subject).into()), ..Part::default() });
        let start = draft.len();
        draft.push(subject, At { bytes: range.start as u64..range.end as u64, ..At::default() });
        draft.heading(start, 1, subject);
        draft.line(0);
        write(&message, range.start as u64..range.end as u64, 0, draft);
        if draft.is_full() {
            break;
        }
    }
    draft.tell("mails", &count.to_string());
    draft.end();
    if count == 0 { Err(Error::damaged("no mail can be found in it")) } else { Ok(()) }
}

/// Where each mail stands: from a `From ` at the beginning of a line after an empty one.
fn mails(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let start = at;
        let begins = |found: usize| {
            let before = &bytes[..found + 1];
            before.ends_with(b"\n\n") || before.ends_with(b"\r\n\r\n") || before.ends_with(b"\n\r\n")
        };
        let next = memchr::memmem::find_iter(&bytes[start + 1..], b"\nFrom ")
            .map(|found| start + 1 + found)
            .find(|found| begins(*found));
        at = next.map_or(bytes.len(), |found| found + 1);
        Some(start..at)
    })
}

fn write(message: &Message<'_>, bytes: Range<u64>, depth: u32, draft: &mut Draft) {
    let at = || At { bytes: bytes.clone(), ..At::default() };
    for (label, addresses) in [("From", message.from()), ("To", message.to()), ("Cc", message.cc())] {
        let names = names(addresses);
        if !names.is_empty() {
            draft.push(&format!("{label}: {names}\n"), at());
        }
    }
    if let Some(date) = message.date() {
        draft.push(&format!("Date: {}\n", date.to_rfc3339()), at());
    }
    if let Some(subject) = message.subject().filter(|_| depth == 0) {
        draft.push(&format!("Subject: {subject}\n"), at());
    }
    draft.line(1);
    // The plain text where there is one: the other says the same.
    let plain =
        message.text_bodies().filter(|part| !part.is_text_html()).filter_map(|part| part.text_contents());
    let plain: Vec<&str> = plain.filter(|text| !text.trim().is_empty()).collect();
    if plain.is_empty() {
        let said = (draft.title.take(), draft.language.take());
        for part in message.html_bodies().filter_map(|part| part.text_contents()) {
            web::render(part, None, draft);
        }
        (draft.title, draft.language) = said;
        draft.metadata.remove("left_out");
    }
    for text in plain {
        draft.push(text, at());
        draft.line(1);
    }
    for (number, part) in message.attachments().enumerate().take(ATTACHMENTS_MAX) {
        let name = part.attachment_name().map_or_else(|| format!("attachment {}", number + 1), str::to_owned);
        if let Some(inner) = part.message() {
            if depth < DEPTH_MAX {
                let subject = inner.subject().unwrap_or(&name).to_owned();
                draft.part(Part { entry: Some(draft.short(&subject).into()), ..Part::default() });
                write(inner, bytes.clone(), depth + 1, draft);
            } else {
                draft.skipped(name, format!("mails inside of mails are read {DEPTH_MAX} deep"));
            }
            continue;
        }
        attached(&name, part.contents(), draft);
        if draft.is_full() {
            return;
        }
    }
}

/// Reads an attached document of whatever format.
fn attached(name: &str, bytes: &[u8], draft: &mut Draft) {
    let format = super::format::recognise(name, bytes);
    let image = format.as_ref().is_ok_and(|format| *format == Format::Picture);
    let room = draft.options.text_bytes_max.saturating_sub(draft.len());
    let options = Options { format: None, text_bytes_max: room, ..draft.options.clone() };
    match format {
        // Logos and signatures.
        Ok(_) if image => draft.tell("attachments", name),
        Ok(Format::Mail | Format::Mailbox) => {
            draft.skipped(name, "an attached mail that is none of the mail's parts");
        }
        Ok(_) => match super::read_bytes(name, bytes, &options) {
            Ok(reading) => draft.include(name, reading),
            Err(error) => draft.skipped(name, error.to_string()),
        },
        Err(error) => draft.skipped(name, error.to_string()),
    }
}

fn names(addresses: Option<&Address<'_>>) -> String {
    let one = |address: &mail_parser::Addr<'_>| match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    };
    addresses
        .map(|addresses| addresses.iter().take(100).map(one).collect::<Vec<_>>().join(", "))
        .unwrap_or_default()
}
