//! Replies of models: nothing is lost, and cuts do not matter, whatever is said in whatever format.

#![no_main]

use athenaeum_inference::reply::{Event, Format};
use libfuzzer_sys::fuzz_target;

const FORMATS: [&str; 10] = [
    "<tool_call> <think> </think>",
    "<tool_call> <function= <think> </think>",
    "<arg_key> <think> </think>",
    "<|python_tag|>",
    "[TOOL_CALLS] [/THINK]",
    "<｜tool▁calls▁begin｜> </think>",
    "<|tool_calls_section_begin|>",
    "<|channel|> <|message|>",
    "<|tool_call|> functools",
    "<|START_ACTION|> <|END_THINKING|>",
];

fuzz_target!(|input: (u8, u8, &str)| {
    let (format, every, text) = input;
    let format = Format::of(FORMATS[usize::from(format) % FORMATS.len()]);
    let read = |pieces: &[String]| {
        let mut reply = format.reply("", &[]);
        let mut read: Vec<_> = pieces.iter().flat_map(|piece| reply.push(piece)).collect();
        read.extend(reply.finish());
        let source: String = read.iter().map(|piece| piece.source.as_str()).collect();
        assert_eq!(source, text);
        let mut said = String::new();
        for piece in read {
            match piece.event {
                Event::Text(text) => said += &text,
                Event::Reasoning(_) | Event::ToolCallArguments { .. } | Event::Markup => {}
                event => said += &format!("{event:?}"),
            }
        }
        said
    };
    let letters: Vec<char> = text.chars().collect();
    let cut = letters.chunks(usize::from(every) + 1).map(|piece| piece.iter().collect());
    assert_eq!(read(&cut.collect::<Vec<String>>()), read(&[text.to_owned()]));
});
