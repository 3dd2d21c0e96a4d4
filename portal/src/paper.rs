//! Forms on paper: A4 in PDF, with the fonts that the machine has for Chinese. What is in a form is in files of their own;
//! here is how a sheet is set.
//!
//! A character that no font has is written as its code point: nothing of a name is silently lost.

pub mod application;
mod fonts;
mod sheet;

pub use fonts::Fonts;
pub use sheet::Sheet;

/// A form could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaperError {
    /// There is no font for Chinese.
    #[error(
        "no font for the forms was found ({0}): install fonts-noto-cjk, or name fonts with --pdf-font"
    )]
    NoFont(String),
    /// The library failed.
    #[error("the PDF could not be written: {0}")]
    Failed(String),
}
