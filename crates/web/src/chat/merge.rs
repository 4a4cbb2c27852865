use std::collections::{HashMap, HashSet};

use athenaeum_archive as archive;
use athenaeum_core::{Conversation, Provider, Timestamp};
use axum::http::StatusCode;
use serde_json::json;

use super::{Told, name_of, turn::Said};
use crate::{branches::Branches, error::Error, html::shortened};

/// Why what a page tells is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is nothing to keep.
    Nothing,
    /// It names a turn that is not kept, and does not tell it.
    Unknown,
    /// It names turns in an order in which nobody said them.
    Order,
    /// A name or a role that no page gives.
    Form,
}

/// Adds what a page tells to what is kept of its conversation.
pub(crate) fn merge(
    provider: Provider,
    kept: Option<archive::Conversation>,
    told: Told,
    now: Timestamp,
) -> Result<Conversation, Refused> {
    if !is_name(&told.conversation) {
        return Err(Refused::Form);
    }
    if told.path.is_empty() {
        return Err(Refused::Nothing);
    }
    let mut conversation = Conversation::new(provider, told.conversation);
    let mut places: HashMap<String, usize> = HashMap::new();
    conversation.created_at = Some(now);
    conversation.updated_at = Some(now);
    if let Some(kept) = kept {
        conversation.created_at = kept.summary.created_at.or(Some(now));
        // Never before what is kept, or it would be taken for an older copy.
        let later = kept.summary.updated_at.map(|time| time.as_micros().saturating_add(1));
        let updated = later.unwrap_or_default().max(now.as_micros());
        conversation.updated_at = Some(Timestamp::from_micros(updated));
        conversation.title = kept.summary.title;
        conversation.model = kept.summary.model;
        conversation.user_id = kept.summary.user_id;
        let parents = Branches::of(&kept.messages);
        for (position, stored) in (0_u32..).zip(kept.messages) {
            let name = name_of(&stored);
            let mut message = stored.message;
            // A message that changes its branch gets another id of the archive's; its name has to stay.
            message.external_id.get_or_insert_with(|| name.clone());
            places.insert(name, conversation.messages.len());
            message.parent = parents.parent(position);
            conversation.messages.push(message);
        }
    }
    let mut path: Vec<usize> = Vec::with_capacity(told.path.len());
    for turn in told.path {
        let last = path.last().copied();
        let place = match (places.get(&turn.id).copied(), turn.said) {
            (Some(place), _) => place,
            (None, None) => return Err(Refused::Unknown),
            (None, Some(said)) => {
                let mut message = said.message(now).ok_or(Refused::Form)?;
                message.parent = last.and_then(|last| u32::try_from(last).ok());
                if !is_name(&turn.id) {
                    return Err(Refused::Form);
                }
                message.external_id = Some(turn.id.clone());
                places.insert(turn.id, conversation.messages.len());
                conversation.messages.push(message);
                conversation.messages.len() - 1
            }
        };
        let parent = conversation.messages[place].parent.map(|parent| parent as usize);
        if parent != last {
            return Err(Refused::Order);
        }
        path.push(place);
    }
    let on_path: HashSet<usize> = path.iter().copied().collect();
    for (place, message) in conversation.messages.iter_mut().enumerate() {
        message.off_branch = !on_path.contains(&place);
    }
    let said: Vec<Said> = path.iter().map(|place| Said::of(&conversation.messages[*place])).collect();
    if conversation.title.is_none() {
        conversation.title = said.iter().find(|said| said.role == "user").map(title);
    }
    let model = said.iter().rev().find_map(|said| said.model.clone());
    conversation.model = model.or(conversation.model);
    conversation.system_prompt = Some(told.system).filter(|text| !text.is_empty());
    conversation.temperature = told.temperature.filter(|number| number.is_finite());
    conversation.max_tokens = told.max_tokens;
    let said = said.iter().map(|said| json!({"role": said.role, "content": said.text}));
    let messages: Vec<_> = said.collect();
    conversation.raw_json = json!({"model": conversation.model, "messages": messages}).to_string();
    Ok(conversation)
}

/// The first line of what was asked, cut to what fits a list.
fn title(said: &Said) -> String {
    let line = said.text.lines().find(|line| !line.trim().is_empty());
    let file = said.files.first().map(|file| file.name.as_str());
    let picture = said.pictures.first().map(|picture| picture.name.as_str());
    shortened(line.or(file).or(picture).unwrap_or_default(), 80)
}

/// What pages call conversations and turns.
fn is_name(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let (status, sentence) = match refused {
            Refused::Nothing => (StatusCode::BAD_REQUEST, "There is nothing to keep yet."),
            // The page tells all of it then, as another conversation.
            Refused::Unknown => {
                (StatusCode::CONFLICT, "This conversation is not in the archive any more, or only in part.")
            }
            Refused::Order => {
                (StatusCode::CONFLICT, "The archive has this conversation in another order; reload the page.")
            }
            Refused::Form => (StatusCode::BAD_REQUEST, "What the page sent cannot be kept; reload the page."),
        };
        Self::refused(status, sentence)
    }
}

