//! Chat templates: text or a reason, within the limits, whatever they say.

#![no_main]

use athenaeum_inference::template::{Conversation, Limits, Message, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let limits = Limits { steps: 100_000, text_bytes: 1 << 20, work_bytes: 8 << 20 };
    let Ok(template) = Template::new(source, "<s>", "</s>") else { return };
    let messages = [("system", "Be brief."), ("user", "Who wrote it?"), ("assistant", "Nobody knows.")];
    let conversation = Conversation {
        now: "2026-03-04T05:06:07".parse().ok(),
        ..Conversation::new(messages.map(|(role, text)| Message::new(role, text)))
    };
    if let Ok(text) = template.with_limits(limits).render(&conversation) {
        assert!(text.len() <= 1 << 20);
    }
});
