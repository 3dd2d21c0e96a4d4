//! What the address of a list asks for: filter, order and columns, and nothing else. Pure.

use super::List;

/// The parameter that chooses columns; it may come several times, as the boxes of a form do, or with commas.
pub(super) const COLUMNS: &str = "columns";
/// Says that everything is asked for, where the bare address would lead to a view.
const EVERYTHING: (&str, &str) = ("all", "1");

/// What the address of a list asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    list: &'static List,
    /// Parameters of the list that say something, in the list's order.
    said: Vec<(&'static str, String)>,
    /// The columns that are left in.
    shown: Vec<&'static str>,
}

impl Asked {
    /// Reads a query. What the list does not know is left out; no column at all is every column.
    #[must_use]
    pub fn of(list: &'static List, query: &str) -> Self {
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let said = list.parameters.iter().filter_map(|name| {
            let found = pairs.iter().find(|(key, _)| key == name);
            let value = found.map(|(_, value)| value.trim().to_owned());
            Some((*name, value.filter(|value| !value.is_empty())?))
        });
        let wanted: Vec<_> = pairs
            .iter()
            .filter(|(key, _)| key == COLUMNS)
            .flat_map(|(_, value)| value.split(','))
            .collect();
        let codes = list.columns.iter().map(|(code, _)| *code);
        let mut shown: Vec<_> = codes.clone().filter(|code| wanted.contains(code)).collect();
        if shown.is_empty() {
            shown = codes.collect();
        }
        Self {
            list,
            said: said.collect(),
            shown,
        }
    }

    /// A list in an order, and nothing else.
    #[must_use]
    pub fn sorted(list: &'static List, sort: &str) -> Self {
        Self::of(list, &encoded(&[("sort", sort.to_owned())]))
    }

    /// Whether a column is shown.
    #[must_use]
    pub fn shows(&self, column: &str) -> bool {
        self.shown.contains(&column)
    }

    /// The column by which the list is ordered, and whether downwards; nothing where the list knows no such order.
    #[must_use]
    pub fn sort(&self) -> Option<(&str, bool)> {
        let (_, said) = self.said.iter().find(|(name, _)| *name == "sort")?;
        let (column, down) = match said.strip_prefix('-') {
            Some(column) => (column, true),
            None => (said.as_str(), false),
        };
        self.list.orders.contains(&column).then_some((column, down))
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = self.said.clone();
        if self.shown.len() < self.list.columns.len() {
            pairs.push((COLUMNS, self.shown.join(",")));
        }
        pairs
    }

    /// It as a query; empty where everything is asked for.
    #[must_use]
    pub fn query(&self) -> String {
        encoded(&self.pairs())
    }

    /// The list's page with it.
    #[must_use]
    pub fn href(&self) -> String {
        self.with(self.list.path, &[])
    }

    /// An address with it, where some parameters say something else; what says nothing is left out.
    #[must_use]
    pub fn with(&self, path: &str, others: &[(&'static str, &str)]) -> String {
        let mut pairs = self.pairs();
        pairs.retain(|(name, _)| !others.iter().any(|(other, _)| other == name));
        let others = others.iter().filter(|(_, value)| !value.is_empty());
        pairs.extend(others.map(|(name, value)| (*name, (*value).to_owned())));
        if pairs.is_empty() {
            pairs.push((EVERYTHING.0, EVERYTHING.1.to_owned()));
        }
        format!("{path}?{}", encoded(&pairs))
    }

    /// The address of a page of the list.
    #[must_use]
    pub fn page(&self, page: usize) -> String {
        let page = if page > 1 {
            page.to_string()
        } else {
            String::new()
        };
        self.with(self.list.path, &[("page", &page)])
    }
}

fn encoded(pairs: &[(&str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
