use std::process::ExitCode;

use serde::Serialize;

use super::{Context, Outcome, complain, confirm};
use crate::{args::Delete, output::one_line};

#[derive(Debug, Serialize)]
struct Deleted {
    deleted: String,
}

pub(super) async fn run(context: &mut Context, args: &Delete) -> Outcome {
    let archive = context.open_existing().await?;
    let mut failed = false;
    let mut deleted = Vec::new();
    for text in &args.ids {
        let id = context.conversation_id(&archive, text).await?;
        let conversation = archive.conversation(&context.scope, id).await?;
        let title = conversation.summary.title.as_deref().unwrap_or("(no title)");
        let what = format!("\"{}\" ({} messages, {id})", one_line(title, 80), conversation.messages.len());
        if !args.yes && !confirm(&format!("Delete {what} for good?"))? {
            complain(&format_args!("{what} stays; deleting it without a terminal to ask on takes --yes"));
            failed = true;
            continue;
        }
        archive.delete(&context.scope, id).await?;
        deleted.push(id);
        match context.output.json {
            true => context.output.object(&Deleted { deleted: id.to_string() })?,
            false => context
                .output
                .line(format_args!("Deleted {what}. Importing its export again brings it back."))?,
        }
    }
    context.output.flush()?;
    athenaeum::forget_vectors(&context.data()?, &context.scope, &deleted, &[]).await?;
    archive.close().await;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
