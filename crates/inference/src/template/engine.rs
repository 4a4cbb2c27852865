//! One rendering by minijinja, set up as `transformers` sets up Jinja, with everything weighed.

use std::{error::Error as _, fmt};

use jiff::civil::DateTime;
use minijinja::{
    AutoEscape, Environment, ErrorKind, Output, State, Value,
    machinery::{CodeGenerator, eval, make_string_output, parse},
    syntax::SyntaxConfig,
    value::{Kwargs, Rest, ValueKind},
};

use super::{
    Error, Limits, bounds,
    meter::{Exceeded, Meter},
    python, tojson,
};

/// What one rendering is given.
pub(super) struct Job<'a> {
    pub(super) source: &'a str,
    pub(super) limits: Limits,
    pub(super) context: Value,
    /// Bytes of `context`, roughly.
    pub(super) input: u64,
    pub(super) now: Option<DateTime>,
}

/// Parses only, to find what is wrong.
pub(super) fn check(source: &str) -> Result<(), Error> {
    apart(|| parse(source, NAME, syntax()?).map(drop).map_err(syntax_error))
}

/// Fills in the template.
pub(super) fn render(job: &Job<'_>) -> Result<String, Error> {
    apart(|| {
        let meter = Meter::new(job.limits, job.input);
        let environment = environment(&meter, job);
        let program = parse(job.source, NAME, syntax()?).map_err(syntax_error)?;
        let program = bounds::bounded(&program);
        let mut generator = CodeGenerator::new(NAME, job.source);
        generator.compile_stmt(&program);
        let (instructions, blocks) = generator.finish();
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        let done =
            eval(&environment, &instructions, job.context.clone(), &blocks, &mut output, AutoEscape::None);
        match done {
            Ok(_) => Ok(text),
            Err(error) => Err(failure(&error, job)),
        }
    })
}

fn syntax() -> Result<SyntaxConfig, Error> {
    let built = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    built.map_err(syntax_error)
}

fn environment<'a>(meter: &Meter, job: &Job<'_>) -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(job.limits.steps));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_unknown_method_callback({
        let meter = meter.clone();
        move |state, value, method, arguments| python::method(&meter, state, value, method, arguments)
    });
    environment.set_formatter({
        let meter = meter.clone();
        move |output, state, value| write_value(&meter, output, state, value)
    });

    let guard = meter.clone();
    environment.add_filter(bounds::WEIGH, move |value: Value| guard.weigh(&value).map(|()| value));
    let guard = meter.clone();
    environment.add_filter(bounds::KEEP, move |value: Value| guard.keep(value, false));
    let guard = meter.clone();
    environment.add_filter(bounds::KEEP_IN_NAMESPACE, move |value: Value| guard.keep(value, true));
    let guard = meter.clone();
    environment.add_filter(bounds::TIMES, move |left: &Value, right: &Value| guard.times(left, right));

    let guard = meter.clone();
    environment.add_filter("tojson", move |value: Value, arguments: Rest<Value>, named: Kwargs| {
        let value = guard.keep(value, false)?;
        let text = tojson::filter(&value, &arguments, &named)?;
        guard.work(text.len()).map(|()| text)
    });
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, minijinja::Error> {
        let refusal = Refusal(message.to_string());
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, refusal.0.clone()).with_source(refusal))
    });
    let now = job.now;
    environment.add_function("strftime_now", move |format: &str| {
        let now = now.unwrap_or_else(|| jiff::Zoned::now().datetime());
        jiff::fmt::strtime::format(format, now).map_err(|error| {
            minijinja::Error::new(
                ErrorKind::InvalidOperation,
                format!("{format:?} is no time format: {error}"),
            )
        })
    });
    python::add_to(&mut environment, meter);
    environment
}

/// Writes a value into the prompt, or into the variable that is being captured.
fn write_value(
    meter: &Meter,
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    if let Some(text) = value.as_str() {
        meter.write(text.len())?;
    } else if matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        let kept = meter.keep(value.clone(), false)?;
        let text = Limited::print(meter, &kept)?;
        return minijinja::escape_formatter(output, state, &Value::from(text));
    } else {
        meter.write(NUMBER_BYTES)?;
    }
    minijinja::escape_formatter(output, state, value)
}

/// Text that ends where the meter says so.
struct Limited<'a> {
    meter: &'a Meter,
    text: String,
    over: Option<minijinja::Error>,
}

impl Limited<'_> {
    fn print(meter: &Meter, value: &Value) -> Result<String, minijinja::Error> {
        let mut limited = Limited { meter, text: String::new(), over: None };
        match fmt::write(&mut limited, format_args!("{value}")) {
            Ok(()) => Ok(limited.text),
            Err(fmt::Error) => Err(limited.over.unwrap_or_else(|| {
                minijinja::Error::new(ErrorKind::WriteFailure, "a value cannot be printed")
            })),
        }
    }
}

impl fmt::Write for Limited<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.meter.write(text.len()).map_err(|over| {
            self.over = Some(over);
            fmt::Error
        })?;
        self.text.push_str(text);
        Ok(())
    }
}

/// What `raise_exception` was given.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

// `map_err` hands errors over by value.
#[expect(clippy::needless_pass_by_value)]
fn syntax_error(error: minijinja::Error) -> Error {
    Error::Syntax { line: error.line().unwrap_or(1), reason: reason(&error) }
}

fn failure(error: &minijinja::Error, job: &Job<'_>) -> Error {
    let line = error.line().unwrap_or_default();
    if error.kind() == ErrorKind::OutOfFuel {
        return Error::TooMuch { what: "steps", limit: job.limits.steps };
    }
    let mut cause = error.source();
    while let Some(lower) = cause {
        if let Some(exceeded) = lower.downcast_ref::<Exceeded>() {
            return Error::TooMuch { what: exceeded.what, limit: exceeded.limit };
        }
        if let Some(refusal) = lower.downcast_ref::<Refusal>() {
            return Error::Refused { line, reason: refusal.0.clone() };
        }
        cause = lower.source();
    }
    let words = job.source.lines().nth(line.wrapping_sub(1)).map(str::trim);
    let words = words.filter(|words| !words.is_empty() && words.len() <= SHOWN_BYTES_MAX);
    let shown = words.map(|words| format!(", in `{words}`")).unwrap_or_default();
    Error::Failed { line, reason: reason(error) + &shown }
}

/// What went wrong, without the line, which is told elsewhere.
fn reason(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Runs where the stack is as deep as a template can ask for, whatever thread this is called on.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("chat template".to_owned()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, work).map_err(|_| Error::NoThread)?;
        running.join().unwrap_or_else(|_| {
            Err(Error::Failed { line: 0, reason: "the template engine gave up".to_owned() })
        })
    })
}

/// The template's name in the engine, never shown.
const NAME: &str = "chat template";
/// A longer line of a template is not shown.
const SHOWN_BYTES_MAX: usize = 160;
/// Levels of loops, blocks and macros (which count four) within each other.
const RECURSION_MAX: usize = 200;
/// More than a number, a truth or nothing takes.
const NUMBER_BYTES: usize = 40;
/// Address space, of which only what is used becomes memory.
const STACK_BYTES: usize = 256 << 20;
