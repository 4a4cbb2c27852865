//! A PDF of several pages with one of the fonts that every reader has.

use std::fmt::Write as _;

use super::text::{Piece, pieces};

/// Sets a text of ASCII on pages of A4.
pub(crate) fn pdf(text: &str) -> Vec<u8> {
    let mut pages = vec![Page::new()];
    let mut title = "";
    for piece in pieces(text) {
        let Some(page) = pages.last_mut() else { break };
        match piece {
            Piece::Title(text) => {
                title = text;
                page.lines("F2", 17.0, text);
            }
            Piece::Heading(text) => page.lines("F2", 12.0, text),
            Piece::Paragraph(text) => page.lines("F1", 11.0, text),
            Piece::Page => pages.push(Page::new()),
        }
    }
    write(title, &pages.into_iter().map(|page| page.content).collect::<Vec<_>>())
}

struct Page {
    content: String,
    y: f64,
}

impl Page {
    fn new() -> Self {
        Self { content: String::new(), y: 790.0 }
    }

    fn lines(&mut self, font: &str, size: f64, text: &str) {
        self.y -= size * 0.6;
        for line in wrapped(text, (WIDTH / (size * LETTER)) as usize) {
            self.y -= size * 1.3;
            let line = line.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
            let _ = writeln!(self.content, "BT /{font} {size} Tf {LEFT} {:.1} Td ({line}) Tj ET", self.y);
        }
        self.y -= size * 0.4;
    }
}

fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > letters) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// Objects: 1 catalogue, 2 pages, 3 and 4 fonts, 5 about it; then each page and its content.
fn write(title: &str, contents: &[String]) -> Vec<u8> {
    let font = |name: &str| {
        format!("<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>")
    };
    let kids: Vec<String> = (0..contents.len()).map(|page| format!("{} 0 R", 6 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), kids.len()),
        font("Helvetica"),
        font("Helvetica-Bold"),
        format!("<< /Title ({title}) >>"),
    ];
    for (page, content) in contents.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R \
             /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
            7 + 2 * page
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}endstream", content.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        places.push(file.len());
        let _ = writeln!(file, "{number} 0 obj\n{object}\nendobj");
    }
    let table = file.len();
    let _ = write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        let _ = writeln!(file, "{place:010} 00000 n ");
    }
    let size = objects.len() + 1;
    let _ = write!(file, "trailer << /Size {size} /Root 1 0 R /Info 5 0 R >>\nstartxref\n{table}\n%%EOF\n");
    file.into_bytes()
}

/// Points.
const LEFT: f64 = 72.0;
const WIDTH: f64 = 450.0;

/// What a letter of Helvetica takes on average, of its size.
const LETTER: f64 = 0.5;
