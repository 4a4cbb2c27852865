mod spans;

use std::{
    any::Any,
    cell::UnsafeCell,
    fmt,
    hint::spin_loop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use spans::Spans;

/// How long a thread looks for the next job before it goes to sleep: somewhat longer than a decoder pauses between
/// two matrices, and much shorter than anybody notices.
const PATIENCE: Duration = Duration::from_micros(60);

/// Threads that share loops; the one that asks works with them.
///
/// A decoder runs some hundred short loops for each token, so handing one out costs about a microsecond while the
/// threads are awake. They stay awake for 60 µs after a loop and then sleep until the next, so an idle pool costs
/// nothing. Each begins with neighbouring indexes of its own and, when it is done, takes of those of others.
///
/// Loops do not wait for each other: where the pool is already at work, for another thread or for a loop that runs a
/// loop inside, the new loop runs on the thread that asks, alone.
pub struct Pool {
    shared: Arc<Shared>,
    sleepers: Vec<Arc<Sleeper>>,
    workers: Vec<JoinHandle<()>>,
    busy: Mutex<()>,
}

impl Pool {
    /// Starts a pool of so many threads, of which the caller of [`run`](Self::run) is one; 0 is taken for 1. Where
    /// the system refuses threads, the pool has fewer.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::new(threads));
        let (mut sleepers, mut workers) = (Vec::new(), Vec::new());
        for index in 1..threads {
            let sleeper = Arc::new(Sleeper::default());
            let (at_work, bed) = (Arc::clone(&shared), Arc::clone(&sleeper));
            let Ok(worker) = thread::Builder::new()
                .name(format!("kernels-{index}"))
                .spawn(move || at_work.serve(index, &bed))
            else {
                break;
            };
            *lock(&sleeper.thread) = Some(worker.thread().clone());
            sleepers.push(sleeper);
            workers.push(worker);
        }
        Self { shared, sleepers, workers, busy: Mutex::new(()) }
    }

    /// Returns how many threads work on a loop, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work` once for every index below `count`, in no order, and returns when all calls have returned.
    ///
    /// # Panics
    /// Where a call panics; calls that have not begun by then are left out.
    pub fn run<F: Fn(usize) + Sync>(&self, count: usize, work: F) {
        let held = if count > 1 && !self.workers.is_empty() { self.busy.try_lock().ok() } else { None };
        let (Some(held), Ok(indexes)) = (held, u32::try_from(count)) else {
            (0..count).for_each(work);
            return;
        };
        let panic = self.share(indexes, &work);
        drop(held);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }

    /// Calls `work` for every piece of `chunk_len` elements of `out` (the last may be shorter), with the piece's index.
    ///
    /// # Panics
    /// Where a call panics, or `chunk_len` is 0.
    pub fn for_chunks_mut<T: Send, F: Fn(usize, &mut [T]) + Sync>(
        &self,
        out: &mut [T],
        chunk_len: usize,
        work: F,
    ) {
        assert!(chunk_len > 0, "chunks must have a length");
        let len = out.len();
        let start = Pointer(out.as_mut_ptr());
        self.run(len.div_ceil(chunk_len), |index| {
            let from = index * chunk_len;
            // SAFETY: `run` calls every index once, so the pieces are disjoint; `from` lies within `out`, the piece ends
            // no later than `out` does, and `out` is borrowed for as long as `run` works.
            let piece =
                unsafe { std::slice::from_raw_parts_mut(start.get().add(from), chunk_len.min(len - from)) };
            work(index, piece);
        });
    }

    fn share(&self, count: u32, work: &(dyn Fn(usize) + Sync)) -> Option<Box<dyn Any + Send>> {
        // SAFETY: only the lifetime changes. The reference is used by threads that entered the job, and `Shared::close`
        // below returns after the last of them has left.
        let work =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work) };
        self.shared.open(Job { work }, count);
        for sleeper in &self.sleepers {
            sleeper.wake();
        }
        self.shared.work(Job { work }, 0);
        self.shared.close();
        lock(&self.shared.panic).take()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for sleeper in &self.sleepers {
            sleeper.wake();
        }
        for worker in self.workers.drain(..) {
            // A worker catches what its jobs throw; there is nothing left to hear from it.
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} threads)", self.threads())
    }
}

/// A pointer that threads may share; whoever uses it says why no two touch the same element.
pub(crate) struct Pointer<T>(pub(crate) *mut T);

