//! What particular tokens are for, and which of them end an answer.

use super::vocabulary::{Kind, Vocabulary};

/// Tokens with a purpose.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) pad: Option<u32>,
    pub(super) sep: Option<u32>,
    pub(super) mask: Option<u32>,
    /// Those that end what is generated, in ascending order.
    pub(super) ends: Vec<u32>,
}

/// Texts that end an answer wherever they are tokens, as llama.cpp has them.
const ENDS: [&str; 25] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
];

/// More of them, of models that fill in the middle of a file: after these comes another file.
const FILE_ENDS: [&str; 6] =
    ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>"];

impl Roles {
    /// Adds to what the file says ends an answer (`told`) the tokens that are known to by their text, and makes
    /// control tokens of these.
    pub(super) fn find_ends(&mut self, vocabulary: &mut Vocabulary, told: &[u32]) {
        let mut ends = told.to_vec();
        ends.extend(self.eos);
        for text in ENDS.iter().chain(&FILE_ENDS) {
            if let Some(id) = vocabulary.find(text.as_bytes()) {
                vocabulary.set_kind(id, Kind::Control);
                ends.push(id);
            }
        }
        let among = |text: &str| vocabulary.find(text.as_bytes()).filter(|id| ends.contains(id));
        // In gpt-oss and Solar Open, a part of an answer ends so, and another may follow.
        let calls = among("<|call|>").or(among("<|calls|>")).is_some();
        let parts = calls && (among("<|return|>").is_some() || among("<|flush|>").is_some());
        let part_end = among("<|end|>").filter(|_| parts);
        // In Gemma 4 this is no more than a tag of HTML.
        let tag = among("</s>").filter(|_| among("<|tool_response>").is_some());
        ends.retain(|id| Some(*id) != part_end && Some(*id) != tag);
        if let Some(tag) = tag {
            vocabulary.set_kind(tag, Kind::Normal);
        }
        ends.retain(|id| (*id as usize) < vocabulary.len());
        ends.sort_unstable();
        ends.dedup();
        self.ends = ends;
    }
}
