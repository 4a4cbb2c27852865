use std::{
    cell::RefCell, collections::BTreeSet, error::Error as StdError, future::Future, pin::Pin, rc::Rc, thread,
    time::Duration,
};

use athenaeum_retrieval::{rooms::Rooms, with_causes};
use athenaeum_tenancy::Scope;
use tokio::{
    runtime::Handle,
    sync::{OnceCell, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use crate::{
    ScriptError,
    ended::{Watch, Why},
    globals, sandbox,
};

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// As messages call it, with a line behind it.
    pub name: String,
    /// Lua 5.4; a first line that begins with `#` is passed over.
    pub source: Vec<u8>,
    /// What is handed to it.
    pub arguments: Vec<String>,
}

/// What a script may use of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that Lua may hold, at least some 200,000.
    pub memory_bytes: usize,
    /// How long it may run, waiting for answers included.
    pub time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { memory_bytes: 50 << 20, time: Duration::from_secs(300) }
    }
}

/// What a script meets.
pub struct World {
    /// Whose belongings it reaches.
    pub scope: Scope,
    /// Opens the library when the script first wants it.
    pub open: OpenRooms,
    /// Takes what it prints, and what is to be said of it. Where nobody takes it any more, the script ends as if it had printed
    /// its last.
    pub print: mpsc::Sender<Said>,
}

/// What comes of a script while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It printed a line, which comes with its end.
    Line(Vec<u8>),
    /// For whoever runs it: an option that it gave changes nothing here. One sentence, once for each option.
    Note(String),
}

/// Opens the rooms of a library.
pub type OpenRooms = Box<dyn Fn() -> Opening + Send>;

/// What [`OpenRooms`] will give.
pub type Opening = Pin<Box<dyn Future<Output = Result<Rooms, Box<dyn StdError + Send + Sync>>> + Send>>;

/// How a script ended that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// 0, or what it gave `os.exit`.
    pub code: u8,
}

/// Runs a script to its end, on a thread of its own.
///
/// A call into Lua's own library cannot be interrupted, and a hostile pattern may take it years; nor can what a script wants closed
/// as it ends. Where it does not end within a second of its time, this returns nevertheless, and its thread is left behind: a
/// program that runs scripts of strangers and goes on afterwards runs each in a process.
///
/// # Cancellation
/// After `cancel` the script ends with [`ScriptError::Stopped`]. Dropping the future leaves it running until its time is over.
///
/// # Errors
/// [`ScriptError`] says why it did not come to its end.
pub async fn run(
    script: Script,
    world: World,
    settings: &Settings,
    cancel: CancellationToken,
) -> Result<Ended, ScriptError> {
    let watch = Watch::new(settings.time, cancel);
    let (name, settings) = (script.name.clone(), settings.clone());
    let host = Host::new(world, watch.clone());
    let (done, ended) = oneshot::channel();
    let on_thread = {
        let (watch, settings) = (watch.clone(), settings.clone());
        move || {
            // Nobody waits for it where it took too long.
            let _ = done.send(on_this_thread(&script, host, &watch, &settings));
        }
    };
    let thread = thread::Builder::new().name("script".into()).stack_size(STACK_BYTES).spawn(on_thread);
    thread.map_err(|error| ScriptError::Thread(format!("could not be started: {error}")))?;
    let left_behind = async {
        let why = watch.over().await;
        tokio::time::sleep(GRACE).await;
        why
    };
    tokio::select! {
        ended = ended => ended.unwrap_or_else(|_| Err(ScriptError::Thread("broke down; please report this".into()))),
        why = left_behind => over(why, &name, &settings, true),
    }
}

fn on_this_thread(
    script: &Script,
    host: Host,
    watch: &Watch,
    settings: &Settings,
) -> Result<Ended, ScriptError> {
    let lua =
        sandbox::lua(settings.memory_bytes, watch).map_err(|error| ScriptError::Lua(error.to_string()))?;
    let host = Rc::new(host);
    sandbox::fill(&lua, script, &host).map_err(|error| ScriptError::Lua(error.to_string()))?;
    let ran = sandbox::exec(&lua, script);
    host.close();
    match (watch.why(), ran) {
        (Some(why), _) => over(why, &script.name, settings, false),
        (None, Ok(())) => Ok(Ended { code: 0 }),
        (None, Err(error)) => Err(failed(&error, script, settings)),
    }
}

