//! Tables as files: CSV and XLSX that Excel and WPS open without garbling and without running anything. Each list has both,
//! by one handler: which one is meant is said by the address.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use rust_xlsxwriter::{Color, DocProperties, Format, FormatAlign, FormatBorder, Workbook};

use crate::ages;
use crate::error::AppError;
use crate::live::Visit;

/// A spreadsheet holds no more.
const ROWS: usize = 1_048_000;
/// And no more characters in a cell.
const CELL: usize = 32_000;
/// Digits that a spreadsheet keeps; longer numbers stay text.
const DIGITS: usize = 15;
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A table on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// The name of the file, without its ending.
    pub file: &'a str,
    /// Its columns.
    pub head: &'a [&'a str],
    /// Its rows.
    pub rows: &'a [Vec<String>],
    /// Whether who took it and when is written into it also as a row: topology, weaknesses, the ledger.
    pub sensitive: bool,
}

/// A table as the address of the visit ends: `.xlsx`, else CSV.
///
/// # Errors
/// Writing into memory fails.
pub fn table(visit: &Visit, table: Table<'_>) -> Result<Response, AppError> {
    let taken = taken(visit);
    if std::path::Path::new(&visit.reader.path)
        .extension()
        .is_some_and(|ending| ending == "xlsx")
    {
        let bytes = xlsx(table, &taken).map_err(AppError::internal)?;
        return Ok(file(table.file, ("xlsx", XLSX), bytes));
    }
    let bytes = csv(table, &taken).map_err(AppError::internal)?;
    Ok(file(table.file, ("csv", "text/csv; charset=utf-8"), bytes))
}

/// A file to keep.
#[must_use]
pub fn file(name: &str, (ending, kind): (&str, &str), bytes: Vec<u8>) -> Response {
    let safe: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .collect();
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{safe}.{ending}\""),
        ),
    ];
    (headers, bytes).into_response()
}

/// Who takes it, and when.
#[must_use]
pub fn taken(visit: &Visit) -> String {
    let lang = visit.reader.lang;
    let moment = ages::moment(lang, visit.now, visit.now);
    let figures = [
        ("person", visit.session.user.name.as_str()),
        ("time", moment.exact.as_str()),
    ];
    lang.say("export.taken", &figures)
}

/// A byte-order mark, quoting as RFC 4180 has it, and no cell that a spreadsheet takes for a formula.
fn csv(table: Table<'_>, taken: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(table.head.iter().map(|cell| inert(cell)))?;
    for row in table.rows {
        writer.write_record(row.iter().map(|cell| inert(cell)))?;
    }
    if table.sensitive {
        writer.write_record([inert(taken)])?;
    }
    Ok(writer.into_inner()?)
}

