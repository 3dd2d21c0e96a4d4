//! What something costs a month, over time. What was approved at a price is charged at it until the catalog names another with
//! its first day: a price list that is changed does not change what is past. Pure.

use crds::cloud_product::Price;
use crds::money::Money;
use jiff::civil::Date;

/// Yuan a month, each from its first day on, in order; one without a first day holds since ever. None: it has no price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices(Vec<(Option<Date>, Money)>);

impl Prices {
    /// One price for all time, where there is one.
    #[must_use]
    pub fn flat(monthly: Option<Money>) -> Self {
        Self(monthly.map(|money| (None, money)).into_iter().collect())
    }

    /// So many pieces, of what was decided on and of what the catalog says now.
    #[must_use]
    pub fn of(decided: Option<&Price>, now: Option<&Price>, count: u32) -> Self {
        let entry = |price: &Price| (price.since.map(|day| day.0), price.monthly.times(count));
        let decided = decided.map(entry);
        let now = now.map(entry);
        // A newer price says from when it holds; one that does not is for what is asked for from now on.
        let newer = now.filter(|(since, _)| decided.is_none_or(|(then, _)| *since > then));
        Self(decided.into_iter().chain(newer).collect())
    }

    /// The price on a day.
    #[must_use]
    pub fn on(&self, day: Date) -> Option<Money> {
        let mut newest = self.0.iter().rev();
        newest
            .find(|(since, _)| since.is_none_or(|since| since <= day))
            .map(|(_, money)| *money)
    }

    /// What the days of one month cost, from the first to the last, both counted: by days, to the fen. No sum where a day of
    /// them has no price.
    #[must_use]
    pub fn charge(&self, first: Date, last: Date) -> Option<Money> {
        let whole = i64::from(first.last_of_month().day());
        let starts = self.0.iter().filter_map(|(since, _)| *since);
        let starts = starts.filter(|since| first < *since && *since <= last);
        // From one new price to the next it is the same every day.
        let (mut sum, mut from) = (0_i64, first);
        for next in starts.chain(last.tomorrow()) {
            let days = i64::from(next.since(from).ok()?.get_days());
            sum = sum.saturating_add(self.on(from)?.in_fen().saturating_mul(days));
            from = next;
        }
        Some(Money::fen((sum + whole / 2) / whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(monthly: &str, since: Option<&str>) -> Price {
        Price {
            monthly: monthly.parse().unwrap(),
            basis: None,
            since: since.map(|day| crds::words::Day(day.parse().unwrap())),
        }
    }

    fn november(prices: &Prices) -> Option<String> {
        let (first, last) = ("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
        prices.charge(first, last).map(|money| money.to_string())
    }

    #[test]
    fn a_newer_price_holds_from_its_first_day_and_changes_nothing_before() {
        let (old, new) = (price("30", None), price("60", Some("2026-11-21")));
        let both = Prices::of(Some(&old), Some(&new), 2);
        assert_eq!(
            november(&both).as_deref(),
            Some("80.00"),
            "20 days of 60, 10 of 120"
        );
        assert_eq!(both.on("2026-11-20".parse().unwrap()), "60".parse().ok());
        assert_eq!(both.on("2026-11-21".parse().unwrap()), "120".parse().ok());
    }

    #[test]
    fn a_price_without_a_first_day_is_for_what_is_asked_for_from_now_on() {
        let (old, new) = (price("30", None), price("60", None));
        let kept = Prices::of(Some(&old), Some(&new), 1);
        assert_eq!(november(&kept).as_deref(), Some("30.00"));
        let first = Prices::of(None, Some(&new), 1);
        assert_eq!(
            november(&first).as_deref(),
            Some("60.00"),
            "what had none gets it"
        );
    }

    #[test]
    fn days_without_a_price_have_no_sum() {
        let later = Prices::of(None, Some(&price("60", Some("2026-11-02"))), 1);
        assert_eq!(november(&later), None);
        assert_eq!(november(&Prices::default()), None);
        let gone = Prices::of(Some(&price("30", None)), None, 1);
        assert_eq!(
            november(&gone).as_deref(),
            Some("30.00"),
            "the size was withdrawn"
        );
    }
}
