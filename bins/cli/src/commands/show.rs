use std::process::ExitCode;

use athenaeum::retrieval::export::Format;

use super::{Context, Outcome, export::page};
use crate::{
    args::{Show, ShowFormat},
    output::tame,
};

pub(super) async fn run(context: &mut Context, args: &Show) -> Outcome {
    let archive = context.open_read_only().await?;
    let id = context.conversation_id(&archive, &args.id).await?;
    let format = match args.format {
        ShowFormat::Raw => {
            let raw = archive.raw_json(&context.scope, id).await?;
            context.output.text(&raw)?;
            if !raw.ends_with('\n') {
                context.output.text("\n")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        _ if context.output.json => Format::Json,
        ShowFormat::Json => Format::Json,
        ShowFormat::Md => Format::Markdown,
        ShowFormat::Text => Format::Text,
    };
    let text = page(context, &archive, id, format).await?.text;
    match format {
        Format::Json => context.output.text(&text)?,
        Format::Markdown | Format::Text => context.output.text(&tame(&text))?,
    }
    Ok(ExitCode::SUCCESS)
}
