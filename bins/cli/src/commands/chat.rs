mod keep;

use std::{
    io::{BufRead as _, IsTerminal, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use athenaeum::inference::{
    engine::{self, Event, Reason},
    local::LocalModel,
    reply::{self, Reply},
    template::{Change, Conversation, Json, Message},
    vision::Picture,
};

use super::{Context, Outcome, complete::of_end, local, note};
use crate::{
    args::engine::Chat,
    output::{Output, Style},
};
use keep::Kept;

pub(super) async fn run(context: &mut Context, args: Chat) -> Outcome {
    let (name, draft) = (args.model.model.as_deref(), args.guessing.draft.as_deref());
    let model = local::load_to_see(context, (name, draft), args.mmproj.clone(), &args.model.running)?;
    anyhow::ensure!(
        model.template().is_some(),
        "this model has no chat template; `athenaeum complete` goes on from text"
    );
    let kept = if args.forget { None } else { Some(Kept::begin(context, &model).await?) };
    let mut talk = Talk { model, args, messages: Vec::new(), shown: Vec::new(), kept, told: Vec::new() };
    for path in std::mem::take(&mut talk.args.images) {
        talk.shown.push(local::picture(&path)?);
    }
    if let Some(system) = talk.args.system.take() {
        talk.set_system(system);
    }
    let code = match talk.args.message.take() {
        Some(message) => talk.ask(context, message).await?,
        None => talk.converse(context).await?,
    };
    if let Some(kept) = talk.kept {
        kept.end(context).await?;
    }
    Ok(code)
}

/// A conversation at the terminal.
struct Talk {
    model: LocalModel,
    args: Chat,
    messages: Vec<Said>,
    /// Pictures for what is said next.
    shown: Vec<Arc<Picture>>,
    kept: Option<Kept>,
    /// Changes to conversations that the person was told of.
    told: Vec<Change>,
}

/// One message of it.
#[derive(Debug, Clone)]
struct Said {
    role: &'static str,
    text: String,
    pictures: Vec<Arc<Picture>>,
}

impl Said {
    fn new(role: &'static str, text: String) -> Self {
        Self { role, text, pictures: Vec::new() }
    }
}

const COMMANDS: &str = "/regenerate  /undo  /image FILE  /system TEXT  /clear  /exit; Ctrl-C stops an answer";

impl Talk {
    /// Reads lines until there are no more.
    async fn converse(&mut self, context: &mut Context) -> Outcome {
        let name = self.model.summary().name.clone();
        let name = name.unwrap_or_else(|| self.model.path().display().to_string());
        note(&format_args!("{}. {COMMANDS}", crate::output::one_line(&name, 70)));
        let mut code = ExitCode::SUCCESS;
        loop {
            let Some(line) = read_line().await? else { return Ok(code) };
            let line = line.trim();
            let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
            match command {
                "" => {}
                "/exit" | "/quit" | "/bye" => return Ok(code),
                "/help" | "/?" => note(&COMMANDS),
                "/clear" => {
                    self.messages.retain(|said| said.role == "system");
                    if let Some(kept) = &mut self.kept {
                        kept.begin_another();
                    }
                    note(&"a new conversation");
                }
                "/undo" => match self.undo() {
                    Some(Said { text, .. }) => {
                        note(&format_args!("taken back: {}", crate::output::one_line(&text, 70)));
                    }
                    None => note(&"there is nothing to take back"),
                },
                "/system" => self.set_system(rest.trim().to_owned()),
                "/image" => match local::picture(Path::new(rest.trim())) {
                    Ok(picture) => {
                        self.shown.push(picture);
                        note(&"it is shown with what you say next");
                    }
                    Err(error) => note(&format_args!("{error:#}")),
                },
                "/regenerate" | "/retry" => match self.undo() {
                    Some(Said { text, pictures, .. }) => {
                        self.shown = pictures;
                        code = self.ask(context, text).await?;
                    }
                    None => note(&"there is no answer yet"),
                },
                unknown if unknown.starts_with('/') && rest.is_empty() => {
                    note(&format_args!("{unknown} is no command: {COMMANDS}"));
                }
                _ => code = self.ask(context, line.to_owned()).await?,
            }
        }
    }

    fn set_system(&mut self, text: String) {
        self.messages.retain(|said| said.role != "system");
        if !text.is_empty() {
            self.messages.insert(0, Said::new("system", text));
        }
    }

    /// Takes the last question back, with its answer, and returns it.
    fn undo(&mut self) -> Option<Said> {
        let index = self.messages.iter().rposition(|said| said.role == "user")?;
        let question = self.messages[index].clone();
        self.messages.truncate(index);
        Some(question)
    }

    /// Asks, and writes the answer as it comes. A question that cannot be answered is taken back.
    async fn ask(&mut self, context: &mut Context, question: String) -> Outcome {
        let pictures = std::mem::take(&mut self.shown);
        self.messages.push(Said { pictures, ..Said::new("user", question) });
        let answered = self.answer(context).await;
        if answered.is_err() {
            self.undo();
        }
        let (answer, reason) = answered?;
        self.messages.push(Said::new("assistant", answer));
        if let Some(kept) = &mut self.kept {
            kept.keep(&self.messages, &reason).await?;
        }
        Ok(local::tell_ending(&reason))
    }

    async fn answer(&mut self, context: &mut Context) -> anyhow::Result<(String, Reason)> {
        let mut conversation = Conversation::new([]);
        for Said { role, text, pictures } in &self.messages {
            let mut parts: Vec<Json> =
                pictures.iter().map(|picture| conversation.part(Arc::clone(picture))).collect();
            let text = Json::from(text.as_str());
            let content = if parts.is_empty() {
                text
            } else {
                parts.push(Json::object([("type", Json::from("text")), ("text", text)]));
                Json::array(parts)
            };
            conversation.messages.push(Message::new(role, content));
        }
        let prompt = self.model.chat_prompt(&conversation)?;
        // Takes seconds where a picture is new; nothing else goes on meanwhile.
        let pictures = self.model.see(&prompt.pictures)?;
        for change in prompt.changes.iter().filter(|change| !self.told.contains(change)) {
            note(&change.as_str());
        }
        self.told.extend(prompt.changes);
        let request = local::request(prompt.tokens, &self.args.sampling, &self.args.guessing);
        let request = engine::Request { show_special: true, pictures, ..request };
        let mut generation = self.model.engine().submit(request)?;
        let mut answer = Answer { reply: prompt.reply, text: String::new() };
        loop {
            let event = tokio::select! {
                event = generation.next() => event,
                _ = tokio::signal::ctrl_c() => None,
            };
            match event {
                Some(Event::Progress { .. } | Event::Prompt { .. }) => {}
                Some(Event::Token { text, .. }) => answer.write(&text, &mut context.output)?,
                Some(Event::End(end)) => {
                    answer.write(&end.text, &mut context.output)?;
                    let text = answer.finish(&mut context.output)?;
                    if context.output.json {
                        context.output.object(&of_end(&text, &end))?;
                        context.output.flush()?;
                    }
                    return Ok((text, end.reason));
                }
                // Stopped by the person: what there is counts.
                None => {
                    let text = answer.finish(&mut context.output)?;
                    note(&"stopped");
                    return Ok((text, Reason::Ended));
                }
            }
        }
    }
}

/// An answer that is being written.
struct Answer {
    reply: Reply,
    /// What was said to the person; what the model said to itself is shown, and not kept.
    text: String,
}

impl Answer {
    fn write(&mut self, text: &str, output: &mut Output) -> std::io::Result<()> {
        let pieces = self.reply.push(text);
        self.show(pieces, output)
    }

    fn finish(mut self, output: &mut Output) -> std::io::Result<String> {
        let pieces = self.reply.finish();
        self.show(pieces, output)?;
        if !output.json {
            output.line("")?;
            output.flush()?;
        }
        Ok(self.text)
    }

    fn show(&mut self, pieces: Vec<reply::Piece>, output: &mut Output) -> std::io::Result<()> {
        for piece in pieces {
            let shown = match piece.event {
                reply::Event::Text(text) | reply::Event::Malformed { text, .. } => {
                    self.text.push_str(&text);
                    text
                }
                reply::Event::Reasoning(text) => output.paint(Style::Faint, &text),
                reply::Event::Markup => continue,
                // No tools are offered here; a model that calls one anyway is shown as it wrote.
                _ => {
                    self.text.push_str(&piece.source);
                    piece.source
                }
            };
            if !output.json {
                output.text(&shown)?;
            }
        }
        if output.json { Ok(()) } else { output.flush() }
    }
}

/// Shows a sign on a terminal and reads a line, without holding up the runtime.
async fn read_line() -> anyhow::Result<Option<String>> {
    tokio::task::spawn_blocking(|| {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            let mut stderr = std::io::stderr().lock();
            write!(stderr, "> ").and_then(|()| stderr.flush())?;
        }
        let mut line = String::new();
        let read = stdin.lock().read_line(&mut line).context("what was typed cannot be read")?;
        Ok((read > 0).then_some(line))
    })
    .await?
}
