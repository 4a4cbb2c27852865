//! The numbers of an encoder of pictures, checked for sense.

use super::{
    Error,
    kind::{self, Kind},
};
use crate::model::{
    Files, Model,
    gguf::{Metadata, Value},
};

/// What a file of llama.cpp's says of an encoder and its projector.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How its rows come about, and how they are put into a text.
    pub kind: &'static Kind,
    /// Pixels of a side of the square that it looks at.
    pub image_size: usize,
    /// Pixels of a side of a patch; divides `image_size`.
    pub patch_size: usize,
    /// Numbers that stand for a patch.
    pub width: usize,
    /// Heads of attention; divides `width`.
    pub heads: usize,
    /// Blocks that a patch passes through.
    pub layers: usize,
    /// Added under the norms' root.
    pub norm_epsilon: f32,
    /// What is between the two matrices of a feed-forward part.
    pub activation: Activation,
    /// Patches of a side of the square that becomes one row; 1 for [`kind::Joint::TwoLayers`].
    pub merged: usize,
    /// What each colour, as a part of one, is less by before it is divided by `deviation`.
    pub mean: [f32; 3],
    /// By colour; none is 0.
    pub deviation: [f32; 3],
}

/// What is between two matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x / (1 + e^(−1.702 x)), as CLIP was trained with.
    QuickGelu,
    /// The form with the hyperbolic tangent, as SigLIP was.
    Gelu,
    /// x / (1 + e^(−x)).
    Silu,
}

/// Patches of one picture; more than any known encoder takes, and little enough to bound memory.
const PATCHES_MAX: usize = 1 << 13;
/// Pixels of a side, for the same reason.
const SIDE_MAX: usize = 4096;
const SIZE_MAX: u64 = 1 << 16;

impl Config {
    /// Reads it from a file's keys.
    ///
    /// # Errors
    ///
    /// If the file is for something else, or of a kind that is not computed, or its numbers make no sense.
    pub fn of(model: &Model) -> Result<Self, Error> {
        let Files::Gguf(files) = &model.files else { return Err(Error::NotAProjector) };
        let metadata = files.metadata();
        let text = |key: &str| metadata.get(key).and_then(Value::as_text);
        if text("general.architecture").as_deref() != Some("clip") {
            return Err(Error::NotAProjector);
        }
        if flag(metadata, "clip.has_vision_encoder") == Some(false) {
            return Err(Error::SeesNothing);
        }
        let name = text("clip.vision.projector_type").or_else(|| text("clip.projector_type"));
        // The oldest files have no other kind.
        let name = name.unwrap_or("mlp".into());
        let kind = kind::find(&name).ok_or_else(|| Error::Kind { name: name.into_owned() })?;
        let number = |key: &'static str| number(metadata, key);
        let config = Self {
            kind,
            image_size: number("clip.vision.image_size")?,
            patch_size: number("clip.vision.patch_size")?,
            width: number("clip.vision.embedding_length")?,
            heads: number("clip.vision.attention.head_count")?,
            layers: layers(metadata)?,
            norm_epsilon: epsilon(metadata)?,
            activation: match (flag(metadata, "clip.use_gelu"), flag(metadata, "clip.use_silu")) {
                (Some(true), _) => Activation::Gelu,
                (_, Some(true)) => Activation::Silu,
                _ => Activation::QuickGelu,
            },
            merged: match kind.joint {
                kind::Joint::TwoLayers => 1,
                _ => merged(metadata)?,
            },
            mean: colours(metadata, "clip.vision.image_mean")?,
            deviation: colours(metadata, "clip.vision.image_std")?,
        };
        config.check()?;
        Ok(config)
    }

    /// Patches of a side.
    pub fn patches_across(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Rows that a picture becomes.
    pub fn rows(&self) -> usize {
        (self.patches_across() / self.merged).pow(2)
    }

    fn check(&self) -> Result<(), Error> {
        let senseless = |key, found: usize, why| Err(Error::Senseless { key, found: found.to_string(), why });
        if !self.image_size.is_multiple_of(self.patch_size) {
            return senseless("clip.vision.patch_size", self.patch_size, "it must divide the image's size");
        }
        if self.image_size > SIDE_MAX || self.patches_across().pow(2) > PATCHES_MAX {
            return senseless("clip.vision.image_size", self.image_size, "that is too much of a picture");
        }
        if !self.width.is_multiple_of(self.heads) {
            return senseless("clip.vision.attention.head_count", self.heads, "it must divide the width");
        }
        if !self.patches_across().is_multiple_of(self.merged) {
            let key = "clip.vision.projector.scale_factor";
            return senseless(key, self.merged, "it must divide the patches of a side");
        }
        if self.deviation.contains(&0.0) {
            return senseless("clip.vision.image_std", 0, "no colour can be divided by it");
        }
        Ok(())
    }
}

/// Blocks that are computed: up to the layer that a file names, where it names one; else all. Files of LLaVA's do not
/// hold the last one, which it does not use.
fn layers(metadata: &Metadata) -> Result<usize, Error> {
    let all = number(metadata, "clip.vision.block_count")?;
    let key = "clip.vision.feature_layer";
    let Some(named) = metadata.get(key).and_then(Value::as_array) else { return Ok(all) };
    let one = (named.len() == 1).then(|| named.get(0)?.as_u64()).flatten();
    let one = one.and_then(|layer| usize::try_from(layer).ok()).filter(|layer| (1..=all).contains(layer));
    let senseless = || Error::Senseless {
        key,
        found: Value::Array(named.clone()).to_string(),
        why: "one layer is computed, of those that there are",
    };
    one.ok_or_else(senseless)
}

fn merged(metadata: &Metadata) -> Result<usize, Error> {
    let key = "clip.vision.projector.scale_factor";
    match metadata.get(key) {
        // What Gemma's files leave out (llama.cpp's `clip.cpp`), and what Idefics3's were made with.
        None => Ok(4),
        Some(_) => number(metadata, key),
    }
}

fn number(metadata: &Metadata, key: &'static str) -> Result<usize, Error> {
    let value = metadata.get(key).ok_or(Error::Missing { key })?;
    let number = value.as_u64().filter(|number| (1..=SIZE_MAX).contains(number));
    let senseless = || Error::Senseless { key, found: value.to_string(), why: "it must be from 1 to 65536" };
    number.and_then(|number| usize::try_from(number).ok()).ok_or_else(senseless)
}

fn epsilon(metadata: &Metadata) -> Result<f32, Error> {
    let key = "clip.vision.attention.layer_norm_epsilon";
    let value = metadata.get(key).ok_or(Error::Missing { key })?;
    let number = float(value).filter(|number| (0.0..1.0).contains(number));
    number.ok_or_else(|| Error::Senseless { key, found: value.to_string(), why: "it must be from 0 to 1" })
}

fn colours(metadata: &Metadata, key: &'static str) -> Result<[f32; 3], Error> {
    let array = metadata.get(key).and_then(Value::as_array).ok_or(Error::Missing { key })?;
    let found: Vec<f32> = (0..array.len().min(4)).filter_map(|index| float(&array.get(index)?)).collect();
    let senseless = |_| Error::Senseless {
        key,
        found: Value::Array(array.clone()).to_string(),
        why: "it must be three numbers",
    };
    <[f32; 3]>::try_from(found).map_err(senseless)
}

fn flag(metadata: &Metadata, key: &str) -> Option<bool> {
    match metadata.get(key)? {
        Value::Bool(flag) => Some(*flag),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f32> {
    let number = match value {
        Value::Float(number) => *number as f32,
        other => other.as_u64()? as f32,
    };
    number.is_finite().then_some(number)
}
