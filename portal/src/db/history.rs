//! Figures over time. A sample goes at once into a point of five minutes, of an hour and of a day; fine points are kept
//! for days, coarse ones for years, so a trend of any length is a few hundred points.

use std::time::Duration;

use sqlx::{AnyConnection, Row as _};

use super::{DbError, statements};

statements! {
    ADD = "INSERT INTO history (series, grain, at, samples, total, low, high) VALUES ($1, $2, $3, 1, $4, $4, $4) \
        ON CONFLICT (series, grain, at) DO UPDATE SET samples = history.samples + 1, \
        total = history.total + excluded.total, \
        low = CASE WHEN excluded.low < history.low THEN excluded.low ELSE history.low END, \
        high = CASE WHEN excluded.high > history.high THEN excluded.high ELSE history.high END";
    POINTS = "SELECT at, samples, total, low, high FROM history \
        WHERE series = $1 AND grain = $2 AND at >= $3 ORDER BY at LIMIT 2000";
    SWEEP = "DELETE FROM history WHERE grain = $1 AND at < $2";
}

/// How long a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grain {
    /// Five minutes; kept for two days.
    Fine,
    /// An hour; kept for sixty days.
    Hour,
    /// A day; kept for ten years.
    Day,
}

impl Grain {
    /// Every grain.
    pub const ALL: [Self; 3] = [Self::Fine, Self::Hour, Self::Day];

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Fine => 300,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// How long its points are kept.
    #[must_use]
    pub const fn kept(self) -> Duration {
        match self {
            Self::Fine => Duration::from_hours(48),
            Self::Hour => Duration::from_hours(60 * 24),
            Self::Day => Duration::from_hours(3_653 * 24),
        }
    }

    /// The finest grain whose points reach back so far.
    #[must_use]
    pub fn for_span(span: Duration) -> Self {
        let reaching = Self::ALL.into_iter().find(|grain| span <= grain.kept());
        reaching.unwrap_or(Self::Day)
    }

    /// The beginning of the stretch of a moment, in microseconds. Days begin in UTC.
    #[must_use]
    pub const fn begin(self, at: i64) -> i64 {
        let length = self.seconds() * 1_000_000;
        at - at.rem_euclid(length)
    }
}

/// A point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When its stretch begins, in microseconds.
    pub at: i64,
    /// The mean of its samples.
    pub mean: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// Adds a sample of each series.
///
/// # Errors
/// The database fails.
pub async fn add(
    connection: &mut AnyConnection,
    samples: &[(String, f64)],
    now: i64,
) -> Result<(), DbError> {
    for (series, value) in samples.iter().filter(|(_, value)| value.is_finite()) {
        for grain in Grain::ALL {
            sqlx::query(ADD)
                .bind(series.as_str())
                .bind(grain.seconds())
                .bind(grain.begin(now))
                .bind(*value)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// The points of a series since a moment, oldest first. Stretches without samples have no point: nothing is made up.
///
/// # Errors
/// The database fails.
pub async fn points(
    connection: &mut AnyConnection,
    series: &str,
    grain: Grain,
    since: i64,
) -> Result<Vec<Point>, DbError> {
    let query = sqlx::query(POINTS)
        .bind(series)
        .bind(grain.seconds())
        .bind(grain.begin(since));
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
            let samples = row.try_get::<i64, _>(1)?.max(1) as f64;
            Ok(Point {
                at: row.try_get(0)?,
                mean: row.try_get::<f64, _>(2)? / samples,
                low: row.try_get(3)?,
                high: row.try_get(4)?,
            })
        })
        .collect()
}

/// Removes points that are older than their grain is kept.
///
/// # Errors
/// The database fails.
pub async fn sweep(connection: &mut AnyConnection, now: i64) -> Result<u64, DbError> {
    let mut swept = 0;
    for grain in Grain::ALL {
        let kept = i64::try_from(grain.kept().as_micros()).unwrap_or(i64::MAX);
        let query = sqlx::query(SWEEP)
            .bind(grain.seconds())
            .bind(now.saturating_sub(kept));
        swept += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_takes_the_finest_points_that_reach_back_so_far() {
        assert_eq!(Grain::for_span(Duration::from_hours(24)), Grain::Fine);
        assert_eq!(Grain::for_span(Duration::from_hours(24 * 30)), Grain::Hour);
        assert_eq!(Grain::for_span(Duration::from_hours(24 * 365)), Grain::Day);
        assert_eq!(Grain::Hour.begin(3_600_000_001), 3_600_000_000);
        assert_eq!(Grain::Hour.begin(-1), -3_600_000_000);
    }
}
