//! The working days of a stage: what it may take, what it has taken, how much was paused.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, UnknownDay, day_of};
use crate::words::Day;

/// The clock of the stage that decides now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    /// Working days that the stage may take.
    pub working_days: u16,
    /// Working days that it has taken, pauses not counted. Absent while the calendar does not know them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u32>,
    /// Working days that are left; below zero where it is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<i64>,
    /// The last day. Absent while it is paused or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Day>,
    /// Since when it pauses for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
    /// The first day of which nobody has said whether it is worked: nothing is reckoned beyond it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_day: Option<Day>,
}

/// A pause: from a return to its answer, or still going on.
pub type Pause = (Timestamp, Option<Timestamp>);

/// Reckons a stage's clock.
#[must_use]
pub fn reckon(
    calendar: &Calendar,
    working_days: u16,
    since: Timestamp,
    pauses: &[Pause],
    now: Timestamp,
) -> Clock {
    let paused_since = pauses.iter().find(|p| p.1.is_none()).map(|p| p.0);
    let clock = Clock {
        working_days,
        paused: paused_since,
        ..Clock::default()
    };
    let spent = |until: Timestamp| -> Result<(u32, u32), UnknownDay> {
        let mut away = 0;
        for (from, to) in pauses {
            away += calendar.working_days(day_of(*from), day_of(to.unwrap_or(until)))?;
        }
        let all = calendar.working_days(day_of(since), day_of(until))?;
        Ok((all.saturating_sub(away), away))
    };
    let (used, away) = match spent(paused_since.unwrap_or(now)) {
        Ok(spent) => spent,
        Err(UnknownDay(day)) => {
            return Clock {
                unknown_day: Some(day),
                ..clock
            };
        }
    };
    let clock = Clock {
        used: Some(used),
        left: Some(i64::from(working_days) - i64::from(used)),
        ..clock
    };
    if paused_since.is_some() {
        return clock;
    }
    match calendar.due(day_of(since), u32::from(working_days) + away) {
        Ok(due) => Clock {
            due: Some(due),
            ..clock
        },
        Err(UnknownDay(day)) => Clock {
            unknown_day: Some(day),
            ..clock
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::calendar_2026;
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(text: &str) -> Day {
        Day(text.parse().unwrap())
    }

    #[test]
    fn a_holiday_with_its_worked_saturday_moves_the_due_day() {
        let clock = reckon(
            &calendar_2026(),
            3,
            at("2026-09-30T02:00:00Z"),
            &[],
            at("2026-10-08T02:00:00Z"),
        );
        assert_eq!(
            (clock.used, clock.left, clock.due),
            (Some(1), Some(2), Some(day("2026-10-10")))
        );
    }

    #[test]
    fn a_return_pauses_it_and_the_days_away_are_given_back() {
        let since = at("2026-11-02T02:00:00Z");
        let open = [(at("2026-11-03T02:00:00Z"), None)];
        let paused = reckon(
            &calendar_2026(),
            3,
            since,
            &open,
            at("2026-11-20T02:00:00Z"),
        );
        assert_eq!(
            (paused.used, paused.left, paused.due),
            (Some(1), Some(2), None)
        );
        let closed = [(at("2026-11-03T02:00:00Z"), Some(at("2026-11-10T02:00:00Z")))];
        let goes_on = reckon(
            &calendar_2026(),
            3,
            since,
            &closed,
            at("2026-11-11T02:00:00Z"),
        );
        assert_eq!(
            (goes_on.used, goes_on.left, goes_on.due),
            (Some(2), Some(1), Some(day("2026-11-12")))
        );
    }

    #[test]
    fn overdue_is_below_zero_and_a_year_nobody_entered_is_unknown() {
        let late = reckon(
            &calendar_2026(),
            1,
            at("2026-11-02T02:00:00Z"),
            &[],
            at("2026-11-06T02:00:00Z"),
        );
        assert_eq!(late.left, Some(-3));
        let over = reckon(
            &calendar_2026(),
            5,
            at("2026-12-30T02:00:00Z"),
            &[],
            at("2026-12-31T02:00:00Z"),
        );
        assert_eq!(
            (over.used, over.due, over.unknown_day),
            (Some(1), None, Some(day("2027-01-01")))
        );
    }
}
