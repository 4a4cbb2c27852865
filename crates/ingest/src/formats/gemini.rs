//! Gemini in Google Takeout: `MyActivity.json` or `MyActivity.html`, one activity for each prompt and its answer.
//!
//! Takeout does not say which prompts belong together, so each is a conversation of its own, except where
//! activities name the same chat by its address. Answers are HTML and become Markdown; activities of other
//! products are counted and left out.

mod page;
mod when;

use std::collections::BTreeMap;

use athenaeum_core::{Attachment, Block, Conversation, Message, Provider, Role, Timestamp};

pub(crate) use self::page::PAGE;
use crate::{
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Shape, has_keys},
    html,
    node::Node,
    records::Records,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::GEMINI),
    name: "Gemini activity",
    shape: Shape::Log { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| {
        has_keys(record, &["header", "title", "time"])
            && ["products", "titleUrl", "safeHtmlItem", "activityControls"]
                .iter()
                .any(|key| record.get(key).is_some())
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut chats = Chats::default();
    while let Some(record) = records.next(context) {
        let node = match Node::parse(record.text) {
            Ok(node) if node.is_object() => node,
            Ok(_) => {
                context.skipped("not an object");
                continue;
            }
            Err(error) => {
                context.skipped(error.to_string());
                continue;
            }
        };
        chats.take(context, activity(&node));
    }
    chats.finish(context);
}

/// One entry of the activity log, from either form.
#[derive(Debug, Default)]
struct Activity {
    product: String,
    title: String,
    address: Option<String>,
    time: Option<Timestamp>,
    /// The time as written, to tell one from another and for reports.
    time_text: String,
    files: Vec<Attachment>,
    answer: Vec<String>,
    raw: String,
}

fn activity(node: &Node<'_>) -> Activity {
    let mut product = node.get("header").str().unwrap_or_default().to_owned();
    if !is_gemini(&product) {
        product = node
            .get("products")
            .items()
            .iter()
            .filter_map(Node::str)
            .find(|name| is_gemini(name))
            .map_or(product, str::to_owned);
    }
    let named = |name: &str| Attachment { name: Some(name.to_owned()), ..Default::default() };
    let mut files: Vec<Attachment> =
        node.get("attachedFiles").items().iter().filter_map(Node::str).map(named).collect();
    files.extend(
        node.get("imageFile")
            .str()
            .map(|name| Attachment { media_type: Some("image/*".into()), ..named(name) }),
    );
    let links = node.get("subtitles").items().iter().filter(|link| link.get("url").str().is_some());
    files.extend(links.map(|link| Attachment {
        name: link.get("name").text(),
        id: link.get("url").text(),
        ..Default::default()
    }));
    let answers = node.get("safeHtmlItem").items().iter().filter_map(|item| item.get("html").str());
    Activity {
        product,
        title: node.get("title").str().unwrap_or_default().to_owned(),
        address: node.get("titleUrl").text(),
        time: node.get("time").time(),
        time_text: node.get("time").str().unwrap_or_default().to_owned(),
        files,
        answer: answers.map(html::to_markdown).filter(|text| !text.is_empty()).collect(),
        raw: node.raw().to_owned(),
    }
}

fn is_gemini(product: &str) -> bool {
    let product = product.to_ascii_lowercase();
    product.contains("gemini") || product.contains("bard")
}

/// Words before the prompt, by language; what follows them is the person's.
const PROMPTED: &[&str] = &[
    "Prompted ",
    "Asked ",
    "Said ",
    "Prompt: ",
    "Eingegebener Prompt: ",
    "Prompt eingegeben: ",
    "Du hast gefragt: ",
    "Gefragt: ",
    "Requête envoyée : ",
    "Requête saisie : ",
    "Vous avez demandé : ",
    "Petición enviada: ",
    "Has preguntado: ",
    "Preguntaste: ",
    "Prompt inserito: ",
    "Hai chiesto: ",
    "Solicitação enviada: ",
    "Você perguntou: ",
    "Prompt ingevoerd: ",
    "Запрос: ",
    "プロンプト: ",
    "提示: ",
];

/// What Gemini logs beside prompts.
const NO_PROMPT: &[&str] =
    &["Used ", "Selected ", "Gave ", "Created ", "Viewed ", "Visited ", "Deleted ", "Shared "];

/// Conversations that come in pieces, and what was left out.
#[derive(Default)]
struct Chats {
    by_address: BTreeMap<String, Vec<Activity>>,
    other_products: BTreeMap<String, u64>,
    no_prompt: u64,
}

impl Chats {
    fn take(&mut self, context: &mut Context<'_>, activity: Activity) {
        if !is_gemini(&activity.product) {
            if self.other_products.len() < 1_000 {
                *self.other_products.entry(draft::clip(&activity.product)).or_default() += 1;
            }
            return;
        }
        let silent =
            activity.answer.is_empty() && NO_PROMPT.iter().any(|word| activity.title.starts_with(word));
        if silent || (activity.title.trim().is_empty() && activity.answer.is_empty()) {
            self.no_prompt += 1;
            return;
        }
        if activity.time.is_none() {
            context
                .notice(format!("'{}' is not a time that is understood", draft::clip(&activity.time_text)));
        }
        match activity.address.as_deref().and_then(chat_of) {
            Some(chat) => self.by_address.entry(chat.to_owned()).or_default().push(activity),
            None => {
                let id = draft::derived_id(&[&activity.time_text, &activity.title]);
                emit(context, id, vec![activity]);
            }
        }
    }

    fn finish(self, context: &mut Context<'_>) {
        for (chat, mut activities) in self.by_address {
            // The log begins with the newest.
            activities.reverse();
            activities.sort_by_key(|activity| activity.time);
            emit(context, chat, activities);
        }
        context.begin_record("");
        if !self.other_products.is_empty() {
            let count: u64 = self.other_products.values().sum();
            let names: Vec<&str> = self.other_products.keys().take(10).map(String::as_str).collect();
            let entries = if count == 1 { "activity" } else { "activities" };
            context
                .notice(format!("{count} {entries} of other products ({}) were left out", names.join(", ")));
        }
        if self.no_prompt > 0 {
            context.notice(format!(
                "{} activities of Gemini hold no prompt; they were left out",
                self.no_prompt
            ));
        }
    }
}

/// The id in `https://gemini.google.com/app/<id>`.
fn chat_of(address: &str) -> Option<&str> {
    let path = address.split_once("gemini.google.com/")?.1;
    let id = path.split_once("app/")?.1.split(['?', '#', '/']).next()?;
    (!id.is_empty()).then_some(id)
}

fn emit(context: &mut Context<'_>, id: String, activities: Vec<Activity>) {
    let mut conversation = Conversation::new(Provider::GEMINI, id);
    let mut raw: Vec<String> = Vec::new();
    let mut messages = Vec::new();
    for activity in activities {
        let prompt = prompt(&activity.title);
        let mut question = Message::new(Role::User, Vec::new());
        if !prompt.is_empty() {
            question.blocks.push(Block::text(prompt));
        }
        question.created_at = activity.time;
        question.attachments = activity.files;
        messages.push(question);
        if !activity.answer.is_empty() {
            let mut answer =
                Message::new(Role::Assistant, activity.answer.into_iter().map(Block::text).collect());
            answer.created_at = activity.time;
            messages.push(answer);
        }
        raw.push(activity.raw);
    }
    conversation.messages = draft::linear(messages);
    conversation.raw_json = match raw.as_slice() {
        [only] => only.clone(),
        several => format!("[{}]", several.join(",\n")),
    };
    draft::fill_times(&mut conversation);
    draft::emit_all(context, vec![conversation], Notes::default());
}

/// Cuts the words that Google puts before a prompt; spaces there may be unbreakable.
fn prompt(title: &str) -> &str {
    for words in PROMPTED {
        let mut rest = title;
        let fits = words.chars().all(|wanted| {
            let Some(found) = rest.chars().next() else { return false };
            rest = &rest[found.len_utf8()..];
            found == wanted || (wanted == ' ' && matches!(found, '\u{a0}' | '\u{202f}'))
        });
        if fits {
            return rest;
        }
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_before_the_prompt_are_cut() {
        assert_eq!(prompt("Prompted what is rain"), "what is rain");
        assert_eq!(prompt("Prompted\u{a0}what is rain"), "what is rain");
        assert_eq!(prompt("Prompt"), "Prompt");
        assert_eq!(prompt("Prompting is an art"), "Prompting is an art");
    }

    #[test]
    fn a_chat_is_named_by_its_address() {
        assert_eq!(chat_of("https://gemini.google.com/app/1a2b?hl=en"), Some("1a2b"));
        assert_eq!(chat_of("https://gemini.google.com/app"), None);
        assert_eq!(chat_of("https://www.google.com/search?q=x"), None);
    }
}
