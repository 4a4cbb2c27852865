//! Pictures for a decoder: an encoder that looks at them, and a projector that makes rows of what it saw, which the
//! decoder takes in place of tokens.
//!
//! ```text
//! file ─► Picture (bounded, turned, three colours) ─► square of pixels ─► patches ─► blocks ─► Projection ─► rows
//! ```
//!
//! Both are one file of llama.cpp's, `mmproj-….gguf`, beside the model's own. What sets one kind of projector apart from
//! another is a row of [`kind::ALL`]; the rest is one encoder for all: CLIP's and SigLIP's.
//!
//! What a picture gives does not depend on the number of threads, nor on what else is computed, bit for bit.

pub mod beside;
mod block;
mod config;
pub mod kind;
mod picture;
mod projection;
mod resize;

pub use config::{Activation, Config};
pub use picture::{Error as PictureError, Limits, Picture};

use athenaeum_kernels::Pool;

use self::{
    block::{Block, Work},
    kind::Kind,
    projection::Projection,
};
use crate::{
    decoder::Linear,
    encoder::layer::Norm,
    model::{self, Model},
    processor::Processor,
    weights::{self, Access, Weights},
};

/// An encoder of pictures with its projector, ready to compute.
#[derive(Debug)]
pub struct Vision {
    config: Config,
    /// Of a patch's pixels: by colour, row, column.
    patches: Linear,
    /// What stands before the patches, where the encoder has it.
    class: Option<Vec<f32>>,
    /// `[class and patches][number]`.
    positions: Vec<f32>,
    first_norm: Option<Norm>,
    blocks: Vec<Block>,
    last_norm: Option<Norm>,
    projection: Projection,
}

/// Why a file is not taken as a projector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no model file.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// It is some other model.
    #[error("the file is no projector for pictures; llama.cpp's are called mmproj-….gguf")]
    NotAProjector,
    /// It is for sound.
    #[error("the projector has no encoder for pictures")]
    SeesNothing,
    /// There is no row for it.
    #[error("projectors of the kind {name:?} are not computed; known are {}", known())]
    Kind {
        /// What the file calls it.
        name: String,
    },
    /// A key is not there.
    #[error("the projector lacks {key:?}; download it again, or convert it with a current converter")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A number makes no sense.
    #[error("the projector's {key:?} is {found}, which makes no sense here; {why}")]
    Senseless {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What is asked of it.
        why: &'static str,
    },
    /// Its rows are not those of the model.
    #[error(
        "the projector makes rows of {rows} numbers, and the model takes {model}; they are not made for each other"
    )]
    Width {
        /// Numbers of its rows.
        rows: usize,
        /// What the model takes.
        model: usize,
    },
    /// Its numbers cannot be used.
    #[error("the projector's weights cannot be used")]
    Weights(#[from] weights::Error),
}

fn known() -> String {
    kind::ALL.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}

impl Vision {
    /// Checks the configuration and finds all weights.
    ///
    /// # Errors
    ///
    /// If it is no projector of a kind that is computed, numbers make no sense, or a tensor is missing or of another shape.
    pub fn load(model: &Model, access: Access) -> Result<Self, Error> {
        let config = Config::of(model)?;
        let weights = Weights::open(model, access)?;
        let (width, patch) = (config.width, config.patch_size);
        let class = weights.vector_if_present("v.class_embd", width)?;
        let rows = config.patches_across().pow(2) + usize::from(class.is_some());
        let norm = |name: &str| {
            let there = weights.has(&format!("{name}.weight"));
            there.then(|| Norm::load(&weights, (width, config.norm_epsilon), name)).transpose()
        };
        Ok(Self {
            patches: Linear {
                matrix: weights.flat_matrix("v.patch_embd.weight", width, 3 * patch * patch)?,
                bias: weights.vector_if_present("v.patch_embd.bias", width)?,
            },
            class,
            positions: all_rows(&weights.matrix("v.position_embd.weight", rows, width)?),
            first_norm: norm("v.pre_ln")?,
            blocks: (0..config.layers)
                .map(|index| Block::load(&weights, &config, index))
                .collect::<Result<_, _>>()?,
            last_norm: norm("v.post_ln")?,
            projection: Projection::load(&weights, &config)?,
            config,
        })
    }