fn over(why: Why, name: &str, settings: &Settings, left_behind: bool) -> Result<Ended, ScriptError> {
    let name = name.to_owned();
    match why {
        Why::Exit(code) => Ok(Ended { code }),
        Why::Time => Err(ScriptError::Time { name, time: settings.time, left_behind }),
        Why::Stopped => Err(ScriptError::Stopped { name, left_behind }),
    }
}

/// Says what went wrong as its person would.
fn failed(error: &mlua::Error, script: &Script, settings: &Settings) -> ScriptError {
    match error {
        mlua::Error::SyntaxError { message, .. } => ScriptError::Syntax(message.clone()),
        mlua::Error::MemoryError(_) => {
            ScriptError::Memory { name: script.name.clone(), mebibytes: settings.memory_bytes >> 20 }
        }
        mlua::Error::CallbackError { cause, .. } => failed(cause, script, settings),
        mlua::Error::RuntimeError(text) => {
            let (message, trace) = text.split_once("\nstack traceback:\n").unwrap_or((text, ""));
            // Lua calls a table by its address where it cannot say itself what it is.
            let message = match message.strip_prefix("table: 0x") {
                Some(_) => format!("{}: an error that is a table was raised", script.name),
                None => message.to_owned(),
            };
            let trace: Vec<&str> = trace
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with("[C]") && !line.starts_with(sandbox::OWN))
                .collect();
            ScriptError::Raised { message, trace: trace.join("\n") }
        }
        other => ScriptError::Raised { message: format!("{}: {other}", script.name), trace: String::new() },
    }
}

/// What globals work with.
pub(crate) struct Host {
    pub(crate) scope: Scope,
    pub(crate) watch: Watch,
    open: OpenRooms,
    rooms: OnceCell<Rooms>,
    print: mpsc::Sender<Said>,
    noted: RefCell<BTreeSet<&'static str>>,
    runtime: Handle,
}

impl Host {
    fn new(World { scope, open, print }: World, watch: Watch) -> Self {
        let (rooms, noted) = (OnceCell::new(), RefCell::default());
        Self { scope, watch, open, rooms, print, noted, runtime: Handle::current() }
    }

    /// Waits for something that reaches for the library, no longer than the script may run.
    pub(crate) fn wait<T, E: StdError + 'static>(
        &self,
        work: impl AsyncFnOnce(&Rooms, &Scope) -> Result<T, E>,
    ) -> Result<T, String> {
        self.runtime.block_on(async {
            let work = async {
                let opened = async || {
                    let rooms = (self.open)().await?;
                    globals::rag::sweep(&rooms, &self.scope).await;
                    Ok::<_, Box<dyn StdError + Send + Sync>>(rooms)
                };
                let rooms = self.rooms.get_or_try_init(opened).await;
                let rooms = rooms.map_err(|error| with_causes(&*error))?;
                work(rooms, &self.scope).await.map_err(|error| with_causes(&error))
            };
            tokio::select! {
                done = work => done,
                _ = self.watch.over() => Err("the script is stopped".to_owned()),
            }
        })
    }

    /// Closes what was opened.
    fn close(&self) {
        if let Some(rooms) = self.rooms.get() {
            self.runtime.block_on(rooms.close());
        }
    }

    pub(crate) fn print(&self, line: Vec<u8>) {
        self.say(Said::Line(line));
    }

    /// Says of an option that it changes nothing here, and why; once, however often it is given.
    pub(crate) fn note(&self, option: &'static str, why: &str) {
        if self.noted.borrow_mut().insert(option) {
            self.say(Said::Note(why.to_owned()));
        }
    }

    fn say(&self, said: Said) {
        if self.print.blocking_send(said).is_err() {
            self.watch.end(Why::Exit(0));
        }
    }
}

/// Lua calls itself from C for patterns and sorting, and nested JSON is read by recursion.
const STACK_BYTES: usize = 8 << 20;

/// What a script is given to end in, once it is told to.
const GRACE: Duration = Duration::from_secs(1);
