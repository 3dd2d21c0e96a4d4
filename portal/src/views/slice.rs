//! The page of a list that is shown. Pure.

use crate::i18n::Lang;

/// Which rows of a list a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first row, from 0.
    pub from: usize,
    /// The row after the last.
    pub to: usize,
    /// Both in words, with how many there are.
    pub shown: String,
    /// The page before, if there is one.
    pub previous: Option<usize>,
    /// The page after, if there is one.
    pub next: Option<usize>,
}

impl Slice {
    /// The page of a list of so many rows that is asked for, from 1; the nearest that there is.
    #[must_use]
    pub fn of(lang: Lang, total: usize, rows: usize, page: usize) -> Self {
        let pages = total.div_ceil(rows).max(1);
        let page = page.clamp(1, pages);
        let (from, to) = ((page - 1) * rows, (page * rows).min(total));
        let first = from + usize::from(total > 0);
        let [first, last, all] = [first, to, total].map(|n| n.to_string());
        let figures = [("from", &*first), ("to", &last), ("total", &all)];
        Self {
            from,
            to,
            shown: lang.say("list.shown", &figures),
            previous: (page > 1).then(|| page - 1),
            next: (page < pages).then_some(page + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_page_is_shown_and_its_neighbours_are_those_that_there_are() {
        let of = |total, page| {
            let slice = Slice::of(Lang::En, total, 50, page);
            (slice.from, slice.to, slice.previous, slice.next)
        };
        assert_eq!(of(0, 0), (0, 0, None, None));
        assert_eq!(of(50, 9), (0, 50, None, None));
        assert_eq!(of(51, 1), (0, 50, None, Some(2)));
        assert_eq!(of(120, 2), (50, 100, Some(1), Some(3)));
        assert_eq!(of(120, 99), (100, 120, Some(2), None));
        assert_eq!(Slice::of(Lang::Zh, 0, 50, 1).shown, "第0至0条，共0条");
        assert_eq!(
            Slice::of(Lang::Zh, 120, 50, 3).shown,
            "第101至120条，共120条"
        );
    }
}
