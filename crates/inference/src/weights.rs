//! The numbers of a model, by name, as they lie in its files.
//!
//! Every tensor is asked for under the name that GGUF gives it (`blk.0.attn_q.weight`); the names of Hugging
//! Face's checkpoints are translated. Files are mapped, so that loading costs no more than what is touched, or read
//! into memory where that was asked for.

mod names;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::{Path, PathBuf},
};

use athenaeum_kernels::{Bytes, Format, Matrix};

use crate::model::{Files, Model, safetensors::Dtype};

/// The tensors of a model, each where it lies.
#[derive(Debug)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    names: Names,
}

/// Under which names the files hold their tensors.
#[derive(Debug, PartialEq, Eq)]
enum Names {
    Gguf,
    HuggingFace {
        sandwich: bool,
    },
    /// Those of an encoder, which begin with something.
    Encoder {
        prefix: String,
    },
}

/// One tensor: its format, its shape, its bytes.
#[derive(Debug, Clone)]
struct Tensor {
    /// Slowest dimension first: `[rows, columns]`.
    shape: Vec<usize>,
    format: Result<Format, String>,
    bytes: Bytes,
}

/// How the files of a model come into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Mapped: pages are read when they are touched and given back under pressure. A file that somebody cuts off
    /// meanwhile ends the process.
    #[default]
    Map,
    /// Read whole, into memory of our own.
    Read,
}

/// Why the numbers of a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be opened, mapped or read.
    #[error("the weights in {} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A tensor that the architecture needs is not there.
    #[error("the tensor {name:?} is missing; the file is incomplete or of another architecture than it says")]
    Missing {
        /// Its name in GGUF's terms.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error(
        "the tensor {name:?} has the shape {found:?} where the model's configuration asks for {expected:?}"
    )]
    Shape {
        /// Its name.
        name: String,
        /// Rows first.
        expected: Vec<usize>,
        /// Rows first.
        found: Vec<usize>,
    },
    /// Numbers are stored in a way that is not computed with.
    #[error(
        "the tensor {name:?} is stored as {format}, which is not computed with; get the model in another format"
    )]
    Format {
        /// Its name.
        name: String,
        /// The stored format's name.
        format: String,
    },
}

impl Weights {
    /// Maps or reads all files of a model.
    ///
    /// # Errors
    ///
    /// If a file cannot be opened, or has become shorter than its header says.
    pub fn open(model: &Model, access: Access) -> Result<Self, Error> {
        let mut tensors = HashMap::new();
        match &model.files {
            Files::Gguf(gguf) => {
                for part in &gguf.parts {
                    let bytes = match &part.bytes {
                        Some(bytes) => bytes.clone(),
                        None => bring(&part.path, access)?,
                    };
                    for tensor in &part.file.tensors {
                        let shape = tensor.dims().iter().rev().map(|&dim| fit(dim)).collect();
                        let format = Format::from_ggml(tensor.tensor_type.number());
                        let format = format.ok_or_else(|| tensor.tensor_type.to_string());
                        let bytes = cut(&bytes, tensor.offset, tensor.bytes, &part.path)?;
                        tensors.insert(tensor.name.clone(), Tensor { shape, format, bytes });
                    }
                }
            }
            Files::Safetensors(folder) => {
                for (path, file) in &folder.shards {
                    let bytes = bring(path, access)?;
                    for tensor in &file.tensors {
                        let shape = tensor.shape.iter().map(|&dim| fit(dim)).collect();
                        let bytes = cut(&bytes, tensor.offset, tensor.bytes, path)?;
                        tensors.insert(
                            tensor.name.clone(),
                            Tensor { shape, format: plain(tensor.dtype), bytes },
                        );
                    }
                }
            }
        }
        let names = match &model.files {
            Files::Gguf(_) => Names::Gguf,
            Files::Safetensors(_) => match tensors.keys().find_map(|name| names::encoder::prefix(name)) {
                Some(prefix) => Names::Encoder { prefix: prefix.to_owned() },
                None => Names::HuggingFace {
                    sandwich: tensors.keys().any(|name| name.contains("post_feedforward_layernorm")),
                },
            },
        };
        Ok(Self { tensors, names })
    }

    /// Says whether the files follow Hugging Face's conventions, in names and in the order of rows.
    pub fn is_hugging_face(&self) -> bool {
        self.names != Names::Gguf
    }

