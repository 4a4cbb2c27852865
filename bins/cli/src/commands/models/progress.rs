use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    commands::note,
    output::{bytes, one_line},
};

/// How far bytes are, on stderr: a bar that redraws itself, or a line now and then for logs.
pub(super) struct Bar {
    name: String,
    bar: Option<ProgressBar>,
    said: Instant,
    began: Option<(Instant, u64)>,
}

impl Bar {
    pub(super) fn new(name: &str) -> Self {
        let name = one_line(name, 40);
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(10));
            let style =
                ProgressStyle::with_template("{prefix:.bold} {wide_bar:.cyan/blue} {percent:>3}%  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
            bar.set_prefix(name.clone());
            bar
        });
        Self { name, bar, said: Instant::now(), began: None }
    }

    /// Shows `done` of `total` bytes; `rate` is bytes a second, reckoned here where it is not known.
    pub(super) fn show(&mut self, done: u64, total: Option<u64>, rate: Option<f64>, what: &str) {
        let now = Instant::now();
        let (began, first) = *self.began.get_or_insert((now, done));
        let seconds = now.duration_since(began).as_secs_f64();
        let rate = rate.or_else(|| (seconds > 0.5).then(|| done.saturating_sub(first) as f64 / seconds));
        let left = total.zip(rate).filter(|(_, rate)| *rate >= 1.0).map(|(total, rate)| {
            HumanDuration(Duration::from_secs_f64(total.saturating_sub(done) as f64 / rate)).to_string()
        });
        let amount = match total {
            Some(total) => format!("{} of {}", bytes(done), bytes(total)),
            None => bytes(done),
        };
        let rate = rate.map_or_else(String::new, |rate| format!(", {}/s", bytes(rate as u64)));
        let left = left.map_or_else(String::new, |left| format!(", {left} left"));
        let told = format!("{what}{amount}{rate}{left}");
        match &self.bar {
            Some(bar) => {
                let total = total.unwrap_or(done).max(1);
                bar.set_length(total);
                bar.set_position(done.min(total));
                bar.set_message(told);
            }
            None if self.said.elapsed() >= SAY_EVERY => {
                self.said = now;
                note(&format_args!("{}: {told}", self.name));
            }
            None => {}
        }
    }

    /// Tells something of its own above the bar.
    pub(super) fn say(&self, text: &str) {
        let text = one_line(text, 400);
        match &self.bar {
            Some(bar) => bar.suspend(|| note(&text)),
            None => note(&text),
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

const SAY_EVERY: Duration = Duration::from_secs(5);
