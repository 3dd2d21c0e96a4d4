//! Text on a page, in its one way there: nothing in it is mark-up, and nothing in it is hidden. A mark that turns the direction
//! of writing, or that has no width, would let a title that came by kubectl say something else than it is; it stands on the
//! page by its number.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};

use crate::forms::is_hidden;

/// How every template writes text (`askama.toml`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown;

/// Hidden, and no end of a line.
fn stands_by_its_number(c: char) -> bool {
    is_hidden(c) && !"\n\r\t".contains(c)
}

impl Escaper for Shown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| stands_by_its_number(*c)) {
            Html.write_escaped_str(&mut dest, &rest[..at])?;
            write!(dest, "[U+{:04X}]", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        Html.write_escaped_str(&mut dest, rest)
    }
}

/// Text within mark-up that is made here.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let _infallible = Shown.write_escaped_str(&mut shown, text);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_stands_by_its_number_and_what_is_written_stays() {
        for (text, page) in [
            ("扩容\u{202e}fdp.exe", "扩容[U+202E]fdp.exe"),
            ("a\u{200b}b\u{feff}", "a[U+200B]b[U+FEFF]"),
            ("<b>\u{2066}&", "&#60;b&#62;[U+2066]&#38;"),
            (
                "第一行\r\n\t第二行 𠮷野家👨‍👩‍👧 café",
                "第一行\r\n\t第二行 𠮷野家👨‍👩‍👧 café",
            ),
            ("", ""),
        ] {
            assert_eq!(escaped(text), page);
        }
    }
}
