//! The working calendar: weekends, holidays and the weekend days that are worked instead (调休), as data by year.
//!
//! The State Council announces each year by itself. A day outside of the years that were entered is *unknown*: no due day
//! is guessed from it.

use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::Day;

/// The years that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calendar {
    /// One entry a year, as it was announced. Days of other years are unknown, and clocks that reach them say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["year"]))]
    pub years: Vec<CalendarYear>,
}

/// One year as it was announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarYear {
    /// The year.
    #[schemars(range(min = 2000, max = 2100))]
    pub year: i16,
    /// Where it is announced (document number).
    #[schemars(length(min = 1, max = 256))]
    pub source: String,
    /// Days off, weekends among them or not.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub holidays: Vec<Day>,
    /// Saturdays and Sundays that are worked (调休).
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub workdays: Vec<Day>,
}

/// A day of which nobody has said whether it is worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "whether {0} is a working day is unknown: its year is not in the calendar of the GovernanceProfile"
)]
pub struct UnknownDay(pub Day);

/// The day of an instant, in UTC+8 (China has one time zone and no summer time).
#[must_use]
pub fn day_of(instant: Timestamp) -> Day {
    Day(Offset::constant(8).to_datetime(instant).date())
}

/// The day so many days later (or earlier).
#[must_use]
pub fn days_after(day: Day, days: i32) -> Day {
    Day(day.0.saturating_add(days.days()))
}

impl Calendar {
    /// Whether a day is worked.
    ///
    /// # Errors
    /// [`UnknownDay`] where its year was not entered.
    pub fn is_working(&self, day: Day) -> Result<bool, UnknownDay> {
        let year = self.years.iter().find(|y| y.year == day.0.year());
        let year = year.ok_or(UnknownDay(day))?;
        let weekend = matches!(day.0.weekday(), Weekday::Saturday | Weekday::Sunday);
        Ok(year.workdays.contains(&day) || (!weekend && !year.holidays.contains(&day)))
    }

    /// The working days after `from` up to and with `to`: what is received on a day is due so many working days after it.
    ///
    /// # Errors
    /// [`UnknownDay`] where a day between them is unknown.
    pub fn working_days(&self, from: Day, to: Day) -> Result<u32, UnknownDay> {
        let mut count = 0;
        let mut day = from.0;
        while day < to.0 {
            day = next(day);
            count += u32::from(self.is_working(Day(day))?);
        }
        Ok(count)
    }

    /// The day so many working days after `from`.
    ///
    /// # Errors
    /// [`UnknownDay`] where it cannot be told.
    pub fn due(&self, from: Day, working_days: u32) -> Result<Day, UnknownDay> {
        let mut day = from.0;
        let mut left = working_days;
        while left > 0 {
            day = next(day);
            left -= u32::from(self.is_working(Day(day))?);
        }
        Ok(Day(day))
    }
}

fn next(day: Date) -> Date {
    day.saturating_add(1.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        Day(text.parse().unwrap())
    }

    /// National Day 2026 with its two 调休 days.
    fn calendar() -> Calendar {
        let days = |list: &[&str]| list.iter().map(|d| day(d)).collect();
        Calendar {
            years: vec![CalendarYear {
                year: 2026,
                source: "test".into(),
                holidays: days(&[
                    "2026-10-01",
                    "2026-10-02",
                    "2026-10-05",
                    "2026-10-06",
                    "2026-10-07",
                ]),
                workdays: days(&["2026-09-20", "2026-10-10"]),
            }],
        }
    }

    #[test]
    fn holidays_are_off_and_the_saturday_worked_instead_counts() {
        let calendar = calendar();
        assert_eq!(calendar.due(day("2026-09-30"), 3), Ok(day("2026-10-10")));
        assert_eq!(
            calendar.working_days(day("2026-09-30"), day("2026-10-10")),
            Ok(3)
        );
        assert_eq!(calendar.is_working(day("2026-10-11")), Ok(false));
    }

    #[test]
    fn a_day_outside_the_known_years_is_unknown_and_said_so() {
        let unknown = UnknownDay(day("2027-01-01"));
        assert_eq!(calendar().due(day("2026-12-30"), 3), Err(unknown));
        assert_eq!(
            calendar().working_days(day("2026-12-30"), day("2027-01-03")),
            Err(unknown)
        );
        assert!(unknown.to_string().contains("2027-01-01"));
    }

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        assert_eq!(
            day_of("2026-11-22T15:59:59Z".parse().unwrap()),
            day("2026-11-22")
        );
        assert_eq!(
            day_of("2026-11-22T16:00:00Z".parse().unwrap()),
            day("2026-11-23")
        );
    }

    proptest! {
        #[test]
        fn due_and_count_are_inverse(start in 0..200_i32, days in 0..30_u32) {
            let from = days_after(day("2026-01-05"), start);
            let due = calendar().due(from, days).unwrap();
            prop_assert_eq!(calendar().working_days(from, due), Ok(days));
            prop_assert!(days == 0 || calendar().is_working(due).unwrap());
        }
    }
}
