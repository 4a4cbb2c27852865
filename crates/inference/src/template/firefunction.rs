//! What Firefunction's template asks for and no other does: its tools as text, and the moment.

use super::{Conversation, Json};

/// Sets `functions` and `datetime` where a template is of that kind and nobody has set them, as llama.cpp's server does.
pub(super) fn with_its_variables(source: &str, conversation: &Conversation) -> Option<Conversation> {
    if !source.contains(MARK) {
        return None;
    }
    let mut conversation = conversation.clone();
    let functions = match conversation.tools.as_slice() {
        [] => String::new(),
        tools => Json::array(tools.iter().cloned()).to_string(),
    };
    let now = conversation
        .now
        .unwrap_or_else(|| jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime());
    let moment = now.strftime("%b %d %Y %H:%M:%S GMT").to_string();
    conversation.variables.entry("functions".into()).or_insert_with(|| functions.into());
    conversation.variables.entry("datetime".into()).or_insert_with(|| moment.into());
    Some(conversation)
}

/// How its calls begin.
const MARK: &str = "functools[";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Message;

    #[test]
    fn tools_are_text_and_the_moment_is_told() {
        let conversation = Conversation {
            messages: vec![Message::new("user", "What is today?")],
            tools: vec![Json::parse(r#"{"name": "look"}"#).unwrap()],
            now: Some(jiff::civil::datetime(2026, 2, 3, 4, 5, 6, 0)),
            ..Conversation::default()
        };
        let template =
            super::super::Template::new("calls begin with functools[ {{ functions }} {{ datetime }}", "", "");
        let text = template.unwrap().render(&conversation).unwrap();
        assert_eq!(text, r#"calls begin with functools[ [{"name": "look"}] Feb 03 2026 04:05:06 GMT"#);
        assert!(with_its_variables("{{ functions }}", &conversation).is_none());
    }
}
