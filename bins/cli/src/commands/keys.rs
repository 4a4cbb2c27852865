//! Who may use the server.

use std::process::ExitCode;

use athenaeum::{
    core::Timestamp,
    tenancy::{Key, Register, Standing},
};
use serde::Serialize;

use super::{Context, Outcome, note, search::day};
use crate::{args::Keys, output::Style};

#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    /// The secret, told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    beginning: &'a str,
    standing: &'static str,
    created_at: String,
    last_used_at: Option<String>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

pub(super) async fn run(context: &mut Context, args: &Keys) -> Outcome {
    let register = Register::in_folder(&context.data()?);
    match args {
        Keys::Add { name, expires } => add(context, &register, name, *expires).await?,
        Keys::List => list(context, &register).await?,
        Keys::Revoke { key } => {
            let key = register.revoke(key).await?;
            done(context, &key, "opens nothing any more")?;
        }
        Keys::Forget { key } => {
            let key = register.forget(key).await?;
            done(context, &key, "is forgotten")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The key alone goes to stdout, so that scripts can take it.
async fn add(
    context: &mut Context,
    register: &Register,
    name: &str,
    expires_at: Option<Timestamp>,
) -> anyhow::Result<()> {
    let added = register.add(name, expires_at).await?;
    if context.output.json {
        context.output.object(&Listed { key: Some(&added.secret), ..listed(&added.key) })?;
        return Ok(());
    }
    context.output.line(&added.secret)?;
    context.output.flush()?;
    note(
        &"Keep it: it is shown this once. Clients send it as `Authorization: Bearer KEY` or `x-api-key: KEY`; in the \
           browser it signs you in. The server asks for a key from now on.",
    );
    Ok(())
}

async fn list(context: &mut Context, register: &Register) -> anyhow::Result<()> {
    let keys = register.list().await?;
    if keys.is_empty() {
        note(
            &"There are no keys: the server answers this machine only, and asks for none. `athenaeum keys add NAME` \
               makes one.",
        );
    }
    let width = keys.iter().map(|key| key.name.len()).max().unwrap_or_default();
    for key in &keys {
        if context.output.json {
            context.output.object(&listed(key))?;
            continue;
        }
        let standing = key.standing(Timestamp::now());
        let style = if standing == Standing::Active { Style::Good } else { Style::Faint };
        let told = context.output.paint(style, &format!("{:<7}", word(standing)));
        let told_day = |time: Option<Timestamp>| time.map(|time| day(&time.to_string()).to_owned());
        let used = told_day(key.last_used_at).unwrap_or_else(|| "never".to_owned());
        let end = match key.revoked_at.or(key.expires_at) {
            Some(end) => format!(", {} {}", if key.revoked_at.is_some() { "revoked" } else { "ends" }, end),
            None => String::new(),
        };
        let times = format!("made {}, last used {used}{end}", day(&key.created_at.to_string()));
        let times = context.output.paint(Style::Faint, &times);
        context.output.line(format_args!("{:<width$}  {}…  {told}  {times}", key.name, key.beginning))?;
    }
    Ok(())
}

fn done(context: &mut Context, key: &Key, what: &str) -> anyhow::Result<()> {
    if context.output.json {
        context.output.object(&listed(key))?;
    } else {
        context.output.line(format_args!("{} ({}…) {what}.", key.name, key.beginning))?;
    }
    Ok(())
}

fn listed(key: &Key) -> Listed<'_> {
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    Listed {
        name: &key.name,
        key: None,
        beginning: &key.beginning,
        standing: word(key.standing(Timestamp::now())),
        created_at: key.created_at.to_string(),
        last_used_at: text(key.last_used_at),
        expires_at: text(key.expires_at),
        revoked_at: text(key.revoked_at),
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Expired => "expired",
        Standing::Revoked => "revoked",
    }
}
