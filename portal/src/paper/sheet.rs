//! A form as it is written, from the top: title, facts, tables, text. Pages begin by themselves; each says whose print it is.

use krilla::Document;
use krilla::color::{luma, rgb};
use krilla::geom::{PathBuilder, Point, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke};
use krilla::surface::Surface;

use super::PaperError;
use super::fonts::{Fonts, Setter};

const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
const MARGIN: f32 = 56.0;
const BOTTOM: f32 = HEIGHT - 64.0;
const TEXT: f32 = 10.5;
const SMALL: f32 = 8.5;
const LEADING: f32 = 1.5;
const PAD: f32 = 4.0;

enum Mark {
    Text {
        x: f32,
        y: f32,
        size: f32,
        text: String,
    },
    Line {
        from: (f32, f32),
        to: (f32, f32),
    },
}

/// A form that is being written.
pub struct Sheet<'a> {
    setter: Setter<'a>,
    pages: Vec<Vec<Mark>>,
    y: f32,
}

impl<'a> Sheet<'a> {
    /// An empty one.
    ///
    /// # Errors
    /// There is no font.
    pub fn new(fonts: &'a Fonts) -> Result<Self, PaperError> {
        Ok(Self {
            setter: fonts.setter()?,
            pages: vec![Vec::new()],
            y: MARGIN,
        })
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.pages.push(Vec::new());
            self.y = MARGIN;
        }
    }

    fn line(&mut self, x: f32, size: f32, text: String) {
        self.mark(Mark::Text {
            x,
            y: self.y + size * 1.1,
            size,
            text,
        });
    }

    /// The title, in the middle.
    pub fn title(&mut self, text: &str) {
        let text = self.setter.settable(text);
        for line in self.setter.lines(&text, 18.0, WIDTH - 2.0 * MARGIN) {
            self.room(18.0 * LEADING);
            let width: f32 = self
                .setter
                .runs(&line, 18.0)
                .iter()
                .map(|run| run.width)
                .sum();
            self.line((WIDTH - width) / 2.0, 18.0, line);
            self.y += 18.0 * LEADING;
        }
        self.y += 6.0;
    }

    /// The heading of a part.
    pub fn heading(&mut self, text: &str) {
        self.y += 8.0;
        self.room(60.0);
        let text = self.setter.settable(text);
        self.line(MARGIN, 12.0, text);
        self.y += 12.0 * LEADING;
    }

    /// Text over the whole width.
    pub fn text(&mut self, text: &str) {
        let text = self.setter.settable(text);
        for line in self.setter.lines(&text, TEXT, WIDTH - 2.0 * MARGIN) {
            self.room(TEXT * LEADING);
            self.line(MARGIN, TEXT, line);
            self.y += TEXT * LEADING;
        }
    }

    /// Facts: a word and its value a row. Those without a value are left out.
    pub fn facts(&mut self, facts: &[(&str, String)]) {
        let rows: Vec<_> = facts
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(word, value)| vec![(*word).to_owned(), value.clone()])
            .collect();
        self.rows(&[0.26, 0.74], &rows);
    }

    /// A table with a head; widths are shares of the whole.
    pub fn table(&mut self, shares: &[f32], head: &[&str], rows: &[Vec<String>]) {
        let head: Vec<_> = head.iter().map(|word| (*word).to_owned()).collect();
        let all: Vec<_> = std::iter::once(head).chain(rows.iter().cloned()).collect();
        self.rows(shares, &all);
    }

    fn rows(&mut self, shares: &[f32], rows: &[Vec<String>]) {
        let whole = WIDTH - 2.0 * MARGIN;
        let height = TEXT * LEADING;
        for row in rows {
            let cells: Vec<Vec<String>> = row
                .iter()
                .zip(shares)
                .map(|(cell, share)| {
                    let text = self.setter.settable(cell);
                    self.setter.lines(&text, TEXT, whole * share - 2.0 * PAD)
                })
                .collect();
            let longest = cells.iter().map(Vec::len).max().unwrap_or(0);
            let mut done = 0;
            // A row that is longer than what is left of the page goes on on the next one.
            while done < longest {
                self.room((height + 2.0 * PAD).min(BOTTOM - MARGIN));
                let left = BOTTOM - self.y - 2.0 * PAD;
                let mut fits = 1;
                while fits < longest - done && height * count(fits + 1) <= left {
                    fits += 1;
                }
                self.row(shares, &cells, done..done + fits);
                done += fits;
            }
        }
        self.y += 4.0;
    }

    fn row(&mut self, shares: &[f32], cells: &[Vec<String>], lines: std::ops::Range<usize>) {
        let whole = WIDTH - 2.0 * MARGIN;
        let height = TEXT * LEADING;
        let bottom = self.y + height * count(lines.len()) + 2.0 * PAD;
        let mut x = MARGIN;
        for (share, cell) in shares.iter().zip(cells) {
            let wide = whole * share;
            for (nth, line) in cell.iter().take(lines.end).skip(lines.start).enumerate() {
                self.mark(Mark::Text {
                    x: x + PAD,
                    y: self.y + PAD + height * count(nth) + TEXT * 1.1,
                    size: TEXT,
                    text: line.clone(),
                });
            }
            self.frame((x, self.y), (x + wide, bottom));
            x += wide;
        }
        self.y = bottom;
    }

    fn frame(&mut self, (left, top): (f32, f32), (right, bottom): (f32, f32)) {
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        for (nth, from) in corners.into_iter().enumerate() {
            self.mark(Mark::Line {
                from,
                to: corners[(nth + 1) % 4],
            });
        }
    }

    /// The whole as PDF. `mark` is drawn over every page, faintly; `foot` stands under each.
    ///
    /// # Errors
    /// The library fails.
    pub fn finish(mut self, title: &str, mark: &str, foot: &str) -> Result<Vec<u8>, PaperError> {
        let mut document = Document::new();
        document.set_metadata(Metadata::new().title(title.to_owned()));
        let (mark, foot) = (self.setter.settable(mark), self.setter.settable(foot));
        let pages = std::mem::take(&mut self.pages);
        let all = pages.len();
        for (nth, marks) in pages.into_iter().enumerate() {
            let settings = PageSettings::from_wh(WIDTH, HEIGHT)
                .ok_or_else(|| PaperError::Failed("A4".to_owned()))?;
            let mut page = document.start_page_with(settings);
            let mut surface = page.surface();
            watermark(&mut surface, &mut self.setter, &mark);
            for mark in marks {
                match mark {
                    Mark::Text { x, y, size, text } => {
                        set(&mut surface, &mut self.setter, (x, y), size, &text);
                    }
                    Mark::Line { from, to } => draw(&mut surface, from, to),
                }
            }
            let foot = format!("{foot}  {} / {all}", nth + 1);
            let lines = self.setter.lines(&foot, SMALL, WIDTH - 2.0 * MARGIN);
            for (line, text) in lines.iter().enumerate() {
                let y = HEIGHT - 44.0 + SMALL * LEADING * count(line);
                set(&mut surface, &mut self.setter, (MARGIN, y), SMALL, text);
            }
            surface.finish();
            page.finish();
        }
        document
            .finish()
            .map_err(|error| PaperError::Failed(format!("{error:?}")))
    }
}

