use std::{path::Path, process::ExitCode};

use athenaeum::{
    address_is_free,
    api::Hardware,
    archive::{
        library::Library,
        memories::{Memories, MemoryStats},
    },
    hardware,
    settings::Settings,
};
use serde::Serialize;

use super::{Context, Outcome};
use crate::output::{Output, Style, bytes, counted};

mod machine;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// The whole machine, with the finding about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hardware: Option<Hardware>,
}

pub(super) async fn run(context: &mut Context) -> Outcome {
    let data = context.data()?;
    let mut findings =
        vec![settings(context), folder(&data), rights(&data), server(&context.settings.settings).await];
    findings.push(keys(&context.settings.settings, &data).await);
    findings.extend(archive(context, &data).await);
    findings.extend(documents(context, &data).await);
    findings.extend(memories(context, &data).await);
    findings.extend(machine::findings(hardware::probe(), &context.settings.settings.hardware));
    for finding in &findings {
        match context.output.json {
            true => context.output.object(finding)?,
            false => people(&mut context.output, finding)?,
        }
    }
    let healthy = findings.iter().all(|finding| finding.ok);
    if !context.output.json {
        let (style, verdict) =
            if healthy { (Style::Good, "All is well.") } else { (Style::Bad, "Something needs attention.") };
        let verdict = context.output.paint(style, verdict);
        context.output.line(verdict)?;
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn people(output: &mut Output, finding: &Finding) -> std::io::Result<()> {
    let (style, mark) = if finding.ok { (Style::Good, "ok  ") } else { (Style::Bad, "bad ") };
    let mark = output.paint(style, mark);
    output.line(format_args!("{mark} {:<9} {}", finding.check, finding.found))?;
    match &finding.advice {
        Some(advice) => output.line(format_args!("               {advice}")),
        None => Ok(()),
    }
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, ok: true, found: found.into(), advice: None, hardware: None }
}

fn bad(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, ok: false, found: found.into(), advice: Some(advice.into()), hardware: None }
}

/// The settings were read, or this would not run; what is left is where they came from.
fn settings(context: &Context) -> Finding {
    match &context.config_file {
        Some(file) if file.is_file() => good("settings", format!("read from {}", file.display())),
        _ => good("settings", "defaults; there is no settings file"),
    }
}

fn folder(data: &Path) -> Finding {
    if !data.exists() {
        return good("folder", format!("{} is not there yet; the first import makes it", data.display()));
    }
    let probe = data.join(".athenaeum-doctor");
    let written = std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => good("folder", format!("{} can be written", data.display())),
        Err(error) => bad(
            "folder",
            format!("{} cannot be written: {error}", data.display()),
            "check who owns it, whether it is mounted read-only, and whether the disk is full",
        ),
    }
}

/// Other users of the machine should not read a person's conversations.
#[cfg(unix)]
fn rights(data: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt;
    let file = data.join("archive.db");
    let (Ok(file), Ok(folder)) = (std::fs::metadata(&file), std::fs::metadata(data)) else {
        return good("rights", "no archive yet");
    };
    let open_to_others = file.permissions().mode() & 0o044 != 0 && folder.permissions().mode() & 0o011 != 0;
    match open_to_others {
        false => good("rights", "only you can read the archive"),
        true => bad(
            "rights",
            "other users of this machine can read the archive",
            format!("chmod 700 '{}'", data.display()),
        ),
    }
}

#[cfg(not(unix))]
fn rights(_data: &Path) -> Finding {
    good("rights", "kept by the system's own rules")
}

async fn server(settings: &Settings) -> Finding {
    let addr = settings.server.addr;
    match address_is_free(addr).await {
        Ok(()) => good("server", format!("{addr} is free for `athenaeum serve`")),
        Err(athenaeum::Error::Taken(_)) => {
            good("server", format!("{addr} is in use, perhaps by a running server"))
        }
        Err(error) => bad("server", error.to_string(), "set server.addr to 127.0.0.1:7878"),
    }
}

