//! Learning: AdamW over rows of the corpus, with weights rounded every other time, so that they can be stored rounded.

use std::time::Instant;

use candle_core::{D, Device, Result, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, ops::log_softmax};

use crate::{
    bpe::Bpe,
    corpus::{Corpus, Row},
    llama::Llama,
    quantize::Format,
    random::Random,
    say,
};

/// How long and how fast to learn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) steps: usize,
    /// Tokens of a step; rows have a half or a quarter of them.
    pub(crate) tokens: usize,
    pub(crate) rate: f64,
}

/// Learns, and returns the mean loss of the last hundredth of the steps, in nats for a token.
pub(crate) fn learn(
    llama: &Llama,
    bpe: &Bpe,
    corpus: &Corpus,
    plan: Plan,
    random: &mut Random,
) -> anyhow::Result<f32> {
    let parameters = ParamsAdamW { beta2: 0.99, weight_decay: 0.02, ..ParamsAdamW::default() };
    let weights = llama.weights.iter().map(|(_, weight)| weight.clone()).collect();
    let mut optimiser = AdamW::new(weights, parameters)?;
    let began = Instant::now();
    let shown_every = (plan.steps / 100).max(1);
    let (mut sum, mut shown) = (0.0, f32::NAN);
    for step in 0..plan.steps {
        // Long rows now and then, so that all positions are known.
        let length = plan.tokens / if step % 4 == 3 { 2 } else { 4 };
        let mut rows = Vec::new();
        for row in 0..plan.tokens / length {
            let is_text = if step % 4 == 3 { row == 0 } else { row % 4 == 0 };
            rows.push(if is_text {
                corpus.text_row(bpe, length + 1, random)?
            } else {
                corpus.talk_row(bpe, length + 1, random)?
            });
        }
        let rounds = step > plan.steps / 4 && step % 2 == 0;
        let format = if rounds { Format::Q4_0 } else { Format::F32 };
        let loss = loss(llama, &rows, format)?;
        optimiser.set_learning_rate(rate(plan, step));
        optimiser.backward_step(&loss)?;
        sum += loss.to_scalar::<f32>()?;
        if (step + 1) % shown_every == 0 {
            shown = sum / shown_every as f32;
            sum = 0.0;
            say(&format!("step {}: loss {shown:.4}, {:.0} s", step + 1, began.elapsed().as_secs_f32()));
        }
    }
    Ok(shown)
}

/// Up in a straight line for a thirtieth of the time, then down like a cosine.
fn rate(plan: Plan, step: usize) -> f64 {
    let warm = plan.steps / 30;
    if step < warm {
        return plan.rate * (step + 1) as f64 / warm as f64;
    }
    let done = (step - warm) as f64 / (plan.steps - warm) as f64;
    plan.rate * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
}

/// The weighted mean of the negative logarithms of the probabilities of the tokens that are to be learnt.
fn loss(llama: &Llama, rows: &[Row], format: Format) -> Result<Tensor> {
    let length = rows[0].ids.len() - 1;
    let inputs: Vec<u32> = rows.iter().flat_map(|row| row.ids[..length].iter().copied()).collect();
    let inputs = Tensor::from_vec(inputs, (rows.len(), length), &Device::Cpu)?;
    let (mut places, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        for position in (0..length).filter(|position| row.weights[position + 1] > 0.0) {
            places.push((index * length + position) as u32);
            targets.push(row.ids[position + 1]);
            weights.push(row.weights[position + 1]);
        }
    }
    let count = places.len();
    let sum: f32 = weights.iter().sum();
    let weights = Tensor::from_vec(weights, (count, 1), &Device::Cpu)?;
    let places = Tensor::from_vec(places, count, &Device::Cpu)?;
    let targets = Tensor::from_vec(targets, (count, 1), &Device::Cpu)?;
    let starts = rows.iter().flat_map(|row| row.starts[..length].iter().copied()).collect();
    let (normed, embedding) = llama.forward(&inputs, &starts, format)?;
    let logits = normed.index_select(&places, 0)?.matmul(&embedding.t()?)?;
    let chances = log_softmax(&logits, D::Minus1)?.gather(&targets, 1)?;
    (chances * weights)?.sum_all()? / -f64::from(sum)
}
