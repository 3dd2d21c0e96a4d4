//! Exact Kubernetes quantities and the resource lists made of them.
//!
//! `kube_quantity` and the common ports go through `f64`; a ledger may not. A [`Quantity`] is a count of
//! 10⁻⁹ units in an `i128`, which holds every value that Kubernetes itself accepts, to the unit.
//! Grammar: `k8s.io/apimachinery/pkg/api/resource`, `quantity.go`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const NANO: i128 = 1_000_000_000;
/// The largest value a quota may hold: the API server's own bound, 2⁶³−1 units.
const MAX: i128 = (i64::MAX as i128) * NANO;

/// An exact amount of a resource, in 10⁻⁹ of its unit (cores, bytes or objects). Never negative where it was parsed
/// from a spec; differences may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

/// Why a text is not a quantity that can be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with an optional suffix.
    #[error(
        "{0:?} is not a quantity: write a number with an optional suffix such as 500m, 4, 16Gi or 2T"
    )]
    Syntax(String),
    /// Below zero.
    #[error("{0:?} is negative: a quantity is 0 or more")]
    Negative(String),
    /// Beyond what Kubernetes can count.
    #[error("{0:?} is too large: the largest quantity is 9223372036854775807 (2^63-1)")]
    TooLarge(String),
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many whole units.
    #[must_use]
    pub const fn units(units: i64) -> Self {
        Self(units as i128 * NANO)
    }

    /// So many thousandths of a unit (millicores).
    #[must_use]
    pub const fn milli(thousandths: i64) -> Self {
        Self(thousandths as i128 * (NANO / 1000))
    }

    /// The value in 10⁻⁹ units, for exact arithmetic and for ratios.
    #[must_use]
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// The sum; saturates far outside of what can be parsed, so that no sum of grants wraps.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, which may be negative.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self - other`, but not below zero.
    #[must_use]
    pub fn above(self, other: Self) -> Self {
        self.minus(other).max(Self::ZERO)
    }

    /// This amount times a ratio, rounded down.
    #[must_use]
    pub const fn times(self, ratio: Ratio) -> Self {
        Self(self.0.saturating_mul(ratio.0 as i128) / 1000)
    }

    /// So many times this amount; saturates far outside of what can be parsed.
    #[must_use]
    pub const fn by(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count as i128))
    }

    /// This amount as a share of another, in percent rounded down; `None` where there is nothing to share.
    #[must_use]
    pub fn percent_of(self, whole: Self) -> Option<i64> {
        (whole.0 > 0)
            .then(|| i64::try_from(self.0.saturating_mul(100) / whole.0).unwrap_or(i64::MAX))
    }
}

fn suffix(text: &str) -> Option<(i128, i128)> {
    // (numerator, denominator) relative to one unit.
    Some(match text {
        "n" => (1, NANO),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        other => {
            let exponent: i32 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
            match exponent {
                0..=30 => (10_i128.pow(exponent.unsigned_abs()), 1),
                -30..=-1 => (1, 10_i128.pow(exponent.unsigned_abs())),
                _ => return None,
            }
        }
    })
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || QuantityError::Syntax(text.to_owned());
        let large = || QuantityError::TooLarge(text.to_owned());
        let (negative, body) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let split = body
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(body.len());
        let (number, unit) = body.split_at(split);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(syntax());
        }
        let (numerator, denominator) = suffix(unit).ok_or_else(syntax)?;
        let digits: String = whole.chars().chain(fraction.chars()).collect();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self::ZERO);
        }
        if negative {
            return Err(QuantityError::Negative(text.to_owned()));
        }
        // Divide the powers of ten out before multiplying, so that 19 digits with a suffix stay inside i128.
        let mut value: i128 = digits.parse().map_err(|_| large())?;
        let scale = u32::try_from(fraction.len())
            .ok()
            .and_then(|n| 10_i128.checked_pow(n))
            .ok_or_else(large)?;
        value = value.checked_mul(numerator).ok_or_else(large)?;
        let divisor = scale.checked_mul(denominator).ok_or_else(large)?;
        let (units, rest) = (value / divisor, value % divisor);
        if units > MAX / NANO {
            return Err(large());
        }
        // Kubernetes rounds up to the next nano (quantity.go, "rounded up").
        let nanos = rest.checked_mul(NANO).ok_or_else(large)?;
        let nanos = nanos / divisor + i128::from(nanos % divisor != 0);
        let total = units * NANO + nanos;
        if total > MAX {
            Err(large())
        } else {
            Ok(Self(total))
        }
    }
}

