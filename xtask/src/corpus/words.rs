//! The vocabulary: how often which word is used.

use std::{collections::HashMap, fs, path::PathBuf};

use anyhow::Context;

use super::random::Random;

/// Words of the tail that are made up; rare words of real chats are names, identifiers and numbers.
const MADE_UP: usize = 60_000;

/// A vocabulary with Zipf-like frequencies, sampled in constant time (Walker's alias method).
pub(crate) struct Words {
    words: Vec<String>,
    alias: Vec<(f64, u32)>,
}

impl Words {
    /// Heads the vocabulary with the words of `files` at their own frequencies, or with a built-in list of common
    /// English words where no file is given.
    pub(crate) fn from_files(files: &[PathBuf]) -> anyhow::Result<Self> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for file in files {
            let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            for word in String::from_utf8_lossy(&bytes)
                .split(|c: char| !c.is_alphanumeric())
                .filter(|w| !w.is_empty())
            {
                *counts.entry(word.to_lowercase()).or_default() += 1;
            }
        }
        let mut ranked: Vec<(String, u64)> = counts.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if ranked.is_empty() {
            let common = COMMON.split_whitespace().enumerate();
            ranked = common.map(|(rank, word)| (word.to_owned(), zipf(rank))).collect();
        }
        Ok(Self::ranked(ranked))
    }

    fn ranked(mut ranked: Vec<(String, u64)>) -> Self {
        let mut random = Random::new(7);
        let head = ranked.len();
        let scale = ranked.first().map_or(1.0, |(_, count)| *count as f64 / zipf(0) as f64);
        for rank in head..head + MADE_UP {
            let weight = (zipf(rank) as f64 * scale).max(0.02 * scale);
            ranked.push((made_up(&mut random), weight.ceil() as u64));
        }
        let weights: Vec<f64> = ranked.iter().map(|(_, count)| *count as f64).collect();
        Self { alias: alias_table(&weights), words: ranked.into_iter().map(|(word, _)| word).collect() }
    }

    /// Draws a word by its frequency.
    pub(crate) fn draw(&self, random: &mut Random) -> &str {
        let slot = random.below(self.alias.len() as u64) as usize;
        let (keep, other) = self.alias[slot];
        &self.words[if random.unit() < keep { slot } else { other as usize }]
    }
}

/// Zipf–Mandelbrot: frequency ∝ 1 / (rank + 2.7), scaled so that the rarest still count.
fn zipf(rank: usize) -> u64 {
    (1e8 / (rank as f64 + 2.7)) as u64
}

/// Vose's construction of Walker's alias table (IEEE Trans. Softw. Eng. 17 (1991), 972).
fn alias_table(weights: &[f64]) -> Vec<(f64, u32)> {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let mut scaled: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
    let mut table = vec![(1.0, 0); weights.len()];
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..weights.len()).partition(|&i| scaled[i] < 1.0);
    while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
        table[low] = (scaled[low], high as u32);
        scaled[high] -= 1.0 - scaled[low];
        if scaled[high] < 1.0 {
            large.pop();
            small.push(high);
        }
    }
    table
}

fn made_up(random: &mut Random) -> String {
    const ONSETS: [&str; 24] = [
        "b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pl",
        "gr", "ch", "sh", "br", "z",
    ];
    const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "a", "e", "ea"];
    const ENDS: [&str; 14] = ["", "", "n", "r", "s", "t", "l", "m", "ing", "ed", "tion", "er", "ly", "ness"];
    let syllables = 1 + random.below(3);
    let mut word = String::new();
    for _ in 0..syllables {
        word.push_str(random.pick::<&str>(&ONSETS));
        word.push_str(random.pick::<&str>(&VOWELS));
    }
    word.push_str(random.pick::<&str>(&ENDS));
    if random.chance(0.04) {
        word.push_str(&random.below(1000).to_string());
    }
    word
}

/// Common English words, most frequent first (ranks as in any frequency list; order within a line is loose).
const COMMON: &str = "the to of and a in is it you that for on with are as this be can or not have if your from \
by an at was we i but use will they which do there so one what all when more has how up about out no my would \
time like some make other their just than also get into used using them need should only its these then does most \
been new way code data file want could first were now any between after each because where different example \
function see value two may while good know work people here same such help find many over much even before think \
problem system set might list number model user try very through question case line create add run name start \
change type text order answer point check give better since possible based show test result best call look \
without part right through keep error long still well large small read write return true false string object class \
method open close local server client request response database table query index search memory cpu disk thread \
process network key token message history book chapter write story character world life home water food recipe \
bread oven flour salt butter garden plant travel train city river mountain music song learn teach language grammar \
word sentence paper study science physics energy light field equation proof number theorem matrix vector graph node \
edge tree path cost money budget plan goal week month year today tomorrow morning night health sleep exercise doctor \
child parent friend team project meeting email letter contract law policy market price product customer design color \
image photo video game level player score rule win lose build house room door window car engine road bike walk";
