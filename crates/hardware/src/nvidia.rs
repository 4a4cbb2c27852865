use std::{path::Path, time::Duration};

use crate::{
    bounded,
    gap::Gap,
    report::{Gpu, Vendor},
};

/// Asks NVIDIA's own program, which comes with the driver. A process of its own can be ended when the driver hangs;
/// a library in this process could not.
pub(crate) fn ask(program: &Path, time: Duration) -> Result<Vec<Gpu>, Gap> {
    let said = bounded::run(program, &ARGUMENTS, time, OUTPUT_BYTES_MAX)?;
    said.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            parse(line).ok_or_else(|| Gap::Answer {
                program: program.display().to_string(),
                line: line.chars().take(100).collect(),
            })
        })
        .collect()
}

/// Reads one line of the answer: index, memory in MiB, free memory, driver, compute capability and, last because it
/// may hold commas, the name. A field that the driver does not know stands in brackets: `[N/A]`.
fn parse(line: &str) -> Option<Gpu> {
    let mut fields = line.splitn(6, ',').map(str::trim);
    let index = fields.next()?.parse().ok()?;
    let mut next = || fields.next().map(|field| Some(field).filter(|field| !is_unknown(field)));
    let mebibytes =
        |field: Option<&str>| field.and_then(|field| field.parse::<u64>().ok()?.checked_mul(1 << 20));
    let (total, free, driver, target, name) = (next()?, next()?, next()?, next()?, next()?);
    Some(Gpu {
        vendor: Vendor::Nvidia,
        index,
        name: name.map(str::to_owned),
        memory_bytes: mebibytes(total),
        memory_free_bytes: mebibytes(free),
        driver: driver.map(str::to_owned),
        target: target.map(str::to_owned),
    })
}

fn is_unknown(field: &str) -> bool {
    field.is_empty() || field.starts_with('[') || field == "N/A"
}

/// The fields are named in `nvidia-smi --help-query-gpu`.
const ARGUMENTS: [&str; 2] = [
    "--query-gpu=index,memory.total,memory.free,driver_version,compute_cap,name",
    "--format=csv,noheader,nounits",
];

/// 64 KiB: a line has about a hundred bytes.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines() {
        let check = |line: &str, expected: &str| {
            let shown = parse(line).map_or("-".to_owned(), |gpu| {
                let Gpu { index, name, memory_bytes, memory_free_bytes, driver, target, .. } = gpu;
                let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes >> 20);
                format!(
                    "{index} {name:?} {:?} {:?} {driver:?} {target:?}",
                    mib(memory_bytes),
                    mib(memory_free_bytes)
                )
            });
            assert_eq!(shown, expected, "{line}");
        };
        check(
            "0, 24576, 24000, 550.54.14, 8.9, NVIDIA GeForce RTX 4090",
            r#"0 Some("NVIDIA GeForce RTX 4090") Some(24576) Some(24000) Some("550.54.14") Some("8.9")"#,
        );
        check(
            "1, [N/A], [N/A], 570.1, 12.1, GB10, of a kind",
            r#"1 Some("GB10, of a kind") None None Some("570.1") Some("12.1")"#,
        );
        check("1, 99999999999999999999, 5, , [Not Supported], x", r#"1 Some("x") None Some(5) None None"#);
        check("No devices were found", "-");
        check("0, 1, 2", "-");
        check("-1, 1, 1, 1, 1, x", "-");
        check("", "-");
    }

    proptest! {
        #[test]
        fn no_line_breaks_it(line in any::<String>(), fields in "[0-9]{1,30}(, [\\[\\]0-9A-Za-z.]{0,30}){0,8}") {
            let _ = (parse(&line), parse(&fields));
        }
    }
}
