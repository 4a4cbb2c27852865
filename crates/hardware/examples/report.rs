//! Prints what is known of this machine and what is proposed for it.
//!
//! ```text
//! cargo run -p athenaeum-hardware --example report
//! ```

use athenaeum_hardware::{Backends, Overrides, probe, propose};

#[expect(clippy::print_stdout, reason = "an example shows what it found")]
fn main() {
    let begun = std::time::Instant::now();
    let report = probe();
    let took = begun.elapsed();
    println!("{report:#?}");
    println!(
        "{:#?}",
        propose(&report, &Overrides::default(), Backends { cuda: true, metal: true, candle: true })
    );
    println!("looking took {took:?}");
}
