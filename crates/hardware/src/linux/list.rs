/// Reads a list of processors or nodes as the kernel writes them, `0-3,8,10-11`, into ascending numbers. Empty text
/// is an empty list; `None` where it is not such a list, or names more than any machine has.
pub(crate) fn parse(text: &str) -> Option<Vec<u32>> {
    let text = text.trim();
    let mut numbers = Vec::new();
    if text.is_empty() {
        return Some(numbers);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        numbers.extend(first..=last);
        if numbers.len() > NUMBER_MAX as usize {
            return None;
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number < NUMBER_MAX)
}

/// Linux is built for at most 8,192 processors (`NR_CPUS` in `arch/x86/Kconfig`); there is room above.
const NUMBER_MAX: u32 = 65_536;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists() {
        let check =
            |text: &str, expected: Option<&[u32]>| assert_eq!(parse(text).as_deref(), expected, "{text:?}");
        check("0-3\n", Some(&[0, 1, 2, 3]));
        check("0", Some(&[0]));
        check("0,2,4-5", Some(&[0, 2, 4, 5]));
        check("4-5,0", Some(&[0, 4, 5]));
        check("1-2,2-3", Some(&[1, 2, 3]));
        check("\n", Some(&[]));
        check("3-1", None);
        check("0-", None);
        check("+1", None);
        check("0-4294967295", None);
        check("0-65535,0-65535", None);
        check("a", None);
        check("0,,1", None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_not(text in "[0-9,\\- a\n]{0,40}", anything in any::<String>()) {
            for text in [text, anything] {
                if let Some(numbers) = parse(&text) {
                    prop_assert!(numbers.is_sorted() && numbers.len() <= NUMBER_MAX as usize);
                }
            }
        }

        #[test]
        fn what_is_written_is_read(numbers in prop::collection::btree_set(0u32..300, 0..40)) {
            let text: Vec<String> = numbers.iter().map(u32::to_string).collect();
            prop_assert_eq!(parse(&text.join(",")), Some(numbers.into_iter().collect::<Vec<_>>()));
        }
    }
}
