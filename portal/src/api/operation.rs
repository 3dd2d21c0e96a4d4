//! What an operation of the API is. One table of these makes both the routes and the OpenAPI document, and what a query may
//! say is judged by the same words that describe it: a route cannot exist without its description, nor the other way round.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use jiff::civil::Date;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::problem::Problem;
use super::schemas;
use crate::costs::reckon::Month;
use crate::error::AppError;

/// The largest page of a list.
pub const MOST: i64 = 500;
/// A page where nothing is said.
pub const USUAL: i64 = 50;
/// What may stand in the text of a parameter: no control characters.
const PLAIN: &str = r"^[^\u0000-\u001f\u007f]*$";
/// Names as Kubernetes has them.
pub const NAME: &str = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$";

/// What a handler gives.
pub type Pending = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;
/// How a schema is made.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read.
    Get,
    /// Write, as the person.
    Post,
}

/// What a parameter of the query may say.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// Text of at most so many characters.
    Text(usize),
    /// A number within these bounds.
    Number(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A day, `2026-11-24`.
    Day,
    /// A month, `2026-11`.
    Month,
}

/// A parameter of the query.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name; what it means is `api-param.<name>` in the message files.
    pub name: &'static str,
    /// What it may say.
    pub says: Says,
}

/// The body of a write.
#[derive(Clone, Copy)]
pub struct Body {
    /// Its schema, without references: unknown fields are found by it.
    pub schema: SchemaOf,
    /// An example, as JSON.
    pub example: &'static str,
}

/// What comes back.
#[derive(Clone, Copy)]
pub enum Answer {
    /// A page of a list of these.
    Page(SchemaOf),
    /// One of these.
    One(SchemaOf),
    /// What was written, `201`.
    Made(SchemaOf),
    /// A file, as it was handed in.
    File,
}

/// Where an answer leads: to an operation, with parameters by expressions on the answer.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The operation.
    pub to: &'static str,
    /// Its path parameters, and where each is in the answer.
    pub with: &'static [(&'static str, &'static str)],
}

/// An operation.
pub struct Operation {
    /// Its name; what it is for is `api-op.<id>` and `api-about.<id>` in the message files.
    pub id: &'static str,
    /// What it is among; its word is `api-group.<group>`.
    pub group: &'static str,
    /// What it does.
    pub verb: Verb,
    /// Its path under `/api/v1`.
    pub path: &'static str,
    /// What its query may say.
    pub query: &'static [Param],
    /// Its body.
    pub body: Option<Body>,
    /// The largest body, in bytes, where files go up in it; else what the router allows to every form.
    pub most: Option<usize>,
    /// What comes back.
    pub answer: Answer,
    /// Where that leads.
    pub links: &'static [Link],
    /// What carries it out.
    pub run: fn(Call) -> Pending,
}

/// What an operation that reads begins with.
pub const GET: Operation = Operation {
    id: "",
    group: "",
    verb: Verb::Get,
    path: "",
    query: &[],
    body: None,
    most: None,
    answer: Answer::One(schemas::anything),
    links: &[],
    run: |_| Box::pin(async { Err(AppError::NoPage.into()) }),
};
/// What an operation that writes begins with.
pub const POST: Operation = Operation {
    verb: Verb::Post,
    ..GET
};

/// How many a page of a list has.
pub const LIMIT: Param = Param {
    name: "limit",
    says: Says::Number(1, MOST),
};
/// How many come before the page.
pub const OFFSET: Param = Param {
    name: "offset",
    says: Says::Number(0, 1_000_000),
};
/// Part of a name.
pub const Q: Param = Param {
    name: "q",
    says: Says::Text(128),
};

impl Param {
    /// A parameter whose text is a name.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self {
            name,
            says: Says::Text(253),
        }
    }

    /// A parameter that says one of some words.
    #[must_use]
    pub const fn one_of(name: &'static str, words: &'static [&'static str]) -> Self {
        Self {
            name,
            says: Says::OneOf(words),
        }
    }

    /// Whether it may say this.
    #[must_use]
    pub fn takes(&self, value: &str) -> bool {
        match self.says {
            Says::Text(most) => value.chars().count() <= most && !value.chars().any(is_control),
            Says::Number(least, most) => {
                // `+5` and `007` are no integers of JSON.
                let plain = value == "0" || value.starts_with(|c: char| ('1'..='9').contains(&c));
                plain
                    && value
                        .parse()
                        .is_ok_and(|n: i64| (least..=most).contains(&n))
            }
            Says::OneOf(words) => words.contains(&value),
            Says::Flag => ["true", "false"].contains(&value),
            Says::Day => value.len() == 10 && value.parse::<Date>().is_ok(),
            Says::Month => value.len() == 7 && Month::read(value).is_some(),
        }
    }

    /// What it may say, as a schema.
    #[must_use]
    pub fn schema(&self) -> Value {
        match self.says {
            Says::Text(most) => json!({ "type": "string", "maxLength": most, "pattern": PLAIN }),
            Says::Number(least, most) => {
                let mut schema = json!({ "type": "integer", "minimum": least, "maximum": most });
                match self.name {
                    "limit" => schema["default"] = USUAL.into(),
                    "offset" => schema["default"] = 0.into(),
                    _ => {}
                }
                schema
            }
            Says::OneOf(words) => json!({ "type": "string", "enum": words }),
            Says::Flag => json!({ "type": "boolean" }),
            Says::Day => json!({ "type": "string", "format": "date" }),
            Says::Month => json!({ "type": "string", "pattern": r"^20[0-9]{2}-(0[1-9]|1[0-2])$" }),
        }
    }
}

const fn is_control(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}')
}

impl Operation {
    /// What a query says, judged by the parameters.
    ///
    /// # Errors
    /// It says something unknown, something twice, or what a parameter does not take; by its name.
    pub fn read(&self, query: &str) -> Result<BTreeMap<&'static str, String>, Problem> {
        let mut said = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let known = self.query.iter().find(|param| param.name == name);
            let Some(param) = known else {
                let names: Vec<_> = self.query.iter().map(|param| param.name).collect();
                return Err(Problem::of("unknown-parameter")
                    .field(&format!("query.{name}"))
                    .with("name", &name)
                    .with("known", &names.join(", ")));
            };
            if !param.takes(&value) || said.contains_key(param.name) {
                return Err(Problem::of("bad-parameter")
                    .field(&format!("query.{name}"))
                    .with("name", &name)
                    .with("value", &value)
                    .with("schema", &param.schema().to_string()));
            }
            said.insert(param.name, value.into_owned());
        }
        Ok(said)
    }

    /// The names in its path.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(says: Says, value: &str) -> bool {
        Param { name: "x", says }.takes(value)
    }

    #[test]
    fn a_parameter_takes_what_its_schema_says_and_nothing_else() {
        for good in ["1", "500", "42"] {
            assert!(takes(Says::Number(1, 500), good), "{good}");
        }
        for bad in ["0", "501", "+5", "007", "1.0", "", " 1", "x", "-1"] {
            assert!(!takes(Says::Number(1, 500), bad), "{bad}");
        }
        assert!(takes(Says::Text(3), "数据局") && !takes(Says::Text(2), "数据局"));
        assert!(!takes(Says::Text(9), "a\0b") && !takes(Says::Text(9), "a\nb"));
        assert!(takes(Says::Day, "2026-02-28") && !takes(Says::Day, "2026-02-30"));
        assert!(!takes(Says::Day, "20260228") && !takes(Says::Flag, "yes"));
        assert!(takes(Says::Month, "2026-11") && !takes(Says::Month, "2026-13"));
    }
}
