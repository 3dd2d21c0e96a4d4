//! Tables as files: CSV that Excel and WPS open without garbling and without running anything.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use crate::error::AppError;

/// A table as CSV: a byte-order mark, quoting as RFC 4180 has it, and no cell that a spreadsheet takes for a formula.
///
/// # Errors
/// Writing into memory fails.
pub fn csv(file: &str, head: &[&str], rows: &[Vec<String>]) -> Result<Response, AppError> {
    let text = text(head, rows).map_err(AppError::internal)?;
    let safe: String = file
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .collect();
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{safe}\""),
        ),
    ];
    Ok((headers, text).into_response())
}

fn text(head: &[&str], rows: &[Vec<String>]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(head.iter().map(|cell| inert(cell)))?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| inert(cell)))?;
    }
    Ok(writer.into_inner()?)
}

/// A cell that is text and nothing else. Plain negative numbers stay numbers.
pub(crate) fn inert(cell: &str) -> String {
    let number = cell.parse::<f64>().is_ok();
    if !number && cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_reads_it_and_runs_nothing() {
        let rows = [vec![
            "=cmd|'/c calc'!A1".into(),
            "市公安局, \"main\"".into(),
            "-5".into(),
            "@x".into(),
        ]];
        let text = String::from_utf8(text(&["名称", "b", "c", "d"], &rows).unwrap()).unwrap();
        assert!(text.starts_with('\u{feff}'));
        assert!(
            text.contains("'=cmd|'/c calc'!A1,\"市公安局, \"\"main\"\"\",-5,'@x\r\n"),
            "{text}"
        );
    }
}
