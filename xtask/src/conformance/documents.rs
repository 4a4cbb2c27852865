//! Other people's documents: the text of PDFs beside what poppler's `pdftotext` finds, and every format unharmed.

use std::{
    collections::HashMap,
    fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use athenaeum_ingest::document::{Kind, Options, child::Child, read};

use super::files;
use crate::shell::say;

/// What the mean F1 over the PDFs must reach (issue 5; PyMuPDF 0.946).
const F1_MIN: f64 = 0.95;
/// Shorter texts say little.
const WORDS_MIN: usize = 20;
/// No document may take longer.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Reads PDFs as the programs do, each in a process of its own.
pub(super) fn pdfs(data: &Path) -> anyhow::Result<u64> {
    let index = data.join("PDF_INDEX.tsv");
    let Ok(index) = fs::read_to_string(index) else {
        say(&format!("PDFs: skipped, there is no {}", data.display()));
        return Ok(0);
    };
    if Command::new("pdftotext").arg("-v").stderr(Stdio::null()).status().is_err() {
        say("PDFs: skipped, pdftotext is not installed (Debian: poppler-utils)");
        return Ok(0);
    }
    let options = options()?;
    let mut seen = Seen::default();
    for path in index.lines().skip(1).filter_map(|line| line.split('\t').next()) {
        seen.file(&data.join(path), path, &options);
    }
    Ok(seen.tell())
}

/// What was seen of the PDFs.
#[derive(Default)]
struct Seen {
    scores: Vec<(f64, String)>,
    opened: u64,
    opened_by_poppler: u64,
    /// Files in which poppler finds text and that are an error for us.
    lost: Vec<String>,
    slow: Vec<String>,
    broke: Vec<String>,
}

impl Seen {
    fn file(&mut self, path: &Path, name: &str, options: &Options) {
        let theirs = pdftotext(path);
        let begun = Instant::now();
        let ours = read(path, options);
        if begun.elapsed() > TIME_MAX + Duration::from_secs(1) {
            self.slow.push(name.to_owned());
        }
        let opened = match &ours {
            Ok(_) => true,
            Err(error) => {
                if error.kind() == Kind::Limit {
                    self.broke.push(format!("{name}: {error}"));
                }
                error.kind() == Kind::Pictures
            }
        };
        self.opened += u64::from(opened);
        let Some(theirs) = theirs else { return };
        self.opened_by_poppler += 1;
        if !opened && !theirs.trim().is_empty() {
            self.lost.push(name.to_owned());
        }
        let words = theirs.split_whitespace().count();
        if words >= WORDS_MIN {
            let text = ours.map(|reading| reading.text).unwrap_or_default();
            self.scores.push((f1(&text, &theirs), name.to_owned()));
        }
    }

    fn tell(mut self) -> u64 {
        self.scores.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mean = self.scores.iter().map(|(score, _)| score).sum::<f64>() / self.scores.len().max(1) as f64;
        let good = self.scores.iter().filter(|(score, _)| *score >= F1_MIN).count();
        say(&format!(
            "PDFs: mean F1 {mean:.4} over {} files with {WORDS_MIN} words or more ({good} at {F1_MIN} or better); \
             {} opened, pdftotext {}",
            self.scores.len(),
            self.opened,
            self.opened_by_poppler
        ));
        self.scores.iter().take(8).for_each(|(score, name)| say(&format!("    {score:.3} {name}")));
        let failures = [
            (mean < F1_MIN, "the mean is too low".to_owned()),
            // What is encrypted or has no page left is an error for us, and opens as nothing there.
            (!self.lost.is_empty(), format!("not opened: {}", self.lost.join(", "))),
            (!self.slow.is_empty(), format!("too slow: {}", self.slow.join(", "))),
            (!self.broke.is_empty(), format!("given up: {}", self.broke.join("; "))),
        ];
        let failed: Vec<&String> =
            failures.iter().filter(|(failed, _)| *failed).map(|(_, reason)| reason).collect();
        failed.iter().for_each(|reason| say(&format!("✗ PDFs: {reason}")));
        failed.len() as u64
    }
}

/// Reads every other document; each must give text or a reason, in time.
pub(super) fn all(data: &Path) -> anyhow::Result<u64> {
    if !data.exists() {
        say(&format!("documents: skipped, there is no {}", data.display()));
        return Ok(0);
    }
    let options = options()?;
    let mut kinds: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    let mut failed = 0;
    for path in files(data)?.into_iter().filter(|path| !path.starts_with(data.join("pdf"))) {
        let begun = Instant::now();
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&path, &options)));
        let said = match read {
            Ok(Ok(reading)) => reading.format.as_str(),
            Ok(Err(error)) => error.kind().as_str(),
            Err(_) => "panic",
        };
        if said == "panic" || said == "limit" || begun.elapsed() > TIME_MAX {
            failed += 1;
            say(&format!("✗ {}: {said} after {:.1} s", path.display(), begun.elapsed().as_secs_f64()));
        }
        *kinds.entry(said).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    say(&format!("documents: {} ({failed} failed)", kinds.join(", ")));
    Ok(failed)
}

fn options() -> anyhow::Result<Options> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    Ok(Options { child: Some(Child::new(program, [crate::READ_DOCUMENT])), ocr: None, ..Options::default() })
}

/// What poppler finds; `None` where it does not open the file within the time.
fn pdftotext(path: &Path) -> Option<String> {
    let mut process = Command::new("pdftotext")
        .arg(path)
        .arg("-")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut output = process.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        output.read_to_end(&mut text).map(|_| text)
    });
    let begun = Instant::now();
    let status = loop {
        match process.try_wait().ok()? {
            Some(status) => break status,
            None if begun.elapsed() > TIME_MAX => {
                let _ = process.kill();
                let _ = process.wait();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = reader.join().ok()?.ok()?;
    status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

/// How much two texts have in common, as words between white space, each as often as it occurs. The marks by which poppler
/// tells directions of writing are no part of words.
fn f1(ours: &str, theirs: &str) -> f64 {
    let words = |text: &str| {
        let plain: String = text
            .chars()
            .filter(|letter| !matches!(letter, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'))
            .collect();
        let mut counts: HashMap<String, usize> = HashMap::new();
        plain.split_whitespace().for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
        counts
    };
    let (ours, theirs) = (words(ours), words(theirs));
    let common: usize =
        ours.iter().map(|(word, count)| theirs.get(word).copied().unwrap_or(0).min(*count)).sum();
    let total: usize = ours.values().sum::<usize>() + theirs.values().sum::<usize>();
    if total == 0 { 1.0 } else { 2.0 * common as f64 / total as f64 }
}
