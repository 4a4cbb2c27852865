use std::process::ExitCode;

use athenaeum::archive::{Count, Stats};

use super::{Context, Outcome, search::day};
use crate::{
    output::{Output, Style, bytes, counted, grouped, one_line},
    wire::Totals,
};

pub(super) async fn run(context: &mut Context) -> Outcome {
    let archive = context.open_read_only().await?;
    let stats = archive.stats(&context.scope).await?;
    match context.output.json {
        true => context.output.object(&Totals::from(&stats))?,
        false => people(&mut context.output, &stats)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn people(output: &mut Output, stats: &Stats) -> std::io::Result<()> {
    let conversations = counted(stats.conversations, "conversation");
    let messages = counted(stats.messages, "message");
    output.line(format_args!("{conversations}, {messages}, {} on disk", bytes(stats.database_bytes)))?;
    if let Some((first, last)) = stats.span {
        output.line(format_args!("from {} to {}", day(&first.to_string()), day(&last.to_string())))?;
    }
    bars(output, "Conversations by provider", &stats.conversations_by_provider, 20)?;
    bars(output, "Messages by model", &stats.facets.models, 10)?;
    let months = &stats.facets.months;
    bars(output, "Messages by month", &months[months.len().saturating_sub(24)..], 24)
}

fn bars(output: &mut Output, title: &str, counts: &[Count], rows: usize) -> std::io::Result<()> {
    let shown = &counts[..counts.len().min(rows)];
    let Some(most) = shown.iter().map(|count| count.count).max().filter(|most| *most > 0) else {
        return Ok(());
    };
    output.line(format_args!("\n{}", output.paint(Style::Strong, title)))?;
    for Count { value, count } in shown {
        let length = (*count as f64 / most as f64 * 30.0).ceil() as usize;
        let bar = output.paint(Style::Good, &"█".repeat(length));
        output.line(format_args!("  {:<28} {:>11}  {bar}", one_line(value, 27), grouped(*count)))?;
    }
    if counts.len() > rows {
        output.line(output.paint(Style::Faint, &format!("  and {} more", counts.len() - rows)))?;
    }
    Ok(())
}
