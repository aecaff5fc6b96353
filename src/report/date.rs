//! The time of day, as a report's foot says it.

use chrono::{DateTime, Utc};

/// Now, as `2026-11-24 15:14 UTC`.
pub(super) fn now() -> String {
    text(Utc::now())
}

fn text(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(unix_s: i64) -> String {
        text(DateTime::from_timestamp(unix_s, 0).expect("within the calendar"))
    }

    /// Year, month and day, `days` after 1970-01-01.
    fn civil(days: i64) -> (u64, u64, u64) {
        let text = text_of(days * 86_400);
        let numbers: Vec<u64> = text[..10].split('-').map(|part| part.parse().expect("a number")).collect();
        (numbers[0], numbers[1], numbers[2])
    }

    #[test]
    fn days_of_known_dates_are_found() {
        for (unix_s, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_799, "2000-02-29 23:59 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"), // 2100 has no leap day
        ] {
            assert_eq!(text_of(unix_s), expected);
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut last = civil(0);
        for day in 1..=146_097 {
            let (year, month, date) = civil(day);
            let next_day = (year, month, date - 1) == last && date > 1;
            let next_month = date == 1 && (year, month - 1) == (last.0, last.1) && last.2 >= 28;
            let next_year = (year, month, date) == (last.0 + 1, 1, 1) && (last.1, last.2) == (12, 31);
            assert!(next_day || next_month || next_year, "{last:?}, then {year}-{month}-{date}");
            last = (year, month, date);
        }
        assert_eq!(last, (2370, 1, 1));
    }
}
