use std::io::{self, Seek, SeekFrom, Write};

use athenaeum_core::vector::Metric;
use athenaeum_kernels::signs;
use xxhash_rust::xxh3::Xxh3;

use super::{
    image::{ALIGNMENT, HEAD_BYTES, Head, SECTIONS, write_head},
    tags,
};
use crate::{
    pack::{bias, factor},
    rows::{Rows, Times},
    train::{Centers, Partitions},
};

/// Writes the image of some rows, in the order of their partitions. `head` says whose they are.
pub(crate) fn write(
    out: &mut (impl Write + Seek),
    head: &Head,
    rows: &Rows,
    partitions: &Partitions,
) -> io::Result<()> {
    debug_assert!(head.rows == rows.len() && head.partitions == partitions.ends.len());
    let order = &partitions.order;
    let row = |index: &u32| rows.row(*index as usize);
    let factors: Vec<f32> =
        order.iter().map(|index| factor(head.metric, rows.scales[*index as usize], row(index))).collect();
    out.write_all(&[0; HEAD_BYTES])?;
    let mut sections = Sections { out, at: HEAD_BYTES as u64, done: Vec::with_capacity(SECTIONS) };

    sections.write([partitions.centers.bytes.as_slice()])?;
    sections.write(lots(&partitions.centers, &partitions.ends))?;
    sections.write([partitions.groups.bytes.as_slice()])?;
    sections.write(lots(&partitions.groups, &partitions.group_ends))?;

    // Codes, and the estimates that belong to them.
    let mut estimates = Vec::with_capacity(8 * rows.len());
    let mut partition = 0;
    let mut values = vec![0.0; head.dimensions];
    let mut code = vec![0; head.code_bytes()];
    sections.begin()?;
    for (place, (index, factor)) in order.iter().zip(&factors).enumerate() {
        while place >= partitions.ends[partition] as usize {
            partition += 1;
        }
        let center = partitions.centers.bytes_of(partition);
        let center_factor = partitions.centers.factors[partition];
        for (value, byte) in values.iter_mut().zip(row(index)) {
            *value = f32::from(*byte as i8) * factor;
        }
        signs(&values, center, center_factor, &mut code);
        sections.add(&code)?;
        let (mut square, mut product) = (0.0_f32, 0.0_f32);
        for (value, center) in values.iter().zip(center) {
            let center = f32::from(*center as i8) * center_factor;
            square += (value - center) * (value - center);
            product += value * center;
        }
        let tilt = if head.metric == Metric::InnerProduct { product } else { -0.5 * square };
        estimates.extend(square.sqrt().to_le_bytes());
        estimates.extend(tilt.to_le_bytes());
    }
    sections.write([estimates])?;

    sections.write(order.iter().map(row))?;
    sections.write(order.iter().zip(&factors).map(|(index, factor)| {
        let mut entry = [0; 8];
        entry[..4].copy_from_slice(&factor.to_le_bytes());
        entry[4..].copy_from_slice(&bias(head.metric, *factor, row(index)).to_le_bytes());
        entry
    }))?;
    sections.write(order.iter().map(|index| rows.keys[*index as usize]))?;
    sections.write(order.iter().map(|index| rows.sequences[*index as usize].to_le_bytes()))?;
    // Rows come in the order of their sequence, so this is where each went.
    let mut places = vec![0_u32; order.len()];
    order.iter().enumerate().for_each(|(place, index)| places[*index as usize] = place as u32);
    sections.write(places.iter().map(|place| place.to_le_bytes()))?;
    sections.write(order.iter().map(|index| times(&rows.times[*index as usize])))?;
    let sets: Vec<u32> = order.iter().map(|index| rows.tags[*index as usize]).collect();
    sections.write([tags::write(&rows.tag_sets, &sets)])?;
    let done = sections.finish()?;
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&write_head(head, &done))?;
    out.flush()
}

fn lots(centers: &Centers, ends: &[u32]) -> impl Iterator<Item = [u8; 12]> {
    ends.iter().enumerate().map(|(index, end)| {
        let mut entry = [0; 12];
        entry[..4].copy_from_slice(&end.to_le_bytes());
        entry[4..8].copy_from_slice(&centers.factors[index].to_le_bytes());
        entry[8..].copy_from_slice(&centers.square(index).to_le_bytes());
        entry
    })
}

fn times(times: &Times) -> [u8; 32] {
    let mut entry = [0; 32];
    let numbers = [times.valid_from, times.valid_until, times.learnt, times.expires];
    for (place, number) in entry.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
    entry
}

/// Sections that are written one after the other.
struct Sections<'a, W> {
    out: &'a mut W,
    at: u64,
    /// Offset, bytes and hash of each; of the last one the hash is still to come.
    done: Vec<([u64; 2], Xxh3)>,
}

impl<W: Write> Sections<'_, W> {
    fn write(&mut self, parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> io::Result<()> {
        self.begin()?;
        parts.into_iter().try_for_each(|part| self.add(part.as_ref()))
    }

    fn begin(&mut self) -> io::Result<()> {
        let gap = self.at.next_multiple_of(ALIGNMENT as u64) - self.at;
        self.out.write_all(&[0; ALIGNMENT][..gap as usize])?;
        self.at += gap;
        self.done.push(([self.at, 0], Xxh3::new()));
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(([_, length], hash)) = self.done.last_mut() {
            *length += bytes.len() as u64;
            hash.update(bytes);
        }
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn finish(self) -> io::Result<[[u64; 3]; SECTIONS]> {
        let done: Vec<_> =
            self.done.into_iter().map(|([at, bytes], hash)| [at, bytes, hash.digest()]).collect();
        done.try_into().map_err(|_| io::Error::other("a section was left out"))
    }
}
