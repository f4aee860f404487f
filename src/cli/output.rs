//! What commands say: JSON for programs, text for people, and nothing that a terminal would obey.

use crate::model::Problem;
use serde::Serialize;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Standard output, in one of two languages.
pub struct Output {
    json: bool,
    out: Mutex<Box<dyn Write + Send>>,
}

impl Output {
    /// To standard output.
    pub fn new(json: bool) -> Self {
        Self::to(json, Box::new(io::stdout()))
    }

    /// To any writer.
    pub fn to(json: bool, out: Box<dyn Write + Send>) -> Self {
        Self { json, out: Mutex::new(out) }
    }

    /// Whether programs are listening.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One object in JSON, or the text.
    ///
    /// # Errors
    ///
    /// When nothing can be written, as when a pipe is closed.
    pub fn record<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> io::Result<()> {
        let mut out = self.lock();
        if self.json {
            serde_json::to_writer(&mut *out, value)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", printable(&text()))?;
        }
        out.flush()
    }

    /// A list: JSON Lines, or a table. `none` is said where a table would be empty.
    ///
    /// # Errors
    ///
    /// When nothing can be written.
    pub fn list<T: Serialize>(&self, values: &[T], table: impl FnOnce() -> Table, none: &str) -> io::Result<()> {
        let mut out = self.lock();
        if self.json {
            for value in values {
                serde_json::to_writer(&mut *out, value)?;
                writeln!(out)?;
            }
        } else if values.is_empty() {
            writeln!(out, "{none}")?;
        } else {
            write!(out, "{}", table().text())?;
        }
        out.flush()
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`Output::problems`] of one.
    pub fn problem(&self, problem: &Problem) -> u8 {
        self.problems(std::slice::from_ref(problem))
    }

    /// What failed: in JSON one object under `error` on standard output, with a list `errors` where there are several;
    /// else a line each on standard error. Returns the exit status.
    pub fn problems(&self, problems: &[Problem]) -> u8 {
        if !self.json {
            for problem in problems {
                // Where nobody listens any more, the exit status still tells.
                let _ = writeln!(io::stderr(), "sluss: {}", printable(&problem.to_string()));
            }
        } else if let Some(first) = problems.first() {
            let details: Vec<&str> = problems.iter().map(|problem| problem.detail.as_str()).collect();
            let errors = if problems.len() > 1 { problems } else { &[] };
            let error = Failed { first: &Problem { detail: details.join("; "), ..first.clone() }, errors };
            let _ = self.record(&serde_json::json!({ "error": error }), String::new);
        }
        problems.first().map_or(2, Problem::exit_status)
    }
}

/// One failure, or the first of several with all of them in a list.
#[derive(Serialize)]
struct Failed<'a> {
    #[serde(flatten)]
    first: &'a Problem,
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    errors: &'a [Problem],
}

/// Rows under headings, aligned.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| one_line(&cell)).collect());
    }

    /// The lines of the table; the last column is not padded.
    pub fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// The text without control characters and without marks that change the direction of writing: what
/// a stranger wrote must not move the cursor, set the title or hide its end.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || !is_command(c) { c } else { '\u{fffd}' }).collect()
}

/// [`printable`], on one line: a line break is a space.
pub fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ").chars().map(|c| if is_command(c) { '\u{fffd}' } else { c }).collect()
}

fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::{Table, one_line, printable};

    #[test]
    fn columns_are_aligned_also_with_swedish_letters() {
        let mut table = Table::new(&["id", "label"]);
        table.row(["å".to_owned(), "b".to_owned()]);
        table.row(["long one".to_owned(), "c\nd".to_owned()]);
        assert_eq!(table.text(), "id        label\nå         b\nlong one  c d\n");
    }

    #[test]
    fn a_label_cannot_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c"), "a\u{fffd}[2J\nb\u{fffd}c");
        assert_eq!(one_line("a\r\nb\u{7}"), "a b\u{fffd}");
    }
}
