//! Amounts as people read them: three significant digits on charts, exact in tables, units said, decimal and binary apart.

use crds::{Quantity, ResourceList};

use crate::i18n::Lang;

/// The resources that every platform is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Cores.
    Cpu,
    /// Bytes of memory.
    Memory,
    /// Bytes of storage.
    Storage,
}

impl Resource {
    /// All three, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Storage];

    /// The name under which quotas count it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "requests.cpu",
            Self::Memory => "requests.memory",
            Self::Storage => "requests.storage",
        }
    }

    /// The amount in a list, `None` where it is not stated. Specs may say `cpu` for `requests.cpu`.
    #[must_use]
    pub fn of(self, list: &ResourceList) -> Option<Quantity> {
        let short = self.name().trim_start_matches("requests.");
        list.0
            .get(self.name())
            .or_else(|| list.0.get(short))
            .copied()
    }

    /// Its word.
    #[must_use]
    pub fn word(self, lang: Lang) -> &'static str {
        lang.find(&format!("resource.{}", self.name()))
            .unwrap_or(self.name())
    }
}

/// How an amount is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Cores of CPU.
    Cores,
    /// GB, TB: powers of ten.
    Decimal,
    /// GiB, TiB: powers of two.
    Binary,
    /// A plain number of objects.
    Count,
}

const NANO: i128 = 1_000_000_000;
const DECIMAL: [(&str, i128); 5] = [
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
];
const BINARY: [(&str, i128); 5] = [
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

impl Unit {
    /// The unit of a resource, read from an amount of it: bytes are binary unless they are whole gigabytes.
    #[must_use]
    pub fn of(name: &str, amount: Quantity) -> Self {
        if name.contains("cpu") {
            return Self::Cores;
        }
        if !(name.contains("memory") || name.contains("storage")) || name.starts_with("count/") {
            return Self::Count;
        }
        let bytes = amount.nanos() / NANO;
        if bytes % 1_000_000_000 == 0 && bytes != 0 {
            Self::Decimal
        } else {
            Self::Binary
        }
    }

    /// The amount in three significant digits, for charts and cards.
    #[must_use]
    pub fn short(self, lang: Lang, amount: Quantity) -> String {
        match self {
            // Nothing is the same in every unit.
            Self::Decimal | Self::Binary if amount == Quantity::ZERO => "0".to_owned(),
            Self::Cores => lang.say("unit.cores", &[("n", &grouped(amount.nanos(), NANO, 1))]),
            Self::Count => grouped(amount.nanos(), NANO, 0),
            Self::Decimal => scaled(amount, &DECIMAL, None),
            Self::Binary => scaled(amount, &BINARY, None),
        }
    }

    /// The exact amount, in the largest unit that shows it whole (or in three decimals).
    #[must_use]
    pub fn exact(self, lang: Lang, amount: Quantity) -> String {
        match self {
            Self::Decimal | Self::Binary if amount == Quantity::ZERO => "0".to_owned(),
            Self::Cores => lang.say("unit.cores", &[("n", &grouped(amount.nanos(), NANO, 3))]),
            Self::Count => grouped(amount.nanos(), NANO, 0),
            Self::Decimal => scaled(amount, &DECIMAL[2..], Some(3)),
            Self::Binary => scaled(amount, &BINARY[2..], Some(3)),
        }
    }
}

fn scaled(amount: Quantity, scale: &[(&str, i128)], decimals: Option<usize>) -> String {
    let bytes = amount.nanos() / NANO;
    let step = scale
        .iter()
        .find(|(_, size)| bytes.abs() >= *size)
        .or(scale.last());
    let Some((unit, size)) = step.copied() else {
        return bytes.to_string();
    };
    // Three significant digits: 9.87, 98.7, 987.
    let significant = match bytes.abs() / size {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    format!(
        "{} {unit}",
        grouped(bytes, size, decimals.unwrap_or(significant))
    )
}

/// `amount / size` with at most so many decimals and thousands set apart.
fn grouped(amount: i128, size: i128, decimals: usize) -> String {
    let scale = 10_i128.pow(u32::try_from(decimals).unwrap_or(0));
    let rounded = (amount.abs() * scale + size / 2) / size;
    let (whole, fraction) = (rounded / scale, rounded % scale);
    let digits = whole.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if fraction > 0 {
        text.push('.');
        text.push_str(format!("{fraction:0decimals$}").trim_end_matches('0'));
    }
    if amount < 0 && rounded > 0 {
        format!("-{text}")
    } else {
        text
    }
}

/// A whole number with thousands set apart.
#[must_use]
pub fn number(n: i64) -> String {
    grouped(n.into(), 1, 0)
}

/// Any resource's word: the three by name, the rest as Kubernetes calls them.
#[must_use]
pub fn resource_word(lang: Lang, name: &str) -> String {
    lang.find(&format!("resource.{name}"))
        .unwrap_or(name)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn binary_and_decimal_bytes_are_never_mixed_silently() {
        let short = |text| Unit::of("requests.memory", q(text)).short(Lang::En, q(text));
        assert_eq!(short("16079G"), "16.1 TB");
        assert_eq!(short("16384Gi"), "16 TiB");
        assert_eq!(short("1286G"), "1.29 TB");
        assert_eq!(short("640Mi"), "640 MiB");
        assert_eq!(short("0"), "0");
    }

    #[test]
    fn tables_are_exact() {
        assert_eq!(Unit::Decimal.exact(Lang::En, q("16079G")), "16,079 GB");
        assert_eq!(Unit::Binary.exact(Lang::En, q("1536Mi")), "1.5 GiB");
        assert_eq!(Unit::Cores.exact(Lang::En, q("46080")), "46,080 cores");
        assert_eq!(Unit::Cores.exact(Lang::En, q("500m")), "0.5 cores");
    }

    #[test]
    fn a_short_name_is_the_long_one() {
        let list: ResourceList = serde_json::from_str(r#"{"cpu": 4}"#).unwrap();
        assert_eq!(Resource::Cpu.of(&list), Some(q("4")));
        assert_eq!(Resource::Memory.of(&list), None);
    }
}
