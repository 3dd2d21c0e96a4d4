//! Fonts of the machine, read once when the first form is made; and text measured and taken apart by them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use krilla::text::{Font, GlyphId, KrillaGlyph};
use ttf_parser::Face;

use super::PaperError;

/// Where Debian, Red Hat and Alpine have fonts for Chinese.
const USUAL: [&str; 6] = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
];

/// The fonts that forms are set in, in the order in which they are asked for a character.
#[derive(Debug, Default)]
pub struct Fonts {
    paths: Vec<PathBuf>,
    read: OnceLock<Result<Vec<Type>, String>>,
}

/// One font.
struct Type {
    data: Arc<Vec<u8>>,
    index: u32,
    font: Font,
}

impl std::fmt::Debug for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "font {} of {} bytes", self.index, self.data.len())
    }
}

/// A character's place in the fonts.
#[derive(Clone, Copy, Debug)]
struct Glyph {
    font: usize,
    id: u16,
    /// In parts of the size.
    advance: f32,
}

/// A stretch of text that one font has.
pub(super) struct Run {
    pub(super) font: Font,
    pub(super) text: String,
    pub(super) glyphs: Vec<KrillaGlyph>,
    pub(super) width: f32,
}

/// Sets text: knows how wide it is, and where it may be broken.
pub(super) struct Setter<'a> {
    fonts: Vec<(Face<'a>, Font)>,
    known: HashMap<char, Option<Glyph>>,
}

impl Fonts {
    /// Fonts from these files; those of the machine where none is named.
    #[must_use]
    pub fn of(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            read: OnceLock::new(),
        }
    }

    pub(super) fn setter(&self) -> Result<Setter<'_>, PaperError> {
        let types = self.read.get_or_init(|| read(&self.paths));
        let types = types.as_ref().map_err(|e| PaperError::NoFont(e.clone()))?;
        let faces = types.iter().filter_map(|one| {
            let face = Face::parse(&one.data, one.index).ok()?;
            Some((face, one.font.clone()))
        });
        Ok(Setter {
            fonts: faces.collect(),
            known: HashMap::new(),
        })
    }
}

fn read(named: &[PathBuf]) -> Result<Vec<Type>, String> {
    let mut types = Vec::new();
    for path in named {
        types.push(one(path).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    if named.is_empty() {
        types.extend(USUAL.iter().filter_map(|path| one(Path::new(path)).ok()));
    }
    if types.is_empty() {
        return Err(USUAL.join(", "));
    }
    Ok(types)
}

/// A font of a file; of a collection the one for simplified Chinese.
fn one(path: &Path) -> Result<Type, String> {
    let data = Arc::new(std::fs::read(path).map_err(|error| error.to_string())?);
    let count = ttf_parser::fonts_in_collection(&data).unwrap_or(1);
    let simplified = |index: &u32| {
        let face = Face::parse(&data, *index);
        face.is_ok_and(|face| {
            let names = face.names().into_iter().filter_map(|name| name.to_string());
            names.into_iter().any(|name| name.ends_with(" SC"))
        })
    };
    let index = (0..count).find(simplified).unwrap_or(0);
    let font = Font::new(krilla::Data::from(Arc::clone(&data)), index);
    Ok(Type {
        font: font.ok_or("it is no font")?,
        data,
        index,
    })
}

impl Setter<'_> {
    fn glyph(&mut self, c: char) -> Option<Glyph> {
        let fonts = &self.fonts;
        *self.known.entry(c).or_insert_with(|| {
            fonts.iter().enumerate().find_map(|(font, (face, _))| {
                let id = face.glyph_index(c)?;
                let advance = f32::from(face.glyph_hor_advance(id)?);
                Some(Glyph {
                    font,
                    id: id.0,
                    advance: advance / f32::from(face.units_per_em()),
                })
            })
        })
    }

    /// Text as it can be set: line ends are line ends, other control characters and marks of direction are left out, and
    /// what no font has is written as its code point.
    pub(super) fn settable(&mut self, text: &str) -> String {
        let mut settable = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\n' => settable.push('\n'),
                '\t' => settable.push(' '),
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                c if c.is_control() => {}
                c if self.glyph(c).is_some() => settable.push(c),
                c => {
                    let _infallible = write!(settable, "[U+{:04X}]", u32::from(c));
                }
            }
        }
        settable
    }

    fn width(&mut self, c: char, size: f32) -> f32 {
        self.glyph(c).map_or(0.0, |glyph| glyph.advance * size)
    }

    /// Lines that fit a width, of text that is settable.
    pub(super) fn lines(&mut self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            let mut line = String::new();
            let (mut used, mut last_break) = (0.0, 0);
            for c in paragraph.chars() {
                let wide = self.width(c, size);
                if used + wide > width && !line.is_empty() && !hangs(c) {
                    let at = if last_break > 0 {
                        last_break
                    } else {
                        line.len()
                    };
                    let rest = line.split_off(at);
                    lines.push(line.trim_end().to_owned());
                    rest.trim_start().clone_into(&mut line);
                    used = line.chars().map(|c| self.width(c, size)).sum();
                    last_break = 0;
                }
                if line
                    .chars()
                    .last()
                    .is_some_and(|before| may_break(before, c))
                {
                    last_break = line.len();
                }
                line.push(c);
                used += wide;
            }
            lines.push(line);
        }
        lines
    }

    /// The stretches of a line, each of one font.
    pub(super) fn runs(&mut self, line: &str, size: f32) -> Vec<Run> {
        let mut runs: Vec<(usize, Run)> = Vec::new();
        for c in line.chars() {
            let Some(glyph) = self.glyph(c) else { continue };
            if runs.last().is_none_or(|(font, _)| *font != glyph.font) {
                let run = Run {
                    font: self.fonts[glyph.font].1.clone(),
                    text: String::new(),
                    glyphs: Vec::new(),
                    width: 0.0,
                };
                runs.push((glyph.font, run));
            }
            if let Some((_, run)) = runs.last_mut() {
                let start = run.text.len();
                run.text.push(c);
                run.width += glyph.advance * size;
                run.glyphs.push(placed(glyph, start..run.text.len()));
            }
        }
        runs.into_iter().map(|(_, run)| run).collect()
    }
}

fn placed(glyph: Glyph, text_range: Range<usize>) -> KrillaGlyph {
    KrillaGlyph {
        glyph_id: GlyphId::new(u32::from(glyph.id)),
        text_range,
        x_advance: glyph.advance,
        x_offset: 0.0,
        y_offset: 0.0,
        y_advance: 0.0,
        location: None,
    }
}

/// Words of letters and digits stay together; Chinese is broken anywhere.
fn may_break(before: char, after: char) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "-_.@/:+".contains(c);
    let word = letter(before) && letter(after);
    !word && !hangs(after)
}

/// What begins no line.
fn hangs(c: char) -> bool {
    "\u{ff0c}\u{3002}\u{3001}\u{ff1b}\u{ff1a}\u{ff01}\u{ff1f}\u{ff09}\u{3011}\u{300b}\u{201d}\u{2019},.;:!?)%".contains(c)
}
