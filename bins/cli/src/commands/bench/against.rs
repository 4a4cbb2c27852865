//! Another program, measured in turns with ours: what else goes on in the machine meets both.

use std::{num::NonZeroUsize, path::Path, process::Stdio, time::Duration};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use super::median;

/// A program that measures itself.
#[derive(Debug)]
pub(super) struct Neighbour<'a> {
    command: &'a str,
    /// What it is called with to measure once, one after the other.
    calls: Vec<Vec<String>>,
    prompts: Vec<f64>,
    generations: Vec<f64>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Against<'a> {
    pub(super) command: &'a str,
    pub(super) prompt_tokens_per_s: f64,
    pub(super) generate_tokens_per_s: f64,
    /// Ours, of its own.
    pub(super) prompt_ratio: f64,
    pub(super) generate_ratio: f64,
}

/// How long it may take each time, and how much it may say.
const TIME_MAX: Duration = Duration::from_mins(10);
const SAYS_MAX: u64 = 1 << 20;

impl<'a> Neighbour<'a> {
    /// # Errors
    ///
    /// If the command has no words, or a quotation without end.
    pub(super) fn new(
        command: &'a str,
        model: &Path,
        (prompt, generate): (usize, usize),
        threads: NonZeroUsize,
    ) -> anyhow::Result<Self> {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        let mut words =
            words.with_context(|| format!("'{command}' is no command: a quotation has no end"))?;
        let model =
            model.to_str().context("another program cannot be told of a file whose name is no text")?;
        let sizes = [prompt, generate, threads.get()].map(|size| size.to_string());
        let [prompt, generate, threads] = sizes.each_ref().map(String::as_str);
        let is_ours = words.get(1).is_some_and(|word| word == "bench");
        let model: &[&str] = if is_ours { &[model, "--json"] } else { &["-m", model, "-o", "json"] };
        let common = ["-t", threads, "-r", "1"];
        words.extend(model.iter().chain(&common).map(|word| (*word).to_owned()));
        // llama-bench generates behind nothing, unless it is told what to generate behind; and then it would read its prompt
        // behind that, too.
        let sizes: &[&[&str]] = match is_ours {
            true => &[&["-p", prompt, "-n", generate]],
            false => &[&["-p", prompt, "-n", "0"], &["-p", "0", "-n", generate, "-d", prompt]],
        };
        let call = |sizes: &&[&str]| {
            let sizes = sizes.iter().map(|word| (*word).to_owned());
            words.iter().cloned().chain(sizes).collect()
        };
        let calls = sizes.iter().map(call).collect();
        Ok(Self { command, calls, prompts: Vec::new(), generations: Vec::new() })
    }

    /// Has it measure once.
    ///
    /// # Errors
    ///
    /// If it cannot be started, fails, takes too long, or says nothing that is understood.
    pub(super) async fn measure(&mut self) -> anyhow::Result<()> {
        let mut said = Vec::with_capacity(self.calls.len());
        for words in &self.calls {
            let answer = timeout(TIME_MAX, ask(words)).await;
            said.push(answer.with_context(|| format!("{} took longer than ten minutes", words[0]))??);
        }
        let [prompt, generate] = read(&said).with_context(|| {
            let start: String = said.join("\n").chars().take(200).collect();
            let program = &self.calls[0][0];
            format!("{program} did not tell its speeds in JSON as llama-bench does, but: {start}")
        })?;
        self.prompts.push(prompt);
        self.generations.push(generate);
        Ok(())
    }

    pub(super) fn beside(mut self, prompt: f64, generate: f64) -> Against<'a> {
        let (its_prompt, its_generate) = (median(&mut self.prompts), median(&mut self.generations));
        Against {
            command: self.command,
            prompt_tokens_per_s: its_prompt,
            generate_tokens_per_s: its_generate,
            prompt_ratio: prompt / its_prompt,
            generate_ratio: generate / its_generate,
        }
    }
}

async fn ask(words: &[String]) -> anyhow::Result<String> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("{} cannot be started", words[0]))?;
    let mut said = String::new();
    let out = child.stdout.take().context("its output was taken")?;
    out.take(SAYS_MAX).read_to_string(&mut said).await.context("what it says is no text")?;
    let ended = child.wait().await?;
    anyhow::ensure!(ended.success(), "it failed ({ended}); run it alone to see why: {}", words.join(" "));
    Ok(said)
}

/// A test of llama-bench's list.
#[derive(Deserialize)]
struct Test {
    n_prompt: u64,
    n_gen: u64,
    avg_ts: f64,
}

/// What our own `bench` says.
#[derive(Deserialize)]
struct Ours {
    prompt_tokens_per_s: f64,
    generate_tokens_per_s: f64,
}

/// Finds the speeds of prompt and generation in what was said to one call after the other.
fn read(said: &[String]) -> Option<[f64; 2]> {
    if let [said] = said
        && let Ok(ours) = serde_json::from_str::<Ours>(said)
    {
        return Some([ours.prompt_tokens_per_s, ours.generate_tokens_per_s]);
    }
    let mut tests: Vec<Test> = Vec::new();
    for said in said {
        tests.extend(serde_json::from_str::<Vec<Test>>(said).ok()?);
    }
    let speed = |is: fn(&Test) -> bool| tests.iter().find(|test| is(test)).map(|test| test.avg_ts);
    Some([speed(|test| test.n_gen == 0)?, speed(|test| test.n_prompt == 0)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_tell_are_read() {
        let read = |said: &[&str]| read(&said.iter().map(|said| (*said).to_owned()).collect::<Vec<_>>());
        let prompt = r#"[{"n_prompt":512,"n_gen":0,"n_depth":0,"avg_ts":182.5}]"#;
        let generation = r#"[{"n_prompt":0,"n_gen":128,"n_depth":512,"avg_ts":22.5}]"#;
        assert_eq!(read(&[prompt, generation]), Some([182.5, 22.5]));
        let ours = r#"{"model":"m","prompt_tokens_per_s":372.0,"generate_tokens_per_s":28.5}"#;
        assert_eq!(read(&[ours]), Some([372.0, 28.5]));
        for other in ["", "[]", prompt, "| model | size |", "{}"] {
            assert_eq!(read(&[other]), None, "{other}");
            assert_eq!(read(&[prompt, other]), None, "{other}");
        }
    }

    #[test]
    fn the_command_gets_model_and_sizes() {
        let new = |command| Neighbour::new(command, Path::new("/m/a b.gguf"), (5, 6), NonZeroUsize::MIN);
        let check = |command, expected: &[&str]| {
            let calls: Vec<String> =
                new(command).unwrap().calls.iter().map(|words| words.join("|")).collect();
            assert_eq!(calls, expected);
        };
        // It generates behind as much as we do.
        check(
            "llama-bench -fa '1'",
            &[
                "llama-bench|-fa|1|-m|/m/a b.gguf|-o|json|-t|1|-r|1|-p|5|-n|0",
                "llama-bench|-fa|1|-m|/m/a b.gguf|-o|json|-t|1|-r|1|-p|0|-n|6|-d|5",
            ],
        );
        check("./athenaeum bench", &["./athenaeum|bench|/m/a b.gguf|--json|-t|1|-r|1|-p|5|-n|6"]);
        assert!(new("").is_err() && new("llama-bench 'x").is_err());
    }
}