impl fmt::Display for Quantity {
    /// The canonical text: the shortest of plain units, a decimal suffix from G or a binary one from Mi; below one unit `m`,
    /// then `n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % (NANO / 1000) != 0 {
            return write!(f, "{}n", self.0);
        }
        if self.0 % NANO != 0 {
            return write!(f, "{}m", self.0 / (NANO / 1000));
        }
        let units = self.0 / NANO;
        // Smaller suffixes would turn 1024 cores into 1Ki.
        let suffixes = ["Mi", "Gi", "Ti", "Pi", "Ei", "G", "T", "P", "E"];
        let short = suffixes.iter().filter_map(|unit| {
            let (size, _) = suffix(unit)?;
            (units != 0 && units % size == 0).then(|| format!("{}{unit}", units / size))
        });
        let shortest = short.chain([units.to_string()]).min_by_key(String::len);
        f.write_str(&shortest.unwrap_or_default())
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 4, \"500m\" or \"16Gi\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, units: i64) -> Result<Quantity, E> {
                self.visit_str(&units.to_string())
            }
            fn visit_u64<E: de::Error>(self, units: u64) -> Result<Quantity, E> {
                self.visit_str(&units.to_string())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": r"^\+?([0-9]{1,19}(\.[0-9]{0,9})?|\.[0-9]{1,9})([numkMGTPE]|[KMGTPE]i|[eE]\+?[0-9]{1,2}|[eE]-[0-9]{1,2})?$",
            "maxLength": 32,
        })
    }
}

/// A ratio in exact thousandths, written as a decimal such as `"1.5"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(i64);

impl Ratio {
    /// One to one.
    pub const ONE: Self = Self(1000);

    /// The ratio in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> i64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "{text:?} is not a ratio: write a decimal from 0.001 to 100 with at most three places, such as \"1.5\""
            )
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 3 || !digits(whole) || !digits(fraction) {
            return Err(wrong());
        }
        let value: i64 = format!("{whole}{fraction:0<3}")
            .parse()
            .map_err(|_| wrong())?;
        if (1..=100_000).contains(&value) {
            Ok(Self(value))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Ratio {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ratio".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?$", "maxLength": 7 })
    }
}

/// Amounts by resource name. An absent name is *not stated*; arithmetic treats it as zero and says so where it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceList(pub BTreeMap<String, Quantity>);

impl ResourceList {
    /// The amount under a name, zero where it is not stated.
    #[must_use]
    pub fn of(&self, name: &str) -> Quantity {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Whether no name is stated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every stated amount is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.values().all(|q| *q == Quantity::ZERO)
    }

    /// Names and amounts in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Quantity)> {
        self.0.iter().map(|(k, v)| (k.as_str(), *v))
    }

    fn join(&self, other: &Self, f: impl Fn(Quantity, Quantity) -> Quantity) -> Self {
        let names = self.0.keys().chain(other.0.keys());
        Self(
            names
                .map(|k| (k.clone(), f(self.of(k), other.of(k))))
                .collect(),
        )
    }

    /// Sum by name.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.join(other, Quantity::plus)
    }

    /// So many times each amount.
    #[must_use]
    pub fn by(&self, count: u32) -> Self {
        Self(
            self.0
                .iter()
                .map(|(k, v)| (k.clone(), v.by(count)))
                .collect(),
        )
    }

    /// Difference by name, not below zero.
    #[must_use]
    pub fn above(&self, other: &Self) -> Self {
        self.join(other, Quantity::above)
    }

    /// The larger by name.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        self.join(other, Quantity::max)
    }

    /// The names of which this list holds more than `bound`, with the excess. Empty means that it fits.
    #[must_use]
    pub fn excess_over(&self, bound: &Self) -> Self {
        Self(
            self.iter()
                .filter(|(k, v)| *v > bound.of(k))
                .map(|(k, v)| (k.to_owned(), v.minus(bound.of(k))))
                .collect(),
        )
    }

    /// Whether every amount is at most the bound's.
    #[must_use]
    pub fn fits(&self, bound: &Self) -> bool {
        self.iter().all(|(k, v)| v <= bound.of(k))
    }

    /// Only the given names, zero where this list does not state one.
    #[must_use]
    pub fn only<'a>(&self, names: impl Iterator<Item = &'a str>) -> Self {
        Self(names.map(|k| (k.to_owned(), self.of(k))).collect())
    }

    /// This list in the names of another, zero where it does not state one.
    #[must_use]
    pub fn in_names_of(&self, other: &Self) -> Self {
        self.only(other.0.keys().map(String::as_str))
    }

    /// This list in the names of `whole`, or the `stored` one while nothing has moved by a percent of the whole, or to or
    /// from zero: a smaller change is not worth a write.
    #[must_use]
    pub fn steady(&self, stored: Option<&Self>, whole: &Self) -> Self {
        let now = self.in_names_of(whole);
        let near = |stored: &&Self| {
            stored.0.len() == now.0.len()
                && now.iter().all(|(name, now)| {
                    let before = stored.of(name);
                    let step = now.max(before).minus(now.min(before));
                    step.percent_of(whole.of(name)).unwrap_or(100) < 1
                        && (now == Quantity::ZERO) == (before == Quantity::ZERO)
                })
        };
        stored.filter(near).cloned().unwrap_or(now)
    }
}

impl<'a> std::iter::Sum<&'a ResourceList> for ResourceList {
    fn sum<I: Iterator<Item = &'a ResourceList>>(lists: I) -> Self {
        lists.fold(Self::default(), |sum, list| sum.plus(list))
    }
}

impl<K: Into<String>, const N: usize> From<[(K, Quantity); N]> for ResourceList {
    fn from(pairs: [(K, Quantity); N]) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}

impl fmt::Display for ResourceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, amount)) in self.iter().enumerate() {
            write!(f, "{}{name}={amount}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl JsonSchema for ResourceList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResourceList".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": Quantity::json_schema(generator),
        })
    }
}

#[cfg(test)]
mod tests;
