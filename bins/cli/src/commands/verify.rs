use std::{io::Read as _, path::Path, process::ExitCode};

use anyhow::Context as _;
use athenaeum::{
    ingest::document,
    retrieval::ask::{self, Answer, Verdict},
};

use super::{Context, Outcome};
use crate::{
    args::documents::Verify,
    output::{Style, one_line},
};

pub(super) fn run(context: &mut Context, args: &Verify) -> Outcome {
    let answer = read(&args.answer)?;
    let answer: Answer = serde_json::from_str(&answer)
        .context("this is no answer; expected what `athenaeum ask --json` writes")?;
    let checked = ask::verify(&answer, &document::Options::default());
    let output = &mut context.output;
    if output.json {
        output.object(&checked)?;
    } else {
        for citation in &checked.citations {
            let style = if citation.verdict == Verdict::Holds { Style::Strong } else { Style::Bad };
            let number = output.paint(style, &format!("[{}]", citation.number));
            output.line(format_args!("{number} {}", one_line(&citation.said, 400)))?;
        }
        for index in &checked.unsupported {
            let sentence =
                answer.sentences.get(*index).and_then(|sentence| answer.text.get(sentence.range.clone()));
            let said = format!("not borne out: {}", one_line(sentence.unwrap_or_default(), 300));
            output.line(output.paint(Style::Bad, &said))?;
        }
        output.line(if checked.holds { "All of it holds." } else { "Not all of it holds." })?;
    }
    Ok(if checked.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Answers are small; what is larger is none.
const BYTES_MAX: u64 = 16 << 20;

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text).context("stdin cannot be read")?;
    } else {
        let file =
            std::fs::File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        file.take(BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(|| format!("{} is no text", path.display()))?;
    }
    Ok(text)
}
