//! The formats, one module each.

use crate::format::Format;

mod aistudio;
mod antigravity;
pub(crate) mod athenaeum;
mod capture;
pub(crate) mod chatgpt;
mod claude;
mod claude_code;
mod codex;
mod copilot;
mod cursor;
mod deepseek;
mod gemini;
mod gemini_cli;
mod grok;
mod hermes;
mod jan;
mod lechat;
mod librechat;
mod llm;
mod lmstudio;
mod openassistant;
mod opencode;
mod openwebui;
mod perplexity;
mod sharegpt;
mod simple;
mod zed;

/// Every format, the more particular before the more general.
pub(crate) const ALL: &[&Format] = &[
    &athenaeum::FORMAT,
    &capture::FORMAT,
    &deepseek::FORMAT,
    &chatgpt::FORMAT,
    &claude::FORMAT,
    &claude::PROJECTS,
    &aistudio::FORMAT,
    &gemini::FORMAT,
    &gemini::PAGE,
    &grok::FORMAT,
    &lechat::FORMAT,
    &perplexity::FORMAT,
    &openwebui::FORMAT,
    &openwebui::DATABASE,
    &librechat::FORMAT,
    &librechat::CHATBOT_UI,
    &lmstudio::FORMAT,
    &zed::FORMAT,
    &zed::DATABASE,
    &cursor::DATABASE,
    &llm::DATABASE,
    &llm::LOGS,
    &jan::FORMAT,
    &copilot::FORMAT,
    &copilot::ACTIVITY,
    &hermes::FORMAT,
    &hermes::SESSION,
    &codex::FORMAT,
    &gemini_cli::FORMAT,
    &opencode::FORMAT,
    &opencode::DATABASE,
    &opencode::STORAGE,
    &antigravity::FORMAT,
    &claude_code::FORMAT,
    &openassistant::FORMAT,
    // Known by nothing but the provider's name somewhere in them.
    &simple::gemini::NAMED,
    &simple::grok::NAMED,
    &simple::deepseek::NAMED,
    &simple::cursor::NAMED,
    &simple::zed::NAMED,
    &simple::perplexity::NAMED,
    &simple::copilot::NAMED,
    &sharegpt::FORMAT,
    // Known by nothing but the person's word.
    &simple::gemini::ANY,
    &simple::grok::ANY,
    &simple::deepseek::ANY,
    &simple::cursor::ANY,
    &simple::zed::ANY,
    &simple::perplexity::ANY,
    &simple::copilot::ANY,
];
