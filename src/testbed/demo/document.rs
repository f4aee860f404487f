//! The document that the demo sends.

use crate::model::ParticipantId;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

/// The document to send: the one given, or a page that says what it is.
pub(super) fn document(given: Option<&Path>, from: &ParticipantId, number: u32) -> io::Result<(String, String, File)> {
    if let Some(path) = given {
        let name = path.file_name().map_or_else(|| "dokument".into(), |name| name.to_string_lossy().into_owned());
        let mime = if name.to_lowercase().ends_with(".pdf") { "application/pdf" } else { "application/octet-stream" };
        return Ok((name, mime.to_owned(), File::open(path)?));
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(page(&format!("Beslut 2026-{:04} fran {from}. Exempel, inte pa riktigt.", number + 1)).as_bytes())?;
    file.rewind()?;
    Ok(("beslut.pdf".to_owned(), "application/pdf".to_owned(), file))
}

/// A PDF of one line (PDF 32000-1, 7.5): enough for a reader to open it.
fn page(line: &str) -> String {
    let content = format!("BT /F1 14 Tf 60 760 Td ({line}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut text = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (index, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", text.len()));
        text.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    let start = text.len();
    text.push_str(&format!("xref\n0 6\n{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"));
    text
}