    /// Returns the numbers of the encoder.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns what is known of its kind.
    pub fn kind(&self) -> &'static Kind {
        self.config.kind
    }

    /// Rows that any picture becomes.
    pub fn rows(&self) -> usize {
        self.config.rows()
    }

    /// Numbers of a row: what the decoder's tokens have.
    pub fn width(&self) -> usize {
        self.projection.width()
    }

    /// Looks at a picture, and returns its rows, `[row][number]`. Takes a turn at the threads for each block, so that
    /// others go on meanwhile. Blocks.
    pub fn see(&self, picture: &Picture, processor: &Processor) -> Vec<f32> {
        self.see_pixels(&self.pixels(picture), processor)
    }

    /// The same for pixels that were brought to size before: by colour, row and column, as [`Vision::pixels`] has them.
    ///
    /// # Panics
    ///
    /// If they are not as many.
    pub fn see_pixels(&self, pixels: &[f32], processor: &Processor) -> Vec<f32> {
        let mut stream = processor.turn(|pool| self.embed(pixels, pool));
        let mut work = Work::default();
        for block in &self.blocks {
            processor.turn(|pool| block.apply(&self.config, &mut stream, &mut work, pool));
        }
        processor.turn(|pool| {
            if let Some(norm) = &self.last_norm {
                let mut normed = vec![0.0; stream.len()];
                norm.apply(pool, &stream, &mut normed);
                stream = normed;
            }
            let class = self.class.as_ref().map_or(0, Vec::len);
            self.projection.apply(&self.config, &stream[class..], pool)
        })
    }

    /// Brings a picture to the size that is looked at, and its colours to the range: `[colour][row][column]`.
    pub fn pixels(&self, picture: &Picture) -> Vec<f32> {
        let Config { kind, image_size, mean, deviation, .. } = &self.config;
        let ground = mean.map(|mean| (mean * 255.0) as u8);
        let square = resize::square(picture, *image_size, kind.fit, kind.filter, ground);
        let mut pixels = Vec::with_capacity(square.len());
        for (colour, (mean, deviation)) in mean.iter().zip(deviation).enumerate() {
            let bytes = square.iter().skip(colour).step_by(3);
            pixels.extend(bytes.map(|byte| (f32::from(*byte) / 255.0 - mean) / deviation));
        }
        pixels
    }

    /// Makes `[class and patches][number]` of pixels.
    fn embed(&self, pixels: &[f32], pool: &Pool) -> Vec<f32> {
        let Config { image_size: size, patch_size: patch, .. } = self.config;
        assert_eq!(pixels.len(), 3 * size * size, "pixels of a picture");
        let across = self.config.patches_across();
        let mut inputs = Vec::with_capacity(pixels.len());
        for (top, left) in (0..across).flat_map(|row| (0..across).map(move |column| (row, column))) {
            for (colour, row) in (0..3).flat_map(|colour| (0..patch).map(move |row| (colour, row))) {
                let start = (colour * size + top * patch + row) * size + left * patch;
                inputs.extend_from_slice(&pixels[start..start + patch]);
            }
        }
        let mut stream = vec![0.0; self.positions.len()];
        let class = self.class.as_deref().unwrap_or_default();
        let (first, patches) = stream.split_at_mut(class.len());
        first.copy_from_slice(class);
        self.patches.apply(pool, &inputs, patches);
        stream.iter_mut().zip(&self.positions).for_each(|(sum, number)| *sum += number);
        match &self.first_norm {
            Some(norm) => {
                let mut normed = vec![0.0; stream.len()];
                norm.apply(pool, &stream, &mut normed);
                normed
            }
            None => stream,
        }
    }
}

fn all_rows(matrix: &athenaeum_kernels::Matrix) -> Vec<f32> {
    let mut rows = vec![0.0; matrix.rows() * matrix.cols()];
    rows.chunks_exact_mut(matrix.cols()).enumerate().for_each(|(index, row)| matrix.row(index, row));
    rows
}
