//! Loops shared between threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use athenaeum_kernels::Pool;

#[test]
fn every_index_is_called_once() {
    for threads in 0..=4 {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads.max(1));
        for round in 0..2_000 {
            let count = round % 37;
            let mut called = vec![0_usize; count];
            pool.for_chunks_mut(&mut called, 1, |index, cell| cell[0] += index + 1);
            assert!(
                called.iter().enumerate().all(|(index, cell)| *cell == index + 1),
                "{threads} threads: {called:?}"
            );
        }
    }
}

#[test]
fn pieces_cover_all_and_the_last_may_be_shorter() {
    let pool = Pool::new(3);
    let mut out = vec![0; 103];
    pool.for_chunks_mut(&mut out, 10, |index, piece| piece.fill(index * 100 + piece.len()));
    assert_eq!(out[99], 910);
    assert_eq!(out[100..], [1003; 3]);
    pool.for_chunks_mut(&mut [0_u8; 0], 10, |_, _| unreachable!("there is no piece"));
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    let pool = Pool::new(3);
    for _ in 0..50 {
        let thrown = catch_unwind(AssertUnwindSafe(|| {
            pool.run(100, |index| assert!(index != 17, "seventeen"));
        }));
        let payload = thrown.unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"seventeen"));
    }
    let sum = AtomicUsize::new(0);
    pool.run(100, |index| {
        sum.fetch_add(index, Ordering::Relaxed);
    });
    assert_eq!(sum.into_inner(), 4950);
}

#[test]
fn loops_in_loops_and_from_many_threads_end() {
    let pool = Pool::new(3);
    let sum = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    pool.run(8, |_| {
                        pool.run(4, |_| {
                            sum.fetch_add(1, Ordering::Relaxed);
                        });
                    });
                }
            });
        }
    });
    assert_eq!(sum.into_inner(), 4 * 100 * 8 * 4);
}