impl<T> Pointer<T> {
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: the pointer is used for elements of a slice that the sharing thread has borrowed mutably, each by one thread.
unsafe impl<T: Send> Sync for Pointer<T> {}

#[derive(Clone, Copy)]
struct Job {
    work: &'static (dyn Fn(usize) + Sync),
}

/// The job at hand, and who is in it.
///
/// `state` holds the job's number (upper 32 bits), whether it is open (bit 31), and how many workers are in it. A worker
/// enters by one exchange that sees the job open, so a closed job without workers is nobody's but the caller's.
struct Shared {
    state: AtomicU64,
    job: UnsafeCell<Option<Job>>,
    spans: Spans,
    /// A call panicked; what has not begun is left out.
    failed: AtomicBool,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    left: (Mutex<()>, Condvar),
}

// SAFETY: `job` is written while the job is closed and no worker is in it, by the one caller that holds `Pool::busy`,
// and read by workers that entered after it was opened; `state` orders the two. All other fields are `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; a `Job` is a reference to something `Sync`, and two numbers.
unsafe impl Send for Shared {}

const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;
const NUMBER: u64 = !(OPEN | INSIDE);
const NUMBER_ONE: u64 = 1 << 32;

impl Shared {
    fn new(threads: usize) -> Self {
        Self {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            spans: Spans::new(threads),
            failed: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
            left: (Mutex::new(()), Condvar::new()),
        }
    }

    fn open(&self, job: Job, count: u32) {
        let state = self.state.load(Ordering::Acquire);
        debug_assert_eq!(state & (OPEN | INSIDE), 0);
        // SAFETY: the last job was closed and left by all (`close`), and only the holder of `Pool::busy` opens one.
        unsafe { *self.job.get() = Some(job) };
        self.spans.deal(count);
        self.failed.store(false, Ordering::Relaxed);
        self.state.store((state & NUMBER).wrapping_add(NUMBER_ONE) | OPEN, Ordering::SeqCst);
    }

    /// Closes the job and waits until every worker has left it.
    fn close(&self) {
        self.state.fetch_and(!OPEN, Ordering::AcqRel);
        let inside = || self.state.load(Ordering::Acquire) & INSIDE != 0;
        if !spin_while(inside) {
            return;
        }
        let mut held = lock(&self.left.0);
        while inside() {
            held = self.left.1.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, job: Job, thread: usize) {
        while let Some(index) = self.spans.next(thread) {
            if self.failed.load(Ordering::Relaxed) {
                return;
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (job.work)(index as usize))) {
                self.failed.store(true, Ordering::Relaxed);
                lock(&self.panic).get_or_insert(payload);
            }
        }
    }

    fn serve(&self, thread: usize, bed: &Sleeper) {
        let mut seen = 0;
        while !self.stop.load(Ordering::Acquire) {
            let state = self.state.load(Ordering::Acquire);
            let is_new = |state: u64| state & OPEN != 0 && state & NUMBER != seen;
            if is_new(state) {
                if self.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
                {
                    seen = state & NUMBER;
                    // SAFETY: this worker is counted in `state`, so the job cannot be replaced until it leaves.
                    if let Some(job) = unsafe { *self.job.get() } {
                        self.work(job, thread);
                    }
                    self.leave();
                }
                continue;
            }
            let quiet = || !self.stop.load(Ordering::Relaxed) && !is_new(self.state.load(Ordering::Relaxed));
            if spin_while(quiet) {
                bed.sleep(|| !self.stop.load(Ordering::SeqCst) && !is_new(self.state.load(Ordering::SeqCst)));
            }
        }
    }

    fn leave(&self) {
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & (OPEN | INSIDE) == 1 {
            // The last one out of a closed job: its caller may be asleep.
            drop(lock(&self.left.0));
            self.left.1.notify_all();
        }
    }
}

/// Where one worker sleeps.
#[derive(Default)]
struct Sleeper {
    asleep: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Sleeper {
    /// Sleeps while `still` says so, asked again after the sleep is announced, so that no call is missed.
    fn sleep(&self, still: impl Fn() -> bool) {
        self.asleep.store(true, Ordering::SeqCst);
        while still() && self.asleep.load(Ordering::SeqCst) {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = lock(&self.thread).as_ref()
        {
            thread.unpark();
        }
    }
}

/// Waits while `condition` holds, at most for [`PATIENCE`]; tells whether it still holds.
fn spin_while(condition: impl Fn() -> bool) -> bool {
    let mut since = None;
    loop {
        for _ in 0..64 {
            if !condition() {
                return false;
            }
            spin_loop();
        }
        let since: Instant = *since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            return condition();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
