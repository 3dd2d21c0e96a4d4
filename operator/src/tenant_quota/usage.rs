//! What is remembered of a grant's use, bounded: the highest of seven days, since when it rests, since when it is idle.
//!
//! Only days on which use changed have an entry: what does not change costs no write (design §11).

use crds::ResourceList;
use crds::calendar::days_after;
use crds::tenant_quota::{DayPeak, TenantQuotaStatus};
use crds::words::Day;

/// Days that a peak counts, today among them.
const DAYS: i32 = 7;

/// Brings what is remembered up to date with what is seen. `before` is the stored status.
pub(super) fn remember(status: &mut TenantQuotaStatus, before: &TenantQuotaStatus, today: Day) {
    if status.admitted != before.admitted || status.unchanged_since.is_none() {
        status.unchanged_since = (!status.admitted.is_empty()).then_some(today);
    }
    let Some(used) = status.used.clone() else {
        status.idle_since = None;
        return;
    };
    let first = days_after(today, 1 - DAYS);
    status
        .peaks
        .retain(|peak| peak.day >= first && peak.day <= today);
    if before.used.as_ref() != Some(&used) {
        // What was in use until now was so today as well.
        let earlier = before.used.clone().unwrap_or_default();
        let highest = used.max(&earlier.in_names_of(&used));
        match status.peaks.last_mut().filter(|peak| peak.day == today) {
            Some(peak) => peak.used = peak.used.max(&highest),
            // Nothing in use is no peak.
            None if highest.is_zero() => {}
            None => status.peaks.push(DayPeak {
                day: today,
                used: highest,
            }),
        }
    }
    let peak = status.peaks.iter().map(|peak| &peak.used);
    let peak = peak.fold(used.clone(), |high, peak| high.max(peak));
    status.peak_7d = Some(peak.in_names_of(&used));
    status.idle_since = idle(&used).then(|| status.idle_since.unwrap_or(today));
}

fn idle(used: &ResourceList) -> bool {
    used.is_zero()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::Quantity;

    fn day(offset: i32) -> Day {
        days_after(Day("2026-11-02".parse().unwrap()), offset)
    }

    fn cpu(units: i64) -> ResourceList {
        [("requests.cpu", Quantity::units(units))].into()
    }

    /// A status that saw these uses, each on its day.
    fn after(uses: &[(i32, i64)]) -> TenantQuotaStatus {
        let mut status = TenantQuotaStatus {
            admitted: cpu(9),
            ..TenantQuotaStatus::default()
        };
        for (offset, units) in uses {
            let before = status.clone();
            status.used = Some(cpu(*units));
            remember(&mut status, &before, day(*offset));
        }
        status
    }

    fn peak(status: &TenantQuotaStatus) -> Quantity {
        status.peak_7d.as_ref().unwrap().of("requests.cpu")
    }

    #[test]
    fn the_peak_is_the_highest_of_seven_days_and_what_lasted_counts_on_each() {
        assert_eq!(peak(&after(&[(0, 4), (0, 8), (0, 2)])), Quantity::units(8));
        assert_eq!(peak(&after(&[(0, 8), (0, 2), (6, 3)])), Quantity::units(8));
        assert_eq!(peak(&after(&[(0, 8), (0, 2), (7, 3)])), Quantity::units(3));
        // Eight from the first day to the ninth, and then two.
        assert_eq!(peak(&after(&[(0, 8), (8, 2)])), Quantity::units(8));
        assert_eq!(peak(&after(&[(0, 8), (8, 2), (15, 2)])), Quantity::units(2));
    }

    #[test]
    fn it_is_bounded_and_what_does_not_change_is_no_news() {
        let busy: Vec<_> = (0..60).map(|i| (i, i64::from(i % 9))).collect();
        assert!(after(&busy).peaks.len() <= 7);
        let status = after(&[(0, 4)]);
        let mut again = status.clone();
        remember(&mut again, &status, day(0));
        assert_eq!(again, status);
        remember(&mut again, &status, day(3));
        assert_eq!(again, status, "three days later nothing has changed");
    }

    #[test]
    fn it_says_since_when_it_rests_and_is_idle() {
        let status = after(&[(0, 0), (3, 0)]);
        assert_eq!(status.unchanged_since, Some(day(0)));
        assert_eq!(status.idle_since, Some(day(0)));
        assert_eq!(after(&[(0, 0), (3, 1)]).idle_since, None);
        let mut changed = status.clone();
        changed.admitted = cpu(5);
        changed.used = None;
        remember(&mut changed, &status, day(4));
        assert_eq!(
            (changed.unchanged_since, changed.idle_since),
            (Some(day(4)), None)
        );
    }
}