/// So many lines, as a measure.
fn count(lines: usize) -> f32 {
    f32::from(u16::try_from(lines).unwrap_or(u16::MAX))
}

fn set(surface: &mut Surface<'_>, setter: &mut Setter<'_>, at: (f32, f32), size: f32, text: &str) {
    let mut x = at.0;
    for run in setter.runs(text, size) {
        let from = Point::from_xy(x, at.1);
        surface.draw_glyphs(from, &run.glyphs, run.font, &run.text, size, false);
        x += run.width;
    }
}

fn draw(surface: &mut Surface<'_>, from: (f32, f32), to: (f32, f32)) {
    let mut path = PathBuilder::new();
    path.move_to(from.0, from.1);
    path.line_to(to.0, to.1);
    if let Some(path) = path.finish() {
        surface.set_stroke(Some(Stroke {
            paint: luma::Color::new(90).into(),
            width: 0.5,
            ..Stroke::default()
        }));
        surface.draw_path(&path);
        surface.set_stroke(None);
    }
}

fn watermark(surface: &mut Surface<'_>, setter: &mut Setter<'_>, text: &str) {
    let size = 16.0;
    let width: f32 = setter.runs(text, size).iter().map(|run| run.width).sum();
    surface.set_fill(Some(Fill {
        paint: rgb::Color::new(120, 130, 145).into(),
        opacity: NormalizedF32::new(0.18).unwrap_or(NormalizedF32::ONE),
        rule: FillRule::NonZero,
    }));
    for part in [0.3, 0.7] {
        let y = HEIGHT * part;
        surface.push_transform(&Transform::from_rotate_at(-30.0, WIDTH / 2.0, y));
        set(surface, setter, ((WIDTH - width) / 2.0, y), size, text);
        surface.pop();
    }
    surface.set_fill(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian's `pdftotext` reads what was written, rare characters with it.
    #[test]
    fn rare_characters_can_be_read_out_of_the_pdf() {
        let fonts = Fonts::default();
        let Ok(mut sheet) = Sheet::new(&fonts) else {
            println!("skipped: no font for Chinese on this machine");
            return;
        };
        sheet.title("资源申请书");
        sheet.facts(&[("申请人", "𠮷䶮㴞 ( 1 )".into()), ("空", String::new())]);
        sheet.text(&"第一行很长的文字，需要折行。".repeat(200));
        sheet.table(
            &[0.5, 0.5],
            &["a", "b"],
            &[vec!["x\u{202e}y".into(), "😀".into()]],
        );
        let pdf = sheet.finish("t", "gd-admin 2026-11-24", "f").unwrap();
        assert!(
            pdf.len() < 400_000,
            "only what is used is embedded: {}",
            pdf.len()
        );
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("a.pdf");
        std::fs::write(&file, pdf).unwrap();
        let text = std::process::Command::new("pdftotext")
            .args(["-layout"])
            .arg(&file)
            .arg("-")
            .output();
        let Ok(text) = text else {
            println!("skipped: pdftotext (poppler-utils) is not installed");
            return;
        };
        let text = String::from_utf8(text.stdout).unwrap();
        for part in ["资源申请书", "𠮷䶮㴞", "xy", "[U+1F600]"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains('\u{c}'), "more than one page");
    }
}
