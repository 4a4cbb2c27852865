//! Small encoders of pictures, in the layout of llama.cpp's `mmproj` files.

use std::io;

use super::random::Random;
use crate::{
    model::gguf::{TensorType, Typed, ValueType, Writer},
    vision::kind::{Joint, Kind},
};

/// Pixels of a side of what such an encoder looks at.
pub const IMAGE_SIZE: usize = 32;
const PATCH_SIZE: usize = 8;
const WIDTH: usize = 32;
const HEADS: usize = 2;
const LAYERS: usize = 2;
const FEED_FORWARD: usize = 48;
const MERGED: usize = 2;

/// Writes an encoder with a projector of a kind, for a decoder whose tokens have `out` numbers, as a GGUF file.
///
/// # Errors
///
/// If the file cannot be written, which would be a mistake in here.
pub fn projector(kind: &Kind, out: usize) -> io::Result<Vec<u8>> {
    let is_clip = kind.joint == Joint::TwoLayers;
    let (mean, deviation) = if is_clip { (CLIP_MEAN, CLIP_DEVIATION) } else { ([0.5; 3], [0.5; 3]) };
    let mut writer = Writer::new()
        .set("general.architecture", "clip")
        .set("clip.has_vision_encoder", true)
        .set("clip.projector_type", kind.name)
        .set("clip.vision.image_size", IMAGE_SIZE as u32)
        .set("clip.vision.patch_size", PATCH_SIZE as u32)
        .set("clip.vision.embedding_length", WIDTH as u32)
        .set("clip.vision.feed_forward_length", FEED_FORWARD as u32)
        .set("clip.vision.block_count", LAYERS as u32)
        .set("clip.vision.attention.head_count", HEADS as u32)
        .set("clip.vision.attention.layer_norm_epsilon", 1e-6_f32)
        .set("clip.vision.projection_dim", out as u32)
        .set("clip.vision.image_mean", floats(mean))
        .set("clip.vision.image_std", floats(deviation))
        .set("clip.use_gelu", !is_clip);
    if !is_clip {
        writer = writer.set("clip.vision.projector.scale_factor", MERGED as u32);
    }
    for (name, shape, numbers) in tensors(kind, out) {
        let dims: Vec<u64> = shape.iter().rev().map(|dim| *dim as u64).collect();
        let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        writer = writer.tensor(name, TensorType::F32, &dims, data);
    }
    let mut bytes = Vec::new();
    writer.write(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Makes a picture of a pattern, as a PNG file: `seed` decides what it shows, 0 all colours, others mostly one.
///
/// # Errors
///
/// As of [`projector`].
pub fn png(width: u32, height: u32, seed: u32) -> io::Result<Vec<u8>> {
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        let colour = |at: u32| {
            let pattern = ((x * 7 + y * 13 + at * 29 + x * y) % 256) as u8;
            match seed {
                0 => pattern,
                _ if seed % 3 == at => 255 - pattern / 8,
                _ => pattern / 8 + (seed / 3 % 8 * 16) as u8,
            }
        };
        image::Rgb([colour(0), colour(1), colour(2)])
    });
    let mut bytes = io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).map_err(io::Error::other)?;
    Ok(bytes.into_inner())
}

/// What CLIP's pictures were normalised with.
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

fn floats(numbers: [f32; 3]) -> Typed {
    Typed::array(ValueType::F32, numbers.map(Typed::from)).unwrap_or_else(|| Typed::from(0_u32))
}

type Tensor = (String, Vec<usize>, Vec<f32>);

/// Lists names, shapes (slowest dimension first) and numbers.
fn tensors(kind: &Kind, out: usize) -> Vec<Tensor> {
    let across = IMAGE_SIZE / PATCH_SIZE;
    let is_clip = kind.joint == Joint::TwoLayers;
    let mut list = List { kind: kind.name, tensors: Vec::new() };
    list.matrix("v.patch_embd.weight", &[WIDTH, 3, PATCH_SIZE, PATCH_SIZE]);
    list.matrix("v.position_embd.weight", &[across * across + usize::from(is_clip), WIDTH]);
    if is_clip {
        list.vector("v.class_embd", WIDTH);
        list.norm("v.pre_ln");
    } else {
        list.vector("v.patch_embd.bias", WIDTH);
        list.norm("v.post_ln");
    }
    for layer in 0..LAYERS {
        let name = |part: &str| format!("v.blk.{layer}.{part}");
        list.norm(&name("ln1"));
        list.norm(&name("ln2"));
        for part in ["attn_q", "attn_k", "attn_v", "attn_out"] {
            list.linear(&name(part), WIDTH, WIDTH);
        }
        list.linear(&name("ffn_up"), FEED_FORWARD, WIDTH);
        list.linear(&name("ffn_down"), WIDTH, FEED_FORWARD);
    }
    match kind.joint {
        Joint::TwoLayers => {
            list.linear("mm.0", out, WIDTH);
            list.linear("mm.2", out, out);
        }
        Joint::Shuffle => list.matrix("mm.model.fc.weight", &[out, WIDTH * MERGED * MERGED]),
        Joint::Average => {
            list.norm("mm.soft_emb_norm");
            list.tensors.pop();
            list.matrix("mm.input_projection.weight", &[WIDTH, out]);
        }
    }
    list.tensors
}

struct List {
    kind: &'static str,
    tensors: Vec<Tensor>,
}

impl List {
    fn linear(&mut self, name: &str, rows: usize, columns: usize) {
        self.matrix(&format!("{name}.weight"), &[rows, columns]);
        self.vector(&format!("{name}.bias"), rows);
    }

    /// Whole numbers of seven bits times a power of two, with a deviation of about 2 by the root of a row's length.
    fn matrix(&mut self, name: &str, shape: &[usize]) {
        let columns: usize = shape.iter().skip(1).product();
        let step = 2.0 / 73.6 / (columns as f32).sqrt();
        let step = 2.0_f32.powi(step.log2().round() as i32);
        self.push(name, shape, |random| random.within(127) as f32 * step);
    }

    fn vector(&mut self, name: &str, len: usize) {
        self.push(name, &[len], |random| random.within(32) as f32 / 64.0);
    }

    /// Weights from half of one to one and a half, and a bias.
    fn norm(&mut self, name: &str) {
        self.push(&format!("{name}.weight"), &[WIDTH], |random| 1.0 + random.within(32) as f32 / 64.0);
        self.vector(&format!("{name}.bias"), WIDTH);
    }

    fn push(&mut self, name: &str, shape: &[usize], mut number: impl FnMut(&mut Random) -> f32) {
        let mut random = Random::named(&format!("{}/{name}", self.kind));
        let numbers = (0..shape.iter().product()).map(|_| number(&mut random)).collect();
        self.tensors.push((name.to_owned(), shape.to_vec(), numbers));
    }
}
