use std::{collections::BTreeMap, process::ExitCode};

use athenaeum::{
    archive::library::File,
    retrieval::documents::{self, Ailment},
};
use serde::Serialize;

use super::{Context, Outcome};
use crate::output::{Output, Style, counted, grouped, one_line};

/// One thing that was found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    count: u64,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
    /// The first of the files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
}

/// Compares the ledger with the disk, and the vectors with what they are of; says what to do about each difference.
pub(super) async fn run(context: &mut Context) -> Outcome {
    if !context.has_library()? {
        context.output.line("Nothing was added yet: `athenaeum add PATH`.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let library = context.library().await?;
    let mut ailing: BTreeMap<Ailment, (u64, Vec<String>)> = BTreeMap::new();
    let found = |ailment: Ailment, file: &File| {
        let (count, files) = ailing.entry(ailment).or_default();
        *count += 1;
        if files.len() < SHOWN {
            let reason = if file.reason.is_empty() { String::new() } else { format!(": {}", file.reason) };
            files.push(format!("{}{reason}", file.found.path));
        }
    };
    let files = documents::check(&library, &context.scope, found).await?;
    let mut findings = vec![Finding {
        check: "ledger",
        ok: true,
        count: files,
        found: format!("{} compared with the disk", counted(files, "file")),
        advice: None,
        files: Vec::new(),
    }];
    findings.extend(ailing.into_iter().map(|(ailment, (count, files))| of_files(ailment, count, files)));
    if let Some(meaning) = context.meaning().await? {
        let checked = meaning.check(&context.scope, &library).await?;
        let well = checked.chunks - checked.missing;
        findings.push(Finding {
            check: "vectors",
            ok: checked.missing == 0,
            count: checked.missing,
            found: format!("{} of {} are found by meaning", grouped(well), counted(checked.chunks, "part")),
            advice: (checked.missing > 0).then_some(
                "`athenaeum-librarian --once` makes those that are missing, and so does a running server",
            ),
            files: Vec::new(),
        });
        if checked.left_over > 0 {
            findings.push(Finding {
                check: "left over",
                ok: true,
                count: checked.left_over,
                found: format!("{} of what is no longer there", counted(checked.left_over, "vector")),
                advice: Some("they take a little room and are never shown; nothing need be done"),
                files: Vec::new(),
            });
        }
    }
    library.close().await;
    let is_well = findings.iter().all(|finding| finding.ok);
    for finding in &findings {
        match context.output.json {
            true => context.output.object(finding)?,
            false => people(&mut context.output, finding)?,
        }
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_files(ailment: Ailment, count: u64, files: Vec<String>) -> Finding {
    let (what, advice) = match ailment {
        Ailment::Missing => (
            "not where they were, though what was read of them is kept",
            "put the disk back in, or have their folder looked through: `athenaeum add FOLDER`; `athenaeum library forget PATH` \
             takes out what will not come back",
        ),
        Ailment::Changed => (
            "written since they were read",
            "`athenaeum add PATH` reads them, and so does whoever watches the folder",
        ),
        Ailment::Unreadable => ("there, but you may not read them", "chmod u+r, or ask whom they belong to"),
        Ailment::Failed => (
            "not readable as what they are",
            "`athenaeum library files --state failed` says why; `athenaeum library retry` tries once more",
        ),
        Ailment::Waiting => ("seen and not read yet", "`athenaeum add PATH` reads them"),
    };
    Finding {
        check: ailment.as_str(),
        ok: false,
        count,
        found: format!("{}: {what}", counted(count, "file")),
        advice: Some(advice),
        files,
    }
}

fn people(output: &mut Output, finding: &Finding) -> std::io::Result<()> {
    let (style, mark) = if finding.ok { (Style::Good, "ok  ") } else { (Style::Bad, "bad ") };
    let mark = output.paint(style, mark);
    output.line(format_args!("{mark} {:<10} {}", finding.check, finding.found))?;
    for file in &finding.files {
        output.line(output.paint(Style::Faint, &format!("                {}", one_line(file, 200))))?;
    }
    let more = finding.count.saturating_sub(finding.files.len() as u64);
    if more > 0 && !finding.files.is_empty() {
        output.line(output.paint(Style::Faint, &format!("                and {} more", grouped(more))))?;
    }
    match finding.advice {
        Some(advice) => output.line(format_args!("                {advice}")),
        None => Ok(()),
    }
}

/// Files of each kind that are named.
const SHOWN: usize = 5;
