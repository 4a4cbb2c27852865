use std::{
    path::Path,
    time::{Duration, Instant},
};

use athenaeum::retrieval::{Phase, Progress};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    commands::note,
    output::{counted, grouped, one_line},
};

/// How far an import is, on stderr.
pub(super) enum Bar {
    /// A bar that redraws itself.
    Terminal(ProgressBar),
    /// A line now and then, for logs.
    Lines { name: String, said: Instant },
}

/// Makes the display for the import of `path`.
pub(super) fn bar(path: &Path, terminal: bool) -> Bar {
    let name =
        one_line(&path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy()), 40);
    if !terminal {
        return Bar::Lines { name, said: Instant::now() };
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{prefix:.bold} {wide_bar:.cyan/blue} {percent:>3}%  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar.set_prefix(name);
    Bar::Terminal(bar)
}

impl Bar {
    pub(super) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Terminal(bar) => {
                bar.set_length(progress.bytes_total.max(1));
                bar.set_position(progress.bytes_read.min(progress.bytes_total.max(1)));
                bar.set_message(describe(progress));
            }
            Self::Lines { name, said } if said.elapsed() >= SAY_EVERY => {
                *said = Instant::now();
                let percent =
                    progress.fraction().map_or_else(String::new, |part| format!("{:.0}%, ", part * 100.0));
                note(&format_args!("{name}: {percent}{}", describe(progress)));
            }
            Self::Lines { .. } => {}
        }
    }

    pub(super) fn end(&mut self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}

const SAY_EVERY: Duration = Duration::from_secs(5);

fn describe(progress: &Progress) -> String {
    let rate = grouped(progress.messages_per_second() as u64);
    let left = match (progress.phase, progress.remaining()) {
        (Phase::Finishing, _) => ", finishing".to_owned(),
        (_, Some(left)) => format!(", {} left", HumanDuration(left)),
        (_, None) => String::new(),
    };
    format!("{} ({rate}/s){left}", counted(progress.messages, "message"))
}
