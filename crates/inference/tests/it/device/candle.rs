//! Candle's processor against our own; and, where the features `cuda` or `metal` are on, the graphics processor, if there is
//! one.

use std::{error::Error as _, path::Path, sync::Arc};

use athenaeum_inference::{
    cache::{PAGE, Page},
    decoder::{Decoder, Row, Want},
    device::{self, Device, Error},
    engine::{Backend, Event, Request},
    kernels::Format,
    local::{LocalModel, Settings},
    sampling::Sampling,
    synthetic,
};

use super::{CONTEXT, decoder, file};
use crate::golden;

/// How far logits may be from ours, as a part of the root of their mean square: the farthest, where nothing is rounded;
const TOLERANCE: f32 = 1e-4;
/// the root of the mean square, where inputs are rounded to 16 bits;
const TOLERANCE_HALVES: f32 = 5e-3;
/// and where candle and we round them to 8, as a part of how far we are from the logits without rounding.
const TOLERANCE_ROUNDED: f32 = 1.25;
/// The same for Q8_0, where candle rounds 256 inputs by one scale on processors with AVX-512, and we 32.
const TOLERANCE_ROUNDED_Q8_0: f32 = 2.0;

#[test]
fn dense_architectures_give_the_same_logits() {
    let devices = devices();
    let mut seen = 0;
    for recipe in synthetic::ALL.iter().filter(|recipe| recipe.experts.is_none()) {
        let decoder = decoder(&file(recipe.name, "F32"));
        let ours = logits(&decoder, Device::Processor);
        for &device in &devices {
            let theirs = logits(&decoder, device);
            let farthest = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let worst = farthest / root_mean_square(ours.iter().copied());
            assert!(ours.len() == theirs.len() && worst <= TOLERANCE, "{} on {device}: {worst}", recipe.name);
        }
        seen += 1;
    }
    assert!(seen >= 15, "{seen}");
}

#[test]
fn formats_that_candle_knows_and_those_that_it_does_not_give_nearly_the_same_logits() {
    let devices = devices();
    let storages = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"];
    let blocks_of_256 = ["Q2_K", "Q3_K", "Q4_K_M", "Q5_K", "IQ4_XS"];
    for storage in storages.into_iter().chain(blocks_of_256).chain(["MXFP4"]) {
        let file = file("llama", storage);
        let exact = logits(&decoder(&golden::dequantized(&file)), Device::Processor);
        let decoder = decoder(&file);
        let distance = |device| {
            let logits = logits(&decoder, device);
            assert_eq!(logits.len(), exact.len());
            root_mean_square(logits.iter().zip(&exact).map(|(a, b)| a - b))
                / root_mean_square(exact.iter().copied())
        };
        let ours = distance(Device::Processor);
        let rounded = if storage == "Q8_0" { TOLERANCE_ROUNDED_Q8_0 } else { TOLERANCE_ROUNDED };
        let tolerance = TOLERANCE_HALVES.max(ours * rounded);
        for &device in &devices {
            let theirs = distance(device);
            assert!(
                theirs <= tolerance,
                "{storage} on {device}: {theirs} from the exact ones, where we are {ours}"
            );
        }
    }
}

#[test]
fn the_small_model_says_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/tiny.gguf");
    let text = |device| {
        let model = LocalModel::load(&path, &Settings { device, ..Settings::default() }).unwrap();
        let request = Request {
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            tokens_max: Some(100),
            ..Request::new(model.completion_prompt("In the beginning"))
        };
        let mut generation = model.engine().submit(request).unwrap();
        let mut text = String::new();
        loop {
            match generation.next_blocking().unwrap() {
                Event::Token { text: piece, .. } => text.push_str(&piece),
                Event::Progress { .. } | Event::Prompt { .. } => {}
                Event::End(end) => return text + &end.text,
            }
        }
    };
    let ours = text(Device::Processor);
    assert!(ours.len() > 200, "{ours:?}");
    for device in devices() {
        assert_eq!(text(device), ours, "{device}");
    }
}

#[test]
fn a_graphics_processor_that_is_not_there_is_told_of() {
    // No machine has as many, and of Apple's there is one or none.
    for device in [Device::Cuda(63), Device::Metal].into_iter().filter(|device| device.is_built()) {
        match device::backend(device, decoder(&file("llama", "F32")), Format::F16, 4, 1).err() {
            Some(error @ Error::Open { .. }) => {
                assert!(error.to_string().contains(&device.to_string()), "{error}");
                let told = error.source().unwrap().to_string();
                assert!(!told.is_empty() && !told.contains('\n'), "{told}");
            }
            other => assert!(device == Device::Metal && other.is_none(), "{other:?}"),
        }
    }
}

#[test]
fn what_is_not_computed_there_is_refused() {
    let refused =
        |recipe, format| device::backend(Device::Candle, decoder(&file(recipe, "F32")), format, 4, 1).err();
    assert!(matches!(refused("qwen3moe", Format::F16), Some(Error::Experts { .. })));
    assert!(matches!(refused("llama", Format::Q8_0), Some(Error::CacheFormat { .. })));
    assert!(refused("llama", Format::F16).is_none());
}

/// What is compared with our own kernels: all that this was built for and that is there.
#[expect(clippy::print_stdout, reason = "what was not compared must not look as if it was")]
fn devices() -> Vec<Device> {
    let mut devices = vec![Device::Candle];
    for device in [Device::Cuda(0), Device::Metal].into_iter().filter(|device| device.is_built()) {
        match device::backend(device, decoder(&file("llama", "F32")), Format::F32, 1, 1) {
            Ok(_) => devices.push(device),
            Err(error) => println!("{device} is not compared: {error}: {:?}", error.source()),
        }
    }
    devices
}

fn root_mean_square(numbers: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = numbers.len() as f32;
    (numbers.map(|number| number * number).sum::<f32>() / count).sqrt()
}

/// The logits and last layers of two texts of [`LEN`] tokens, in batches that hold pieces of both.
fn logits(decoder: &Arc<Decoder>, device: Device) -> Vec<f32> {
    const LEN: usize = 70;
    let count = 2 * CONTEXT.div_ceil(PAGE);
    let mut backend: Box<dyn Backend> =
        device::backend(device, Arc::clone(decoder), Format::F32, count, 1).unwrap();
    assert_eq!((backend.pages(), backend.vocabulary()), (count, synthetic::TOKENS));
    // Out of order, as they are after some use.
    let pages: Vec<Page> = (0..count as u32).map(|page| Page(page * 5 % count as u32)).collect();
    let (first, second) = pages.split_at(count / 2);
    let row = |sequence: usize, position: usize| Row {
        token: ((position * 31 + sequence * 7) % synthetic::TOKENS) as u32,
        position: position as u32,
        sequence,
        want: if position % 7 == 3 { Want::Hidden } else { Want::Logits },
    };
    let (mut all, mut done) = (Vec::new(), [0; 2]);
    for pieces in [[33, 1], [1, 40], [1, 1], [35, 28]] {
        let rows: Vec<Row> = (0..2)
            .flat_map(|sequence| {
                let from = done[sequence];
                (from..from + pieces[sequence]).map(move |position| row(sequence, position))
            })
            .collect();
        done = [done[0] + pieces[0], done[1] + pieces[1]];
        let output = backend.forward(&rows, &[first, second]).unwrap();
        all.extend_from_slice(output.logits);
        all.extend_from_slice(output.hidden);
    }
    assert_eq!(done, [LEN; 2]);
    all
}
