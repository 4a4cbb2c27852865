//! Whether the model says what it has learnt, word for word.

use candle_core::{D, Device, Tensor};

use crate::{
    bpe::{Bpe, END_OF_TEXT, TURN_END, TURN_START},
    corpus::Corpus,
    llama::Llama,
    quantize::Format,
};

/// Tokens of a text that are given; all that follow are to be said.
const GIVEN: usize = 8;

/// Counts the texts and answers that are said without a mistake. Where every most likely token is the right one, given
/// the right ones before it, greedy decoding says them all: one pass shows it.
pub(crate) fn report(llama: &Llama, bpe: &Bpe, corpus: &Corpus, format: Format) -> anyhow::Result<String> {
    let (mut texts, mut answers) = (0, 0);
    let mut wrong = Vec::new();
    let mut least = f32::INFINITY;
    for (name, text) in &corpus.texts {
        let mut ids = bpe.encode(text)?;
        ids.push(bpe.added(END_OF_TEXT));
        let said = said(llama, &ids, GIVEN.min(ids.len() / 2), format)?;
        least = least.min(said.margin);
        texts += usize::from(said.is_right());
        if !said.is_right() {
            wrong.push(format!("  {name}: {} of {} tokens", said.right, said.all));
        }
    }
    let fixed = corpus.talk.fixed(&corpus.texts);
    for (ask, say) in &fixed {
        let mut ids = bpe.encode(&format!("{TURN_START}user\n{ask}{TURN_END}\n{TURN_START}assistant\n"))?;
        let given = ids.len();
        ids.extend(bpe.encode(&format!("{say}{TURN_END}"))?);
        let said = said(llama, &ids, given, format)?;
        least = least.min(said.margin);
        answers += usize::from(said.is_right());
        if !said.is_right() {
            wrong.push(format!("  {ask}: {} of {} tokens", said.right, said.all));
        }
    }
    Ok(format!(
        "{format:?}: {texts} of {} texts, {answers} of {} answers, least margin {least:.2}\n{}",
        corpus.texts.len(),
        fixed.len(),
        wrong[..wrong.len().min(12)].join("\n")
    ))
}

struct Said {
    /// Tokens before the first wrong one.
    right: usize,
    all: usize,
    /// By how much the right token's logit is above the next one's, where it is least.
    margin: f32,
}

impl Said {
    fn is_right(&self) -> bool {
        self.right == self.all
    }
}

fn said(llama: &Llama, ids: &[u32], given: usize, format: Format) -> anyhow::Result<Said> {
    let inputs = Tensor::from_slice(&ids[..ids.len() - 1], (1, ids.len() - 1), &Device::Cpu)?;
    let starts = vec![0; ids.len() - 1].into();
    let (normed, embedding) = llama.forward(&inputs, &starts, format)?;
    let logits = normed.matmul(&embedding.t()?)?;
    let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
    let wrong = (given..ids.len()).find(|&position| best[position - 1] != ids[position]);
    let mut margin = f32::INFINITY;
    for (position, logits) in logits.to_vec2::<f32>()?.iter().enumerate().skip(given - 1) {
        let right = logits[ids[position + 1] as usize];
        let others = logits.iter().enumerate().filter(|(id, _)| *id != ids[position + 1] as usize);
        margin = margin.min(right - others.map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max));
    }
    Ok(Said { right: wrong.unwrap_or(ids.len()) - given, all: ids.len() - given, margin })
}
