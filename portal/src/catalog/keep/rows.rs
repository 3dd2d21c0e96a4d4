//! Names in two languages, boxes, and lists as rows of fields: what the forms of both catalogs are made of. Pure.

use crds::words::DisplayName;

use crate::fields::{Choice, Field, Group, Input, Wrong};
use crate::forms::Fields;
use crate::i18n::Lang;

/// Rows that are empty, to be filled.
const SPARE: usize = 2;

/// What a box that is ticked sends.
pub(super) const YES: &str = "yes";

/// Fields as they are put together.
#[derive(Default)]
pub(super) struct Filled(pub(super) Vec<(String, String)>);

impl Filled {
    pub(super) fn put(&mut self, id: &str, value: &str) {
        self.0.push((id.to_owned(), value.to_owned()));
    }

    pub(super) fn flag(&mut self, id: &str, set: bool) {
        if set {
            self.put(id, YES);
        }
    }

    pub(super) fn named(&mut self, id: &str, name: &DisplayName) {
        self.put(&format!("{id}-zh"), &name.zh);
        self.put(&format!("{id}-en"), name.en.as_deref().unwrap_or_default());
    }
}

/// The rows of a list: those that are filled, and some to be filled.
pub(super) fn rows(fields: &Fields, list: &str, most: usize) -> std::ops::Range<usize> {
    let filled = |n: &usize| {
        let start = format!("{list}-{n}");
        let of_row = |key: &str| key == start || key.starts_with(&format!("{start}-"));
        fields
            .0
            .iter()
            .any(|(key, value)| of_row(key) && !value.trim().is_empty())
    };
    let used = (0..most).filter(filled).max().map_or(0, |n| n + 1);
    0..(used + SPARE).min(most)
}

pub(super) fn line(lang: Lang, fields: &Fields, id: &str, key: &str) -> Field {
    Field::new(lang, id, key, Input::Line).with(fields.get(id))
}

/// The names of something, in both languages.
pub(super) fn names(lang: Lang, fields: &Fields, id: &str, key: &str) -> [Field; 2] {
    let (zh, en) = (format!("{id}-zh"), format!("{id}-en"));
    [
        line(lang, fields, &zh, &format!("{key}-zh")).required(),
        line(lang, fields, &en, &format!("{key}-en")),
    ]
}

/// A row that is not filled is none.
pub(super) fn optional(mut field: Field) -> Field {
    field.required = false;
    field
}

/// Whether it is still given out.
pub(super) fn withdrawn(lang: Lang, fields: &Fields, word: &str) -> Group {
    let yes = vec![Choice::new(YES, lang.t(word))];
    let field = Field::new(lang, "withdrawn", "withdrawn", Input::Several(yes));
    Group::new(
        lang.t("keep.state"),
        vec![field.with(fields.get("withdrawn")).required()],
    )
}

/// The names that were typed.
pub(super) fn name(lang: Lang, fields: &Fields, id: &str, wrongs: &mut Vec<Wrong>) -> DisplayName {
    let (zh, en) = (format!("{id}-zh"), format!("{id}-en"));
    for (field, empty) in [(&zh, false), (&en, true)] {
        let length = fields.get(field).chars().count();
        if (length == 0 && !empty) || length > 128 {
            let n = length.to_string();
            let figures = [("n", n.as_str())];
            wrongs.push(Wrong::new(field, lang.say("wrong.name", &figures)));
        }
    }
    DisplayName {
        zh: fields.get(&zh).to_owned(),
        en: fields.some(&en),
    }
}

/// The numbers of the rows of a list that are filled.
pub(super) fn filled(fields: &Fields, list: &str, most: usize) -> Vec<usize> {
    let any = |n: &usize| {
        [
            format!("{list}-{n}"),
            format!("{list}-{n}-zh"),
            format!("{list}-{n}-en"),
        ]
        .iter()
        .any(|id| !fields.get(id).is_empty())
    };
    (0..most).filter(any).collect()
}
