#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use std::sync::OnceLock;

use crate::isa::{self, for_each_isa};

/// Computes the sum of products of `query` and each of some rows, one behind the other, of as many whole numbers: `rows`
/// holds bytes that stand for -128 to 127. Exact, with every set of instructions. At most 65,536 dimensions.
///
/// # Panics
/// Where `rows` are not `out.len()` rows of the query's length, or there are more dimensions than that.
pub fn products_i8(query: &[i8], rows: &[u8], out: &mut [i32]) {
    check(query);
    assert!(
        query.len().checked_mul(out.len()) == Some(rows.len()),
        "{} rows of {} bytes, not {} bytes",
        out.len(),
        query.len(),
        rows.len()
    );
    // SAFETY: the path runs on this machine; row i lies within the rows for each i.
    unsafe { (best().products)(query, rows, None, out) }
}

/// Computes the sum of products, as [`products_i8`], of `query` and those rows whose indexes are given, in their order.
/// Rows are asked of memory before their turn comes.
///
/// # Panics
/// As [`products_i8`]; where there are more or fewer indexes than room for results, or a row does not lie in `rows`.
pub fn products_i8_at(query: &[i8], rows: &[u8], indexes: &[u32], out: &mut [i32]) {
    check(query);
    assert!(indexes.len() == out.len(), "{} indexes, {} results", indexes.len(), out.len());
    let count = rows.len().checked_div(query.len()).unwrap_or(usize::MAX);
    let last = indexes.iter().copied().max();
    assert!(last.is_none_or(|last| (last as usize) < count), "row {last:?} of {count}");
    // SAFETY: the path runs on this machine; every index lies within the rows.
    unsafe { (best().products)(query, rows, Some(indexes), out) }
}

for_each_isa! {
    /// Computes the sum of products of `query` and a row of bytes that stand for -128 to 127. The same bits with every set
    /// of instructions.
    ///
    /// # Panics
    /// Where the row is not as long as the query.
    pub fn product_f32_i8(query: &[f32], row: &[u8]) -> f32 {
        assert!(query.len() == row.len(), "{} dimensions, a row of {}", query.len(), row.len());
        let mut lanes = [0.0_f32; 32];
        let ((query, query_rest), (row, row_rest)) = (query.as_chunks::<32>(), row.as_chunks::<32>());
        for (query, row) in query.iter().zip(row) {
            for ((lane, query), value) in lanes.iter_mut().zip(query).zip(row) {
                *lane = query.mul_add(f32::from(*value as i8), *lane);
            }
        }
        for ((lane, query), value) in lanes.iter_mut().zip(query_rest).zip(row_rest) {
            *lane = query.mul_add(f32::from(*value as i8), *lane);
        }
        for half in [16, 8, 4, 2, 1] {
            for index in 0..half {
                lanes[index] += lanes[index + half];
            }
        }
        lanes[0]
    }
}

fn check(query: &[i8]) {
    assert!(query.len() <= DIMENSIONS_MAX, "{} dimensions, at most {DIMENSIONS_MAX}", query.len());
}

/// So that sums of products of a byte with and one without sign fit in 32 bits.
const DIMENSIONS_MAX: usize = 65_536;

/// One way to multiply.
#[derive(Clone, Copy)]
struct Path {
    name: &'static str,
    /// Multiplies the rows with these indexes, or as many as there is room for. Wants rows that lie within the bytes, and
    /// the instructions it is made of.
    products: Products,
}

type Products = unsafe fn(&[i8], &[u8], Option<&[u32]>, &mut [i32]);

fn best() -> Path {
    static BEST: OnceLock<Path> = OnceLock::new();
    *BEST.get_or_init(|| {
        paths().find(|path| isa::allows(path.name)).unwrap_or(Path { name: "plain", products: plain })
    })
}