    /// Says whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Returns the shape of a tensor, slowest dimension first.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.find(name).map(|tensor| tensor.shape.as_slice())
    }

    /// Returns a matrix of the given shape.
    ///
    /// # Errors
    ///
    /// If it is not there, has another shape, or is stored in a format that is not computed with.
    pub fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Error> {
        self.matrix_part(name, rows, columns, 0..rows)
    }

    /// Returns some rows of a matrix of the given shape: files put matrices under each other that are used apart.
    ///
    /// # Errors
    ///
    /// As [`Weights::matrix`].
    pub fn matrix_part(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
        part: Range<usize>,
    ) -> Result<Matrix, Error> {
        let tensor = self.shaped(name, &[rows, columns])?;
        matrix(name, tensor, columns, part)
    }

    /// Returns a tensor of more dimensions as a matrix: a row for each of the slowest one, such as the weights of a
    /// convolution by what comes out of it.
    ///
    /// # Errors
    ///
    /// As [`Weights::matrix`].
    pub fn flat_matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix, Error> {
        let tensor = self.find(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        let first = tensor.shape.first().copied().unwrap_or(0);
        let others = tensor.shape.iter().skip(1).try_fold(1_usize, |product, dim| product.checked_mul(*dim));
        if first != rows || others != Some(columns) {
            let (expected, found) = (vec![rows, columns], tensor.shape.clone());
            return Err(Error::Shape { name: name.to_owned(), expected, found });
        }
        matrix(name, tensor, columns, 0..rows)
    }

    /// Returns the same rows of each of a stack of matrices, one per expert.
    ///
    /// # Errors
    ///
    /// As [`Weights::matrix`].
    pub fn matrices(
        &self,
        name: &str,
        (count, rows, columns): (usize, usize, usize),
        part: &Range<usize>,
    ) -> Result<Vec<Matrix>, Error> {
        if let Names::HuggingFace { .. } = self.names
            && !self.has(name)
        {
            return (0..count).map(|expert| self.one_expert(name, expert, rows, columns)).collect();
        }
        let tensor = self.shaped(name, &[count, rows, columns])?;
        let of = |expert: usize| part.start + expert * rows..part.end + expert * rows;
        (0..count).map(|expert| matrix(name, tensor, columns, of(expert))).collect()
    }

    /// Returns a vector, such as a norm's weights or a bias, as 32-bit floats.
    ///
    /// # Errors
    ///
    /// As [`Weights::matrix`].
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        let tensor = self.shaped(name, &[len])?;
        let format = tensor.format.clone().map_err(|format| unsupported(name, format))?;
        let mut out = vec![0.0; len];
        athenaeum_kernels::dequantize(format, &tensor.bytes, &mut out)
            .map_err(|_| unsupported(name, format.name().to_owned()))?;
        Ok(out)
    }

    /// Returns a vector if there is one of that name.
    ///
    /// # Errors
    ///
    /// If it is there, but cannot be used.
    pub fn vector_if_present(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>, Error> {
        self.has(name).then(|| self.vector(name, len)).transpose()
    }

    fn one_expert(&self, name: &str, expert: usize, rows: usize, columns: usize) -> Result<Matrix, Error> {
        let found =
            names::expert_candidates(name, expert).into_iter().find(|name| self.tensors.contains_key(name));
        let (theirs, tensor) = found
            .and_then(|theirs| self.tensors.get(&theirs).map(|tensor| (theirs, tensor)))
            .ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        check(&theirs, tensor, &[rows, columns])?;
        matrix(&theirs, tensor, columns, 0..rows)
    }

    fn shaped(&self, name: &str, expected: &[usize]) -> Result<&Tensor, Error> {
        let tensor = self.find(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        check(name, tensor, expected)?;
        Ok(tensor)
    }

    fn find(&self, name: &str) -> Option<&Tensor> {
        let candidates = match &self.names {
            Names::Gguf => return self.tensors.get(name),
            Names::HuggingFace { sandwich } => names::candidates(name, *sandwich),
            Names::Encoder { prefix } => names::encoder::candidates(name, prefix),
        };
        candidates.iter().find_map(|name| self.tensors.get(name))
    }
}

fn check(name: &str, tensor: &Tensor, expected: &[usize]) -> Result<(), Error> {
    // Dimensions of one number are written or left out as it pleases the converter.
    let dims = |shape: &[usize]| shape.iter().copied().filter(|&dim| dim != 1).collect::<Vec<_>>();
    if dims(&tensor.shape) == dims(expected) {
        return Ok(());
    }
    Err(Error::Shape { name: name.to_owned(), expected: expected.to_vec(), found: tensor.shape.clone() })
}

/// Makes a matrix of some rows of a tensor whose rows have so many columns.
fn matrix(name: &str, tensor: &Tensor, columns: usize, part: Range<usize>) -> Result<Matrix, Error> {
    let format = tensor.format.clone().map_err(|format| unsupported(name, format))?;
    let refused = || unsupported(name, format.name().to_owned());
    let row_bytes = format.row_bytes(columns).ok_or_else(refused)?;
    let bytes = tensor.bytes.slice(part.start * row_bytes..part.end * row_bytes).ok_or_else(refused)?;
    Matrix::new(format, part.len(), columns, bytes).map_err(|_| refused())
}

fn unsupported(name: &str, format: String) -> Error {
    Error::Format { name: name.to_owned(), format }
}

fn bring(path: &Path, access: Access) -> Result<Bytes, Error> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    match access {
        Access::Map => athenaeum_kernels::map_in_large_pages(&file).map_err(failed),
        Access::Read => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failed)?;
            Ok(Bytes::from(bytes))
        }
    }
}

/// Returns a range of a file's bytes, which its header was checked to lie within; the file may have changed since.
fn cut(bytes: &Bytes, offset: u64, len: u64, path: &Path) -> Result<Bytes, Error> {
    let start = fit(offset);
    bytes.slice(start..start.saturating_add(fit(len))).ok_or_else(|| Error::Io {
        path: path.to_owned(),
        source: io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file has become shorter since it was looked at",
        ),
    })
}

fn fit(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn plain(dtype: Dtype) -> Result<Format, String> {
    match dtype {
        Dtype::F32 => Ok(Format::F32),
        Dtype::F16 => Ok(Format::F16),
        Dtype::BF16 => Ok(Format::BF16),
        other => Err(other.to_string()),
    }
}