#[cfg(test)]
mod tests {
    use athenaeum_archive::{ConversationSummary, StoredMessage};
    use athenaeum_core::{ConversationId, MessageId};

    use super::{
        super::{provider, turn::Turn},
        *,
    };

    const NOW: i64 = 1_700_000_000_000_000;

    /// Turns from names; those with `+` are told, `u…` by a person.
    fn told(path: &str) -> Told {
        let turn = |word: &str| {
            let id = format!("a-turn-{}", word.trim_end_matches('+'));
            let role = if word.starts_with('u') { "user" } else { "assistant" }.to_owned();
            let said =
                Said { role, text: format!("says {id}"), model: Some("tiny".into()), ..Said::default() };
            Turn { id, said: word.ends_with('+').then_some(said) }
        };
        Told {
            token: String::new(),
            conversation: "conversation".into(),
            system: "Be brief.".into(),
            temperature: Some(0.5),
            max_tokens: None,
            path: path.split_whitespace().map(turn).collect(),
        }
    }

    fn stored(conversation: Conversation) -> archive::Conversation {
        let summary = ConversationSummary {
            id: ConversationId::mint(Timestamp::from_micros(NOW)),
            provider: conversation.provider,
            external_id: conversation.external_id,
            title: conversation.title,
            model: conversation.model,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
            user_id: None,
            message_count: 0,
        };
        let messages = conversation.messages.into_iter().zip(1..);
        archive::Conversation {
            summary,
            system_prompt: None,
            temperature: None,
            max_tokens: None,
            messages: messages.map(|(message, id)| StoredMessage { id: MessageId(id), message }).collect(),
        }
    }

    /// What is kept after each of these: names, `*` behind those of other branches, and parents.
    fn check(steps: &[&str], expected: Result<&str, Refused>) {
        let mut kept = None;
        let mut last = Ok(String::new());
        for step in steps {
            let merged = merge(provider().unwrap(), kept.take(), told(step), Timestamp::from_micros(NOW));
            last = merged.map(|conversation| {
                let of = |message: &athenaeum_core::Message| {
                    let name = message.external_id.clone().unwrap().replace("a-turn-", "");
                    let parent = message.parent.map_or("-".into(), |parent| parent.to_string());
                    format!("{name}{}{parent}", if message.off_branch { "*" } else { ":" })
                };
                let told = conversation.messages.iter().map(of).collect::<Vec<_>>().join(" ");
                kept = Some(stored(conversation));
                told
            });
        }
        assert_eq!(last, expected.map(str::to_owned), "{steps:?}");
    }

    #[test]
    fn what_is_kept_stays() {
        check(&["u1+ a1+"], Ok("u1:- a1:0"));
        check(&["u1+ a1+", "u1 a1 u2+ a2+"], Ok("u1:- a1:0 u2:1 a2:2"));
        // The answer given anew, and the question asked otherwise.
        check(&["u1+ a1+", "u1 a2+"], Ok("u1:- a1*0 a2:0"));
        check(&["u1+ a1+", "u2+ a2+"], Ok("u1*- a1*0 u2:- a2:2"));
        // Back to where one was before, and on from there.
        check(&["u1+ a1+", "u1 a2+", "u1 a1 u2+ a3+"], Ok("u1:- a1:0 a2*0 u2:1 a3:3"));
        // Told twice, kept once.
        check(&["u1+ a1+", "u1+ a1+"], Ok("u1:- a1:0"));
        check(&["u1+ a1"], Err(Refused::Unknown));
        check(&["u1+ a1+", "a1 u2+"], Err(Refused::Order));
        check(&[""], Err(Refused::Nothing));
    }

    #[test]
    fn a_conversation_says_what_it_is() {
        let now = Timestamp::from_micros(NOW);
        let first = merge(provider().unwrap(), None, told("u1+ a1+"), now).unwrap();
        assert_eq!(first.title.as_deref(), Some("says a-turn-u1"));
        assert_eq!(
            (first.model.as_deref(), first.system_prompt.as_deref()),
            (Some("tiny"), Some("Be brief."))
        );
        // A clock that went back does not make it an older copy.
        let before = Timestamp::from_micros(NOW - 5);
        let next = merge(provider().unwrap(), Some(stored(first)), told("u1 a2+"), before).unwrap();
        assert_eq!(next.updated_at, Some(Timestamp::from_micros(NOW + 1)));
    }

    #[test]
    fn names_of_pages_are_plain() {
        for (text, good) in
            [("0123-abcZ", true), ("short", false), ("../../etc/x", false), ("<script>x", false)]
        {
            assert_eq!(is_name(text), good, "{text}");
        }
    }
}