/// A sheet with a head that stays, filters, and who took it in the print's margin. Text is written as text: nothing in it is
/// ever a formula, also not when somebody edits the cell.
fn xlsx(table: Table<'_>, taken: &str) -> Result<Vec<u8>, rust_xlsxwriter::XlsxError> {
    let mut book = Workbook::new();
    book.set_properties(&DocProperties::new().set_comment(taken));
    let sheet = book.add_worksheet();
    let head = Format::new()
        .set_bold()
        .set_background_color(Color::RGB(0x00E8_F0FB))
        .set_border_bottom(FormatBorder::Thin)
        .set_text_wrap();
    let text = Format::new().set_align(FormatAlign::Top).set_text_wrap();
    let inert = text.clone().set_quote_prefix();
    let mut widths = vec![8.0_f64; table.head.len()];
    for (column, cell) in (0_u16..).zip(table.head) {
        sheet.write_string_with_format(0, column, *cell, &head)?;
        widen(&mut widths, column, cell);
    }
    for (line, row) in (1_u32..).zip(table.rows.iter().take(ROWS)) {
        for (column, cell) in (0_u16..).zip(row) {
            widen(&mut widths, column, cell);
            match number(cell) {
                Some(number) => sheet.write_number_with_format(line, column, number, &text)?,
                None if is_formula(cell) => {
                    sheet.write_string_with_format(line, column, short(cell), &inert)?
                }
                None => sheet.write_string_with_format(line, column, short(cell), &text)?,
            };
        }
    }
    for (column, width) in (0_u16..).zip(&widths) {
        sheet.set_column_width(column, *width)?;
    }
    let lines = u32::try_from(table.rows.len().min(ROWS)).unwrap_or(u32::MAX);
    if let Some(last) = table.head.len().checked_sub(1) {
        let last = u16::try_from(last).unwrap_or(u16::MAX);
        sheet.autofilter(0, 0, lines, last)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_repeat_rows(0, 0)?;
    sheet
        .set_landscape()
        .set_paper_size(9)
        .set_print_fit_to_pages(1, 0);
    let margin = taken.replace('&', "&&");
    sheet.set_header(format!("&L{margin}"));
    sheet.set_footer("&C&P / &N");
    if table.sensitive {
        sheet.write_string(lines.saturating_add(2), 0, taken)?;
    }
    book.save_to_buffer()
}

fn widen(widths: &mut [f64], column: u16, cell: &str) {
    if let Some(width) = widths.get_mut(usize::from(column)) {
        let columns: u32 = cell
            .chars()
            .take(60)
            .map(|c| if c.is_ascii() { 1 } else { 2 })
            .sum();
        *width = width.max(f64::from(columns) + 2.0).min(60.0);
    }
}

fn short(cell: &str) -> String {
    cell.chars().take(CELL).collect()
}

/// A number that a spreadsheet keeps exactly as it is written; everything else stays text.
fn number(cell: &str) -> Option<f64> {
    let bare = cell.strip_prefix('-').unwrap_or(cell);
    let plain = bare.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let leading = bare.starts_with('0') && bare.len() > 1 && !bare.starts_with("0.");
    if !plain || leading || bare.len() > DIGITS || bare.starts_with('.') || bare.ends_with('.') {
        return None;
    }
    cell.parse().ok()
}

fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

/// A cell that is text and nothing else. Plain negative numbers stay numbers.
pub(crate) fn inert(cell: &str) -> String {
    if cell.parse::<f64>().is_err() && is_formula(cell) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dangerous() -> Vec<Vec<String>> {
        let cells = [
            "=cmd|'/c calc'!A1",
            "市公安局, \"main\"",
            "-5",
            "@x",
            "007",
            "𠮷 & <b>",
        ];
        vec![cells.map(str::to_owned).to_vec()]
    }

    fn of(rows: &[Vec<String>], sensitive: bool) -> Table<'_> {
        Table {
            file: "t",
            head: &["名称", "b", "c", "d", "e", "f"],
            rows,
            sensitive,
        }
    }

    #[test]
    fn a_spreadsheet_reads_it_and_runs_nothing() {
        let rows = dangerous();
        let text = String::from_utf8(csv(of(&rows, true), "=taken").unwrap()).unwrap();
        assert!(text.starts_with('\u{feff}'));
        assert!(
            text.contains("'=cmd|'/c calc'!A1,\"市公安局, \"\"main\"\"\",-5,'@x,007,"),
            "{text}"
        );
        assert!(text.trim_end().ends_with("'=taken"), "{text}");
    }

    #[test]
    fn numbers_are_those_that_a_spreadsheet_keeps() {
        assert_eq!(number("-5"), Some(-5.0));
        assert_eq!(number("0.25"), Some(0.25));
        for text in [
            "007",
            "1e5",
            "440800000000000001",
            "",
            ".",
            "1.",
            "inf",
            "3,372",
            "٣",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    /// A part of a sheet, as a spreadsheet reads it.
    fn part(bytes: &[u8], name: &str) -> String {
        use std::io::Read as _;
        let mut book = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        let mut part = book.by_name(name).unwrap();
        part.read_to_string(&mut text).unwrap();
        text
    }

    /// What stands between two marks, of each place where they are.
    fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
        let parts = text.split(from).skip(1);
        parts.filter_map(|rest| rest.split(to).next()).collect()
    }

    #[test]
    fn a_sheet_that_is_read_back_has_text_where_text_was_and_no_formula_anywhere() {
        let rows = dangerous();
        let bytes = xlsx(of(&rows, true), "=taken R&D").unwrap();
        let sheet = part(&bytes, "xl/worksheets/sheet1.xml");
        assert!(!sheet.contains("<f>") && !sheet.contains("<f "), "{sheet}");
        let strings = part(&bytes, "xl/sharedStrings.xml");
        let strings = between(&strings, "<si><t>", "</t></si>");
        let cell = |place: &str| {
            let cell = between(&sheet, &format!("<c r=\"{place}\""), "</c>")[0];
            let value = between(cell, "<v>", "</v>")[0];
            if cell.contains("t=\"s\"") {
                strings[value.parse::<usize>().unwrap()].to_owned()
            } else {
                format!("number {value}")
            }
        };
        let read = ["A2", "B2", "C2", "D2", "E2", "F2", "A4"].map(cell);
        let written = [
            "=cmd|'/c calc'!A1",
            "市公安局, \"main\"",
            "number -5",
            "@x",
            "007",
            "𠮷 &amp; &lt;b&gt;",
            "=taken R&amp;D",
        ];
        assert_eq!(read, written);
        // What looks like a formula stays text also when somebody edits the cell.
        let styles = part(&bytes, "xl/styles.xml");
        let styles = between(&styles, "<cellXfs", "</cellXfs>")[0];
        let quoted: Vec<_> = between(styles, "<xf ", ">")
            .iter()
            .map(|style| style.contains("quotePrefix=\"1\""))
            .collect();
        let style = |place: &str| {
            let cell = between(&sheet, &format!("<c r=\"{place}\""), ">")[0];
            between(cell, " s=\"", "\"")[0].parse::<usize>().unwrap()
        };
        assert_eq!(
            ["A2", "D2", "B2"].map(|place| quoted[style(place)]),
            [true, true, false]
        );
    }
}