/// Lists those that this machine can go, the fastest first.
fn paths() -> impl Iterator<Item = Path> {
    #[cfg(target_arch = "x86_64")]
    let special = [x86::avx512(), x86::avx2()];
    #[cfg(target_arch = "aarch64")]
    let special = [neon::dotprod(), neon::neon()];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let special = [None];
    special.into_iter().flatten().chain([Path { name: "plain", products: plain }])
}

fn plain(query: &[i8], rows: &[u8], indexes: Option<&[u32]>, out: &mut [i32]) {
    for (position, out) in out.iter_mut().enumerate() {
        let row = indexes.map_or(position, |indexes| indexes[position] as usize);
        let row = &rows[row * query.len()..][..query.len()];
        *out = query.iter().zip(row).map(|(a, b)| i32::from(*a) * i32::from(*b as i8)).sum();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(query: &[i8], row: &[u8]) -> i32 {
        query.iter().zip(row).map(|(a, b)| i32::from(*a) * i32::from(*b as i8)).sum()
    }

    fn check(query: &[i8], rows: &[u8], indexes: &[u32]) {
        let count = rows.len() / query.len();
        let row = |index: usize| &rows[index * query.len()..][..query.len()];
        let all: Vec<i32> = (0..count).map(|index| reference(query, row(index))).collect();
        let some: Vec<i32> = indexes.iter().map(|index| all[*index as usize]).collect();
        for path in paths() {
            let (mut out, mut out_at) = (vec![0; all.len()], vec![0; some.len()]);
            // SAFETY: the machine can go it, and the indexes lie within the rows.
            unsafe {
                (path.products)(query, rows, None, &mut out);
                (path.products)(query, rows, Some(indexes), &mut out_at);
            }
            assert_eq!((&out, &out_at), (&all, &some), "{} × {}", path.name, query.len());
        }
        let (mut out, mut out_at) = (vec![0; all.len()], vec![0; some.len()]);
        products_i8(query, rows, &mut out);
        products_i8_at(query, rows, indexes, &mut out_at);
        assert_eq!((out, out_at), (all, some));
    }

    #[test]
    fn the_widest_rows_do_not_overflow() {
        for (a, b) in [(-128, 0x80), (-128, 0x7f), (127, 0x80), (127, 0x7f)] {
            check(&[a; DIMENSIONS_MAX], &[b; 5 * DIMENSIONS_MAX], &[4, 0]);
        }
        products_i8(&[], &[], &mut []);
    }

    #[test]
    fn a_row_that_is_not_there_is_refused() {
        let asked = std::panic::catch_unwind(|| {
            products_i8_at(&[0; 3], &[0; 7], &[0, 2], &mut [0; 2]);
        });
        assert!(asked.is_err());
    }

    #[test]
    fn a_wrong_shape_is_refused() {
        let asked = std::panic::catch_unwind(|| {
            products_i8(&[0; 3], &[0; 7], &mut [0; 2]);
        });
        assert!(asked.is_err());
    }

    proptest! {
        #[test]
        fn every_path_multiplies_exactly(
            (query, rows, indexes) in (1_usize..300, 1_usize..20).prop_flat_map(|(columns, rows)| {
                (
                    proptest::collection::vec(any::<i8>(), columns),
                    proptest::collection::vec(any::<u8>(), columns * rows),
                    proptest::collection::vec(0..rows as u32, 0..30),
                )
            })
        ) {
            check(&query, &rows, &indexes);
        }

        #[test]
        fn a_product_with_floats_is_near_the_exact_one(
            (query, row) in (0_usize..300).prop_flat_map(|columns| {
                (proptest::collection::vec(-2.0_f32..2.0, columns), proptest::collection::vec(any::<u8>(), columns))
            })
        ) {
            let exact: f64 = query.iter().zip(&row).map(|(a, b)| f64::from(*a) * f64::from(*b as i8)).sum();
            let found = f64::from(product_f32_i8(&query, &row));
            prop_assert!((found - exact).abs() <= 1e-5 * 256.0 * query.len() as f64, "{found} {exact}");
        }
    }
}
