//! A collection as MessagePack, to carry elsewhere (`docs/formats/vectors.md`).

use std::io::{self, BufRead, Write};

use athenaeum_core::{
    Timestamp,
    vector::{Entry, Key, Metric, Span, Spec, Tag, VectorStorage},
};
use rmp::{Marker, decode, encode};

use crate::{Collection, Error, Vectors, rows::Rows, segment::DIMENSIONS_MAX};

/// Why what was exported cannot be read. What came before it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The bytes are not what an export writes.
    #[error("vector {index} (0 is the head) is not as an export has it: {problem}")]
    Format {
        /// Which one, from 1.
        index: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Reading or writing failed, or the file ends early.
    #[error("an export of vectors cannot be read or written")]
    Io(#[from] io::Error),
    /// The vectors could not be read or kept.
    #[error("the vectors cannot be read or kept")]
    Vectors(#[from] Error),
}

impl Collection {
    /// Writes all vectors, and returns how many. What is stored meanwhile may be left out; memory stays bounded.
    ///
    /// # Errors
    /// Where the vectors cannot be read or `out` not be written.
    pub async fn export(&self, out: &mut (impl Write + Send)) -> Result<u64, ExchangeError> {
        write_head(out, self.spec())?;
        let mut after = 0;
        let mut count = 0;
        loop {
            let rows = self.rows_after(after, PAGE).await?;
            let Some(last) = rows.sequences.last() else { break };
            after = *last;
            (0..rows.len()).try_for_each(|row| write_row(out, &rows, row))?;
            count += rows.len() as u64;
        }
        out.flush()?;
        Ok(count)
    }
}

impl Vectors {
    /// Reads what [`Collection::export`] wrote into a tenant's collection of the same name, which is made where it is
    /// missing, and returns it with how many vectors were read.
    ///
    /// # Errors
    /// Where the bytes are not an export, or another collection of the name is there.
    pub async fn import(
        &self,
        scope: &athenaeum_tenancy::Scope,
        input: &mut (impl BufRead + Send),
    ) -> Result<(Collection, u64), ExchangeError> {
        let spec = read_head(input).map_err(|error| error.at(0))?;
        let collection = self.collection(scope, &spec).await?;
        let mut count = 0;
        loop {
            let mut entries = Vec::new();
            while entries.len() < PAGE && !input.fill_buf()?.is_empty() {
                let entry = read_entry(input, spec.dimensions);
                entries.push(entry.map_err(|error| error.at(count + entries.len() as u64 + 1))?);
            }
            if entries.is_empty() {
                return Ok((collection, count));
            }
            count += entries.len() as u64;
            collection.store(&entries).await?;
        }
    }
}

/// Vectors that are read or written at once.
const PAGE: usize = 1_000;
const TEXT_BYTES_MAX: u32 = 1 << 20;
const TAGS_MAX: u32 = 10_000;
const FORMAT: &str = "athenaeum-vectors-1";

fn write_head(out: &mut impl Write, spec: &Spec) -> io::Result<()> {
    encode::write_map_len(out, 5)?;
    for (name, value) in
        [("format", FORMAT), ("name", &spec.name), ("model", &spec.model), ("metric", spec.metric.as_str())]
    {
        encode::write_str(out, name)?;
        encode::write_str(out, value)?;
    }
    encode::write_str(out, "dimensions")?;
    encode::write_uint(out, spec.dimensions as u64)?;
    Ok(())
}

fn write_row(out: &mut impl Write, rows: &Rows, row: usize) -> io::Result<()> {
    encode::write_map_len(out, 7)?;
    encode::write_str(out, "key")?;
    encode::write_bin(out, &rows.keys[row])?;
    encode::write_str(out, "vector")?;
    encode::write_array_len(out, rows.dimensions as u32)?;
    for byte in rows.row(row) {
        encode::write_f32(out, f32::from(*byte as i8) * rows.scales[row])?;
    }
    encode::write_str(out, "tags")?;
    let tags = rows.tag_sets.tags(rows.tags[row]);
    encode::write_array_len(out, tags.len() as u32)?;
    for tag in &tags {
        encode::write_array_len(out, 2)?;
        encode::write_str(out, &tag.name)?;
        encode::write_str(out, &tag.value)?;
    }
    let times = &rows.times[row];
    let bounded = |micros: i64| (micros != i64::MIN && micros != i64::MAX).then_some(micros);
    for (name, micros) in [
        ("valid_from", bounded(times.valid_from)),
        ("valid_until", bounded(times.valid_until)),
        ("learnt_at", Some(times.learnt)),
        ("expires_at", bounded(times.expires)),
    ] {
        encode::write_str(out, name)?;
        match micros {
            Some(micros) => drop(encode::write_sint(out, micros)?),
            None => encode::write_nil(out)?,
        }
    }
    Ok(())
}

/// Either the bytes are wrong, or there are none.
enum Trouble {
    Format(&'static str),
    Io(io::Error),
}

impl Trouble {
    fn at(self, index: u64) -> ExchangeError {
        match self {
            Self::Format(problem) => ExchangeError::Format { index, problem },
            Self::Io(error) => ExchangeError::Io(error),
        }
    }
}

impl From<decode::ValueReadError> for Trouble {
    fn from(error: decode::ValueReadError) -> Self {
        match error {
            decode::ValueReadError::InvalidMarkerRead(error)
            | decode::ValueReadError::InvalidDataRead(error) => Self::Io(error),
            decode::ValueReadError::TypeMismatch(_) => Self::Format("a value of another kind was expected"),
        }
    }
}

impl From<decode::NumValueReadError> for Trouble {
    fn from(error: decode::NumValueReadError) -> Self {
        match error {
            decode::NumValueReadError::InvalidMarkerRead(error)
            | decode::NumValueReadError::InvalidDataRead(error) => Self::Io(error),
            _ => Self::Format("a number was expected"),
        }
    }
}

fn read_head(input: &mut impl BufRead) -> Result<Spec, Trouble> {
    let mut spec = Spec { name: String::new(), model: String::new(), dimensions: 0, metric: Metric::Cosine };
    let mut format = String::new();
    for _ in 0..decode::read_map_len(input)?.min(5) {
        match text(input)?.as_str() {
            "format" => format = text(input)?,
            "name" => spec.name = text(input)?,
            "model" => spec.model = text(input)?,
            "metric" => {
                spec.metric = text(input)?.parse().map_err(|_| Trouble::Format("an unknown metric"))?;
            }
            "dimensions" => spec.dimensions = decode::read_int(input)?,
            _ => return Err(Trouble::Format("an unknown name")),
        }
    }
    if format != FORMAT {
        return Err(Trouble::Format("no export of vectors of this version"));
    }
    Ok(spec)
}

fn read_entry(input: &mut impl BufRead, dimensions: usize) -> Result<Entry, Trouble> {
    let mut entry = Entry::new(Key([0; 16]), Vec::new());
    let mut has_key = false;
    for _ in 0..decode::read_map_len(input)?.min(7) {
        match text(input)?.as_str() {
            "key" => {
                if decode::read_bin_len(input)? != 16 {
                    return Err(Trouble::Format("a key has 16 bytes"));
                }
                input.read_exact(&mut entry.key.0).map_err(Trouble::Io)?;
                has_key = true;
            }
            "vector" => {
                let count = decode::read_array_len(input)? as usize;
                if count != dimensions || count > DIMENSIONS_MAX {
                    return Err(Trouble::Format("a vector has other dimensions than the head says"));
                }
                entry.vector = (0..count).map(|_| decode::read_f32(input)).collect::<Result<_, _>>()?;
            }
            "tags" => {
                let count = decode::read_array_len(input)?;
                if count > TAGS_MAX {
                    return Err(Trouble::Format("more tags than there may be"));
                }
                for _ in 0..count {
                    if decode::read_array_len(input)? != 2 {
                        return Err(Trouble::Format("a tag is a name and a value"));
                    }
                    entry.tags.push(Tag::new(text(input)?, text(input)?));
                }
            }
            "valid_from" => entry.valid = Span { from: time(input)?, ..entry.valid },
            "valid_until" => entry.valid = Span { until: time(input)?, ..entry.valid },
            "learnt_at" => entry.learnt = time(input)?,
            "expires_at" => entry.expires = time(input)?,
            _ => return Err(Trouble::Format("an unknown name")),
        }
    }
    if !has_key || entry.vector.is_empty() {
        return Err(Trouble::Format("a key or a vector is missing"));
    }
    Ok(entry)
}

fn text(input: &mut impl BufRead) -> Result<String, Trouble> {
    let bytes = decode::read_str_len(input)?;
    if bytes > TEXT_BYTES_MAX {
        return Err(Trouble::Format("a text is longer than 1 MiB"));
    }
    let mut text = vec![0; bytes as usize];
    input.read_exact(&mut text).map_err(Trouble::Io)?;
    String::from_utf8(text).map_err(|_| Trouble::Format("a text is not UTF-8"))
}

fn time(input: &mut impl BufRead) -> Result<Option<Timestamp>, Trouble> {
    if input.fill_buf().map_err(Trouble::Io)?.first().map(|byte| Marker::from_u8(*byte)) == Some(Marker::Null)
    {
        input.consume(1);
        return Ok(None);
    }
    Ok(Some(Timestamp::from_micros(decode::read_int(input)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_harmless(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            at in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let _ = (read_head(&mut &bytes[..]).is_ok(), read_entry(&mut &bytes[..], 3).is_ok());
            let mut rows = Rows::new(3);
            rows.keys.push([1; 16]);
            rows.scales.push(0.5);
            rows.values.extend([1, 2, 255]);
            rows.times.push(crate::rows::Times::new(Span::ALWAYS, Timestamp::from_micros(5), None));
            let tags = rows.tag_sets.number(r#"[["a","b"]]"#).unwrap();
            rows.tags.push(tags);
            let mut good = Vec::new();
            write_row(&mut good, &rows, 0).unwrap();
            let Ok(entry) = read_entry(&mut &good[..], 3) else { panic!("an entry reads back") };
            prop_assert_eq!((&entry.vector[..], entry.key), (&[0.5, 1.0, -0.5][..], Key([1; 16])));
            let at = at.index(good.len());
            good[at] = byte;
            let _ = read_entry(&mut &good[..], 3).is_ok();
        }
    }
}
