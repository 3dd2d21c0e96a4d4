//! Exact sums of money in yuan. A price that nobody has set is an absent one, never 0.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The largest price that can be written: 999 999 999 999.99 yuan.
const MAX: i64 = 99_999_999_999_999;

/// An amount in yuan, exact to the fen, written as `"1280.50"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// A text that is no amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an amount in yuan: write up to 12 digits with at most two places, such as \"1280.50\""
)]
pub struct NoMoney(String);

impl Money {
    /// So many fen.
    #[must_use]
    pub const fn fen(fen: i64) -> Self {
        Self(fen)
    }

    /// The amount in fen.
    #[must_use]
    pub const fn in_fen(self) -> i64 {
        self.0
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// So many times the amount.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }
}

impl FromStr for Money {
    type Err = NoMoney;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NoMoney(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "00"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 12 || fraction.len() > 2 {
            return Err(wrong());
        }
        let fen: i64 = format!("{whole}{fraction:0<2}")
            .parse()
            .map_err(|_| wrong())?;
        if fen > MAX {
            Err(wrong())
        } else {
            Ok(Self(fen))
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?$", "maxLength": 15 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_and_fen_are_exact() {
        for (text, fen) in [
            ("0.1", 10),
            ("1280.50", 128_050),
            ("3", 300),
            ("999999999999.99", MAX),
        ] {
            assert_eq!(text.parse::<Money>().unwrap(), Money(fen), "{text}");
        }
        assert_eq!(Money(128_050).times(3).to_string(), "3841.50");
        for text in ["", "1.", ".5", "-1", "1.005", "１", "1e3", "1000000000000"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }
}
