use athenaeum_kernels::{Bytes, Format, Gelu, Matrix, Pool};

use super::{block::INNER_MAX, config::Config, kind::Joint};
use crate::{
    decoder::Linear,
    model::{Files, Model},
    weights::{Error, Weights},
};

/// What makes rows for a decoder of what an encoder saw.
#[derive(Debug)]
pub(super) enum Projection {
    TwoLayers { first: Linear, second: Linear },
    Shuffle { matrix: Linear },
    Average { norm: Vec<f32>, matrix: Linear },
}

impl Projection {
    pub(super) fn load(weights: &Weights, config: &Config) -> Result<Self, Error> {
        let rows = |name: &str| {
            let shape = weights.shape(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
            Ok::<usize, Error>(shape.first().copied().unwrap_or(0).min(INNER_MAX))
        };
        let merged = config.merged * config.merged;
        Ok(match config.kind.joint {
            Joint::TwoLayers => {
                let inner = rows("mm.0.weight")?;
                let out = rows("mm.2.weight")?;
                Self::TwoLayers {
                    first: Linear::load(weights, "mm.0", inner, config.width)?,
                    second: Linear::load(weights, "mm.2", out, inner)?,
                }
            }
            Joint::Shuffle => {
                let name = "mm.model.fc";
                let out = rows("mm.model.fc.weight")?;
                Self::Shuffle { matrix: Linear::load(weights, name, out, config.width * merged)? }
            }
            Joint::Average => Self::Average {
                norm: weights.vector("mm.soft_emb_norm.weight", config.width)?,
                matrix: transposed(weights, "mm.input_projection.weight", config.width)?.into(),
            },
        })
    }

    /// Numbers of a row, by a file's header alone.
    pub(super) fn width_of(model: &Model, joint: Joint) -> Option<u64> {
        // Shapes are `[columns, rows]` here.
        let (name, dim) = match joint {
            Joint::TwoLayers => ("mm.2.weight", 1),
            Joint::Shuffle => ("mm.model.fc.weight", 1),
            Joint::Average => ("mm.input_projection.weight", 0),
        };
        let Files::Gguf(files) = &model.files else { return None };
        files.tensors().find(|tensor| tensor.name == name)?.dims().get(dim).copied()
    }

    /// Numbers of a row.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::TwoLayers { second: last, .. }
            | Self::Shuffle { matrix: last }
            | Self::Average { matrix: last, .. } => last.matrix.rows(),
        }
    }

    /// Makes `[row][number]` of `[patch][number]`, patches lying row by row.
    pub(super) fn apply(&self, config: &Config, patches: &[f32], pool: &Pool) -> Vec<f32> {
        let mut out = vec![0.0; config.rows() * self.width()];
        match self {
            Self::TwoLayers { first, second } => {
                let mut inner = vec![0.0; config.rows() * first.matrix.rows()];
                first.apply_then(pool, patches, &mut inner, |numbers| {
                    athenaeum_kernels::gelu(Gelu::Erf, numbers);
                });
                second.apply(pool, &inner, &mut out);
            }
            Self::Shuffle { matrix } => {
                let mut joined = Vec::with_capacity(patches.len());
                for_squares(config, |square| {
                    square.for_each(|patch| joined.extend_from_slice(of(patches, patch, config.width)));
                });
                matrix.apply(pool, &joined, &mut out);
            }
            Self::Average { norm, matrix } => {
                let mut means = Vec::with_capacity(config.rows() * config.width);
                let count = (config.merged * config.merged) as f32;
                let mut mean = vec![0.0; config.width];
                for_squares(config, |square| {
                    mean.fill(0.0);
                    for patch in square {
                        let numbers = of(patches, patch, config.width);
                        mean.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
                    }
                    mean.iter_mut().for_each(|sum| *sum /= count);
                    athenaeum_kernels::rms_norm_in_place(&mut mean, norm, config.norm_epsilon);
                    means.extend_from_slice(&mean);
                });
                matrix.apply(pool, &means, &mut out);
            }
        }
        out
    }
}

fn of(patches: &[f32], patch: usize, width: usize) -> &[f32] {
    &patches[patch * width..(patch + 1) * width]
}

/// Goes through the squares of patches that become one row, row by row, and through the patches of each alike.
fn for_squares(config: &Config, mut then: impl FnMut(&mut dyn Iterator<Item = usize>)) {
    let (across, merged) = (config.patches_across(), config.merged);
    for top in (0..across).step_by(merged) {
        for left in (0..across).step_by(merged) {
            let mut square = (top..top + merged)
                .flat_map(|row| (left..left + merged).map(move |column| row * across + column));
            then(&mut square);
        }
    }
}

/// Loads a matrix that lies the other way round: what comes in by rows.
fn transposed(weights: &Weights, name: &str, rows: usize) -> Result<Matrix, Error> {
    let shape = weights.shape(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
    let columns = shape.last().copied().unwrap_or(0);
    let matrix = weights.matrix(name, rows, columns)?;
    let mut row = vec![0.0; columns];
    let mut bytes = vec![0; 4 * rows * columns];
    for index in 0..rows {
        matrix.row(index, &mut row);
        for (column, number) in row.iter().enumerate() {
            bytes[4 * (column * rows + index)..][..4].copy_from_slice(&number.to_le_bytes());
        }
    }
    let refused = |_| Error::Format { name: name.to_owned(), format: Format::F32.name().to_owned() };
    Matrix::new(Format::F32, columns, rows, Bytes::from(bytes)).map_err(refused)
}
