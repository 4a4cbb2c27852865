//! How fast packed matrices multiply, format by format.
//!
//! ```sh
//! cargo run --release -p athenaeum-kernels --example speed [-- THREADS] [FORMAT…]
//! ```
//!
//! For each format a matrix of 4,096 columns and some 256 MB (so that it lies in no cache) meets one row, and one of 2,048
//! rows meets 64 rows. The first is told in GB of weights a second, to be held against the memory's speed; the second
//! in Gop a second, two for each weight and row. The best of nine. With `ATHENAEUM_KERNELS=plain`, `avx2`, `neon` or
//! `neon-dotprod` before it, no wider vectors than these are used.
//!
//! With several threads it also tells what an index costs where threads take indexes of one loop from each other: the pool's
//! spans, beside one counter for all and beside a lock.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use athenaeum_kernels::{Bytes, Format, Instructions, Matrix, Pool, limits, use_at_most};

const COLS: usize = 4096;

fn main() {
    let most = match std::env::var("ATHENAEUM_KERNELS").as_deref() {
        Ok("plain") => Instructions::Plain,
        Ok("avx2") => Instructions::Avx2,
        Ok("neon") => Instructions::Neon,
        Ok("neon-dotprod") => Instructions::NeonDotprod,
        _ if cfg!(target_arch = "aarch64") => Instructions::NeonI8mm,
        _ => Instructions::Avx512,
    };
    println!("{} vectors", use_at_most(most).as_str());
    let mut arguments = std::env::args().skip(1).peekable();
    let threads: Vec<usize> = match arguments.peek().and_then(|threads| threads.parse().ok()) {
        Some(threads) => {
            arguments.next();
            vec![threads]
        }
        None => vec![1, 2],
    };
    let names: Vec<String> = arguments.collect();
    for threads in threads {
        let pool = Pool::new(threads);
        println!("{threads} threads; memory is read at {:.2} GB/s", limits::read_speed(&pool) / 1e9);
        if let Some(speed) = limits::integer_speed(&pool) {
            println!("bytes are multiplied at {:.0} Gop/s", speed / 1e9);
        }
        if threads > 1 {
            println!(
                "handing a loop to all threads: {:.2} µs awake, {:.1} asleep",
                meet(&pool, 0),
                meet(&pool, 1)
            );
            let [spans, counter, lock] = taking(&pool);
            println!(
                "an index of a loop: {spans:.1} ns by spans, {counter:.1} by one counter, {lock:.1} by a lock"
            );
        }
        for format in Format::all().filter(|format| format.is_supported()) {
            if names.is_empty() || names.iter().any(|name| name == format.name()) {
                measure(format, &pool);
            }
        }
    }
}

fn measure(format: Format, pool: &Pool) {
    let row_bytes = format.row_bytes(COLS).unwrap_or_default();
    let rows = (256 << 20) / row_bytes;
    let inputs: Vec<f32> = (0..64 * COLS).map(|index| (index as f32 * 0.37).sin()).collect();

    let bytes = bytes(rows * row_bytes);
    let Ok(matrix) = Matrix::new(format, rows, COLS, bytes.clone()) else { return };
    let mut outputs = vec![0.0; rows];
    let one = best(9, pool, || matrix.multiply(pool, &inputs[..COLS], &mut outputs));

    let Some(part) = bytes.slice(0..2048 * row_bytes) else { return };
    let Ok(few) = Matrix::new(format, 2048, COLS, part) else { return };
    let mut outputs = vec![0.0; 64 * 2048];
    let many = best(9, pool, || few.multiply(pool, &inputs, &mut outputs));
    let again = best(25, pool, || few.multiply(pool, &inputs[..COLS], &mut outputs[..2048]));

    println!(
        "{:8} 1 row {:6.2} GB/s ({:6.2} from a cache), 64 rows {:7.1} Gop/s",
        format.name(),
        (rows * row_bytes) as f64 / one / 1e9,
        (2048 * row_bytes) as f64 / again / 1e9,
        2.0 * 64.0 * 2048.0 * COLS as f64 / many / 1e9,
    );
}

/// The shortest time, in microseconds, from the call of a loop that ends when all threads are in it to its end, some
/// milliseconds after the last loop.
fn meet(pool: &Pool, milliseconds: u64) -> f64 {
    let mut shortest = f64::INFINITY;
    for _ in 0..if milliseconds > 0 { 300 } else { 5_000 } {
        if milliseconds > 0 {
            std::thread::sleep(Duration::from_millis(milliseconds));
        }
        let here = AtomicU64::new(0);
        let start = Instant::now();
        pool.run(pool.threads(), |_| {
            here.fetch_add(1, Ordering::SeqCst);
            while here.load(Ordering::SeqCst) < pool.threads() as u64 {
                std::hint::spin_loop();
            }
        });
        shortest = shortest.min(start.elapsed().as_secs_f64() * 1e6);
    }
    shortest
}

/// Nanoseconds for each of a million indexes with next to nothing to do, where all threads take them: by the pool itself, by a
/// counter that all share, and by a number under a lock.
fn taking(pool: &Pool) -> [f64; 3] {
    const INDEXES: usize = 1_000_000;
    let work = |index: usize| {
        std::hint::black_box(index);
    };
    let spans = best(9, pool, || pool.run(INDEXES, work));
    let counter = best(9, pool, || {
        let next = AtomicUsize::new(0);
        pool.run(pool.threads(), |_| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= INDEXES {
                    return;
                }
                work(index);
            }
        });
    });
    let lock = best(9, pool, || {
        let next = Mutex::new(0..INDEXES);
        pool.run(pool.threads(), |_| {
            loop {
                let index = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(index) = index else { return };
                work(index);
            }
        });
    });
    [spans, counter, lock].map(|seconds| seconds * 1e9 / INDEXES as f64)
}

/// Any bytes are numbers; these have no infinite scales.
fn bytes(len: usize) -> Bytes {
    Bytes::from(
        (0..len).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x3b).collect::<Vec<u8>>(),
    )
}

/// The shortest of some times: other programs only ever add to it. With one thread it is the processor's time where
/// Unix tells it, else the clock's.
fn best(times: usize, pool: &Pool, mut work: impl FnMut()) -> f64 {
    let mut shortest = f64::INFINITY;
    for _ in 0..times {
        let (start, start_worked) = (Instant::now(), worked());
        work();
        let passed = start.elapsed().as_secs_f64();
        let worked = worked().zip(start_worked).map(|(now, then)| now - then);
        shortest = shortest.min(if pool.threads() == 1 { worked.unwrap_or(passed) } else { passed });
    }
    shortest
}

/// Seconds that this thread has run.
fn worked() -> Option<f64> {
    #[cfg(unix)]
    let time = Some(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime))
        .map(|time| time.tv_sec as f64 + time.tv_nsec as f64 / 1e9);
    #[cfg(not(unix))]
    let time = None;
    time
}
