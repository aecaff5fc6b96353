//! Natural order of names: `track2` before `track10`.

use std::cmp::Ordering;

/// Compares two names as people number files: runs of ASCII digits as whole numbers of any length, the rest by code
/// point (so upper case comes first), and a number before any text.
///
/// Names that differ only in leading zeros are ordered by code point, so that the order never depends on the disk's.
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        // Each turn compares one (text, number) pair; either may be empty at the ends.
        let (text_a, rest_a) = take(left, false);
        let (text_b, rest_b) = take(right, false);
        let (digits_a, next_a) = take(rest_a, true);
        let (digits_b, next_b) = take(rest_b, true);
        match text_a.cmp(text_b).then_with(|| number(digits_a, digits_b)) {
            Ordering::Equal if next_a.is_empty() || next_b.is_empty() => {
                return next_a.len().cmp(&next_b.len()).then_with(|| a.cmp(b));
            }
            Ordering::Equal => (left, right) = (next_a, next_b),
            order => return order,
        }
    }
}

/// The longest prefix of digits, or of anything else, and what follows it.
fn take(text: &str, digits: bool) -> (&str, &str) {
    text.split_at(text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len()))
}

/// Compares two runs of digits by value; none comes before any.
fn number(a: &str, b: &str) -> Ordering {
    let (a_value, b_value) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    (!a.is_empty()).cmp(&!b.is_empty()).then(a_value.len().cmp(&b_value.len())).then_with(|| a_value.cmp(b_value))
}
