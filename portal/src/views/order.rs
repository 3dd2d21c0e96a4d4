//! The order of a list's rows, as its address asks for it: a column, downwards with a hyphen before it. Pure.

use std::cmp::Reverse;

use super::query::Asked;
use crate::search::letters;

/// What a row is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A figure.
    Number(i128),
    /// Words, Chinese as it is spoken: the order of Chinese lists.
    Text(String),
    /// It says nothing there, which comes after everything else.
    Nothing,
}

impl Key {
    /// A text; nothing where it is empty.
    #[must_use]
    pub fn text(text: &str) -> Self {
        if text.is_empty() {
            return Self::Nothing;
        }
        Self::Text(letters(text).1.clone())
    }
}

/// Orders rows by the column that is asked for; as they are where none is. Rows that are alike keep their order.
pub fn order<T>(rows: &mut [T], asked: &Asked, key: impl Fn(&T, &str) -> Key) {
    match asked.sort() {
        Some((column, false)) => rows.sort_by_cached_key(|row| key(row, column)),
        Some((column, true)) => rows.sort_by_cached_key(|row| {
            let key = key(row, column);
            (key == Key::Nothing, Reverse(key))
        }),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::ORDERS;

    fn ordered(query: &str) -> Vec<&'static str> {
        let mut rows = vec!["湛江", "a", "", "北京", "Z", "广州"];
        order(&mut rows, &Asked::of(&ORDERS, query), |row, column| {
            assert_eq!(column, "title");
            Key::text(row)
        });
        rows
    }

    #[test]
    fn names_come_as_they_are_spoken_and_nothing_comes_last() {
        assert_eq!(
            ordered("sort=title"),
            ["a", "北京", "广州", "Z", "湛江", ""]
        );
        assert_eq!(
            ordered("sort=-title"),
            ["湛江", "Z", "广州", "北京", "a", ""]
        );
        let as_it_was = ["湛江", "a", "", "北京", "Z", "广州"];
        assert_eq!(ordered(""), as_it_was);
        assert_eq!(ordered("sort=nothing"), as_it_was, "no order of the list");
    }
}
