//! Forms as pages show them: fields with their hints and errors, one template for all of them (`templates/form.html`).

use crate::i18n::Lang;

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line of text.
    Line,
    /// A whole number.
    Number,
    /// A day.
    Day,
    /// Several lines.
    Long,
    /// Files whose names end like this, as a browser is told: `.pdf,.png`.
    Files(String),
    /// One of a list that is folded up.
    Choice(Vec<Choice>),
    /// One of a list that is read.
    Radio(Vec<Choice>),
    /// Any of a list that is read; the value is theirs, with commas between.
    Several(Vec<Choice>),
}

/// One of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// Its word.
    pub word: String,
    /// What it means; empty where the word says it.
    pub about: String,
}

impl Choice {
    /// A choice that its word explains.
    #[must_use]
    pub fn new(value: impl Into<String>, word: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            word: word.into(),
            about: String::new(),
        }
    }

    /// With what it means.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name and id.
    pub id: String,
    /// Its label.
    pub label: String,
    /// What to write there.
    pub hint: String,
    /// The unit beside it.
    pub unit: String,
    /// What is written there.
    pub value: String,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Whether it must be filled.
    pub required: bool,
    /// Whether it must be filled where another one asks for it, and so is not called optional.
    pub depends: bool,
    /// How many characters it takes.
    pub most: usize,
    /// What it takes.
    pub input: Input,
}

impl Field {
    /// A field whose label is under `field.<key>` and whose hint, if any, is under `field-hint.<key>`.
    #[must_use]
    pub fn new(lang: Lang, id: &str, key: &str, input: Input) -> Self {
        Self {
            id: id.to_owned(),
            label: lang.t(&format!("field.{key}")).to_owned(),
            hint: lang
                .find(&format!("field-hint.{key}"))
                .unwrap_or("")
                .to_owned(),
            unit: String::new(),
            value: String::new(),
            error: None,
            required: false,
            depends: false,
            most: 128,
            input,
        }
    }

    /// With what is written there.
    #[must_use]
    pub fn with(mut self, value: &str) -> Self {
        value.clone_into(&mut self.value);
        self
    }

    /// That must be filled.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// That must be filled where another one asks for it.
    #[must_use]
    pub fn depends(mut self) -> Self {
        self.depends = true;
        self
    }

    /// Whether it may be left out whatever else is filled.
    #[must_use]
    pub const fn is_optional(&self) -> bool {
        !self.required && !self.depends
    }

    /// That takes so many characters.
    #[must_use]
    pub fn most(mut self, characters: usize) -> Self {
        self.most = characters;
        self
    }

    /// With a unit beside it.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Self {
        unit.clone_into(&mut self.unit);
        self
    }

    /// The ids of what describes it, for those who hear it.
    #[must_use]
    pub fn described(&self) -> String {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.id));
        let error = self.error.as_ref().map(|_| format!("{}-error", self.id));
        [hint, error]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Whether one of several is taken.
    #[must_use]
    pub fn has(&self, value: &str) -> bool {
        self.value.split(',').any(|taken| taken == value)
    }

    /// What is written there as people read it: choices by their words, with the unit.
    #[must_use]
    pub fn told(&self, lang: Lang) -> String {
        if self.value.is_empty() {
            return lang.t("keep.nothing").to_owned();
        }
        let word = |choices: &[Choice]| {
            let chosen = choices.iter().find(|choice| choice.value == self.value);
            chosen.map_or_else(|| self.value.clone(), |choice| choice.word.clone())
        };
        let told = match &self.input {
            Input::Choice(choices) | Input::Radio(choices) => word(choices),
            Input::Several(choices) => {
                let taken = choices.iter().filter(|choice| self.has(&choice.value));
                lang.join(&taken.map(|choice| choice.word.clone()).collect::<Vec<_>>())
            }
            Input::Line | Input::Number | Input::Day | Input::Long | Input::Files(_) => {
                self.value.clone()
            }
        };
        format!("{told}{}", self.unit)
    }

    /// Where the error summary leads to: the first choice of a list that is read, else the field.
    #[must_use]
    pub fn anchor(&self) -> String {
        match self.input {
            Input::Radio(_) | Input::Several(_) => format!("{}-1", self.id),
            Input::Line
            | Input::Number
            | Input::Day
            | Input::Long
            | Input::Files(_)
            | Input::Choice(_) => self.id.clone(),
        }
    }
}

/// Fields that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What they are about; empty where there is only one group.
    pub legend: String,
    /// What to know before filling them.
    pub hint: String,
    /// The fields.
    pub fields: Vec<Field>,
}

impl Group {
    /// A group under a legend.
    #[must_use]
    pub fn new(legend: &str, fields: Vec<Field>) -> Self {
        Self {
            legend: legend.to_owned(),
            hint: String::new(),
            fields,
        }
    }

    /// With what to know before filling them.
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.hint);
        self
    }
}

/// Something that is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field.
    pub field: String,
    /// What is wrong, and what to do.
    pub words: String,
}

impl Wrong {
    /// What is wrong with a field.
    #[must_use]
    pub fn new(field: &str, words: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            words: words.into(),
        }
    }
}

/// Puts errors to their fields; gives the summary, with the field that each leads to.
pub fn mark(groups: &mut [Group], wrongs: &[Wrong]) -> Vec<(String, String)> {
    let mut summary = Vec::new();
    for wrong in wrongs {
        let mut fields = groups.iter_mut().flat_map(|group| &mut group.fields);
        let anchor = match fields.find(|field| field.id == wrong.field) {
            Some(field) => {
                field.error = Some(wrong.words.clone());
                field.anchor()
            }
            None => "main".to_owned(),
        };
        summary.push((anchor, wrong.words.clone()));
    }
    summary
}
