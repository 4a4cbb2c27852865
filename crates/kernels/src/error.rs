use crate::Format;

/// Why numbers cannot be read, written or made a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not hold as many numbers as are asked for.
    #[error("{count} numbers of {format} take {expected} bytes, not {actual}")]
    Length {
        /// The format of the bytes.
        format: Format,
        /// How many numbers there should be.
        count: usize,
        /// The bytes that they take.
        expected: usize,
        /// The bytes that were handed in.
        actual: usize,
    },
    /// A row is not a whole number of blocks, or a matrix has more bytes than memory can hold.
    #[error("{count} numbers do not fill blocks of {format}, {} numbers each", format.block_len())]
    NotWholeBlocks {
        /// The format whose blocks they should fill.
        format: Format,
        /// How many numbers there are.
        count: usize,
    },
    /// A matrix whose size in bytes is beyond what can be counted.
    #[error("a matrix of {rows} × {cols} numbers of {format} has more bytes than can be counted")]
    TooLarge {
        /// The format of the numbers.
        format: Format,
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        cols: usize,
    },
    /// The format is known by name, but this cannot be done with it.
    #[error("{format} cannot be {}; convert the model to another format", if *write { "written" } else { "computed with" })]
    Unsupported {
        /// The format.
        format: Format,
        /// Whether numbers should have been written in it, not read.
        write: bool,
    },
}
