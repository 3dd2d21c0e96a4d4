//! Times as people read them: relative, the exact one beside it, in UTC+8.

use crds::words::Day;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

use crate::i18n::Lang;

/// China's time, in which every page is written.
const UTC_8: Offset = Offset::constant(8);

/// A moment, ready for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For machines.
    pub iso: String,
    /// Exactly, with its offset.
    pub exact: String,
    /// As one says it.
    pub words: String,
}

/// A moment as it is told `now`.
#[must_use]
pub fn moment(lang: Lang, at: Timestamp, now: Timestamp) -> Moment {
    let exact = at
        .to_zoned(TimeZone::fixed(UTC_8))
        .strftime("%Y-%m-%d %H:%M:%S UTC+8")
        .to_string();
    Moment {
        iso: at.to_string(),
        exact,
        words: relative(lang, now.as_second() - at.as_second()),
    }
}

/// `37 minutes ago`, `in 12 days`.
#[must_use]
pub fn relative(lang: Lang, seconds: i64) -> String {
    let (amount, unit) = span(seconds.unsigned_abs());
    let key = if seconds >= 0 {
        format!("ago.{unit}")
    } else {
        format!("ahead.{unit}")
    };
    lang.say(&key, &[("n", &amount.to_string())])
}

/// `37 minutes`: a length without a direction.
#[must_use]
pub fn length(lang: Lang, seconds: i64) -> String {
    let (amount, unit) = span(seconds.unsigned_abs());
    lang.say(&format!("length.{unit}"), &[("n", &amount.to_string())])
}

const fn span(seconds: u64) -> (u64, &'static str) {
    match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    }
}

/// The day in China.
#[must_use]
pub fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::fixed(UTC_8)).date()
}

/// Days from `today` until a day; negative once it is past.
#[must_use]
pub fn days_until(day: Day, today: Date) -> i64 {
    (day.0 - today).get_days().into()
}

/// The exact time without its seconds, for sentences.
#[must_use]
pub fn in_a_sentence(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(UTC_8))
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_unit_that_people_use() {
        assert_eq!(relative(Lang::En, 12), "12 seconds ago");
        assert_eq!(relative(Lang::En, 60), "1 minute ago");
        assert_eq!(relative(Lang::En, 37 * 60), "37 minutes ago");
        assert_eq!(relative(Lang::En, 30 * 3600), "30 hours ago");
        assert_eq!(relative(Lang::En, -3 * 86_400), "in 3 days");
    }

    #[test]
    fn a_day_ends_at_midnight_in_china() {
        let late: Timestamp = "2026-11-21T17:00:00Z".parse().unwrap();
        assert_eq!(today(late).to_string(), "2026-11-22");
        assert_eq!(
            days_until(Day("2026-11-30".parse().unwrap()), today(late)),
            8
        );
        assert_eq!(
            days_until(Day("2026-11-07".parse().unwrap()), today(late)),
            -15
        );
    }
}
