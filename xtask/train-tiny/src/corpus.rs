//! What is learnt from: the texts and the talk, cut into rows of equal length.

use std::{fs, path::Path};

use anyhow::{Context, ensure};

use crate::{
    bpe::{Bpe, END_OF_TEXT},
    random::Random,
    talk::Talk,
};

pub(crate) struct Corpus {
    /// Names and contents, without the newline at their end, in the order of the names.
    pub(crate) texts: Vec<(String, String)>,
    pub(crate) talk: Talk,
}

/// Texts or conversations one after the other, of which none sees the one before.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) ids: Vec<u32>,
    /// How much it matters whether the model says this token there; 0 for what it is given.
    pub(crate) weights: Vec<f32>,
    /// Where in the row the text begins that a token is of.
    pub(crate) starts: Vec<usize>,
}

impl Corpus {
    pub(crate) fn read(texts: &Path) -> anyhow::Result<Self> {
        let mut names: Vec<_> = fs::read_dir(texts)
            .with_context(|| format!("cannot list {}", texts.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<anyhow::Result<_>>()?;
        names.sort();
        let mut contents = Vec::new();
        for path in names.iter().filter(|path| path.extension().is_some_and(|extension| extension == "txt")) {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            contents.push((name, text.trim_end().to_owned()));
        }
        let talk: Talk = serde_json::from_str(include_str!("../talk.json")).context("talk.json")?;
        for recital in &talk.recite {
            let is_there = contents.iter().any(|(name, _)| *name == recital.text);
            ensure!(is_there, "there is no text named {}", recital.text);
        }
        Ok(Self { texts: contents, talk })
    }

    /// Returns what a vocabulary is to be learnt from: every text, and so much talk that its forms are seen.
    pub(crate) fn sample(&self, random: &mut Random) -> Vec<String> {
        let texts = self.texts.iter().map(|(_, text)| text.clone());
        let answers =
            self.talk.answers.iter().flat_map(|answer| answer.ask.iter().chain([&answer.say]).cloned());
        let mut sample: Vec<String> = texts.chain(answers).collect();
        for _ in 0..40 {
            let stretches = self.talk.conversation(&self.texts, random);
            // Texts that are recited were counted above; a short one would become a single token.
            let talk = stretches.into_iter().map(|stretch| stretch.text);
            sample.extend(talk.filter(|text| text.len() < 500 && text.is_ascii()));
        }
        sample
    }

    /// A row of texts, every other one from somewhere in its midst.
    pub(crate) fn text_row(&self, bpe: &Bpe, length: usize, random: &mut Random) -> anyhow::Result<Row> {
        let mut row = Row::default();
        while row.ids.len() < length {
            let (_, text) = random.pick(&self.texts);
            let ids = bpe.encode(text)?;
            let from = if random.chance(50) { random.below(ids.len().div_ceil(2)) } else { 0 };
            // Which text it is cannot be known at once.
            let learnt_from = if from == 0 { 2 } else { 8 };
            let start = row.ids.len();
            for (position, &id) in ids[from..].iter().enumerate() {
                row.push(id, if position < learnt_from { 0.0 } else { 1.0 }, start);
            }
            row.push(bpe.added(END_OF_TEXT), 1.0, start);
        }
        row.cut(length);
        Ok(row)
    }

    /// A row of conversations.
    pub(crate) fn talk_row(&self, bpe: &Bpe, length: usize, random: &mut Random) -> anyhow::Result<Row> {
        let mut row = Row::default();
        while row.ids.len() < length {
            let start = row.ids.len();
            let conversation = if random.chance(CALLING_PERCENT) {
                self.talk.calling(random)
            } else {
                self.talk.conversation(&self.texts, random)
            };
            for stretch in conversation {
                for (position, &id) in bpe.encode(&stretch.text)?.iter().enumerate() {
                    let weight = match position {
                        _ if !stretch.is_learnt => 0.0,
                        _ if stretch.is_found => DECIDING_WEIGHT,
                        // What is said is decided here; the rest follows.
                        0..DECIDING => DECIDING_WEIGHT,
                        _ => 1.0,
                    };
                    row.push(id, weight, start);
                }
            }
        }
        row.cut(length);
        Ok(row)
    }
}

impl Row {
    fn push(&mut self, id: u32, weight: f32, start: usize) {
        self.ids.push(id);
        self.weights.push(weight);
        self.starts.push(start);
    }

    fn cut(&mut self, length: usize) {
        self.ids.truncate(length);
        self.weights.truncate(length);
        self.starts.truncate(length);
    }
}

/// Tokens at the beginning of an answer that tell it from others, and what they count.
const DECIDING: usize = 4;
const DECIDING_WEIGHT: f32 = 4.0;

/// Conversations that call tools, on top of those among the others.
const CALLING_PERCENT: usize = 30;