/// Tells whom the server would let in.
async fn keys(settings: &Settings, data: &Path) -> Finding {
    let for_others = !settings.server.addr.ip().to_canonical().is_loopback();
    let advice = "make a key with `athenaeum keys add NAME`, or set server.addr to 127.0.0.1:7878";
    match athenaeum::open_keys(data, settings).await {
        Ok(keys) if keys.can_open() => good("keys", "the server asks for one"),
        Ok(keys) if keys.are_required() => bad("keys", "none opens any more", advice),
        Ok(_) if for_others => bad("keys", "there is none, so the server will not start", advice),
        Ok(_) => good("keys", "none: the server answers this machine only"),
        Err(error) => bad("keys", format!("{:#}", anyhow::Error::from(error)), advice),
    }
}

async fn archive(context: &Context, data: &Path) -> Vec<Finding> {
    if !data.join("archive.db").is_file() {
        return vec![good("archive", "none yet; `athenaeum import PATH` fills one")];
    }
    let archive = match context.open_read_only().await {
        Ok(archive) => archive,
        Err(error) => {
            let advice = "if it is damaged, `athenaeum restore FROM` puts a backup in its place";
            return vec![bad("archive", format!("{error:#}"), advice)];
        }
    };
    let mut findings = Vec::new();
    match archive.check().await {
        Ok(problems) if problems.is_empty() => findings.push(good("archive", "database and index are sound")),
        Ok(problems) => findings.extend(problems.into_iter().map(|problem| Finding {
            check: "archive",
            ok: !problem.is_damage,
            found: problem.what,
            advice: Some(problem.advice),
            hardware: None,
        })),
        Err(error) => {
            findings.push(bad("archive", error.to_string(), "restore a backup with `athenaeum restore`"));
        }
    }
    match archive.stats(&context.scope).await {
        Ok(stats) => findings.push(good(
            "contents",
            format!(
                "{} conversations, {} messages, {}",
                stats.conversations,
                stats.messages,
                bytes(stats.database_bytes)
            ),
        )),
        Err(error) => {
            findings.push(bad("contents", error.to_string(), "restore a backup with `athenaeum restore`"));
        }
    }
    findings
}

/// Looks at the library, where there is one. How its files are, `library doctor` tells.
async fn documents(context: &Context, data: &Path) -> Option<Finding> {
    if !context.has_library().ok()? {
        return None;
    }
    let settings = athenaeum::archive_settings(&context.settings.settings);
    let looked_at = async {
        let library = Library::open_read_only(data, &settings).await?;
        let problems = library.check().await?;
        let stats = library.stats(&context.scope).await?;
        library.close().await;
        Ok::<_, athenaeum::archive::Error>((problems, stats))
    };
    let advice = "`athenaeum restore FROM` puts those of a backup in their place";
    Some(match looked_at.await {
        Ok((problems, stats)) if problems.is_empty() => good(
            "documents",
            format!(
                "{}, {}; the file is sound",
                counted(stats.documents, "document"),
                counted(stats.chunks, "part")
            ),
        ),
        Ok((problems, _)) => bad("documents", format!("library.db: {}", problems.join("; ")), advice),
        Err(error) => bad("documents", format!("{:#}", anyhow::Error::from(error)), advice),
    })
}

/// Looks at what is remembered, where anything is.
async fn memories(context: &Context, data: &Path) -> Option<Finding> {
    if !data.join("memories.db").is_file() {
        return None;
    }
    let settings = athenaeum::archive_settings(&context.settings.settings);
    let looked_at = async {
        let memories = Memories::open_read_only(data, &settings).await?;
        let problems = memories.check().await?;
        let stats = memories.stats(&context.scope).await?;
        memories.close().await;
        Ok::<_, athenaeum::archive::Error>((problems, stats))
    };
    let advice = "`athenaeum restore FROM` puts those of a backup in their place";
    Some(match looked_at.await {
        Ok((problems, stats)) if problems.is_empty() => {
            let MemoryStats { hot, warm, cold } = stats;
            good("memories", format!("{hot} are hot, {warm} are warm, {cold} are cold; the file is sound"))
        }
        Ok((problems, _)) => bad("memories", format!("memories.db: {}", problems.join("; ")), advice),
        Err(error) => bad("memories", format!("{:#}", anyhow::Error::from(error)), advice),
    })
}
