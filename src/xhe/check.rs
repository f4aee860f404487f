//! Holding an envelope against its schema and rules, while it is read once.

use super::collect::Collector;
use super::header::Header;
use super::{rules, schema};
use crate::model::Finding;
use crate::xml::validate::{Validator, Violation};
use crate::xml::{Event, Limits, Reader, XmlError};
use std::io::Read;

/// By which rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// XSD and Schematron as Digg publishes them, with their gaps (C-19).
    Schematron,
    /// The text of the Kuverteringsprofil, which is stricter.
    Text,
}

/// Why an envelope could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum XheError {
    /// Not XML, beyond a limit, or not readable.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The header, where it is complete and its identifiers have the form of identifiers.
    pub header: Option<Header>,
    /// What was found, the schema's part first.
    pub findings: Vec<Finding>,
    /// Signatures below the root; whether they hold is not said.
    pub signatures: usize,
    /// Why there is no header.
    missing: Option<Box<Finding>>,
}

impl Checked {
    /// The header of an envelope without errors.
    ///
    /// # Errors
    ///
    /// The findings, at least one of them an error.
    pub fn accepted(self) -> Result<Header, Vec<Finding>> {
        let refused = self.is_refused();
        let mut findings = self.findings;
        match self.header {
            Some(header) if !refused => Ok(header),
            _ => {
                if !refused {
                    findings.extend(self.missing.map(|finding| *finding));
                }
                Err(findings)
            }
        }
    }

    /// Whether there is an error among the findings.
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Checks an envelope of any size.
///
/// # Errors
///
/// [`XheError`] where there is nothing to check: not XML, too large, not readable.
pub fn check<R: Read>(envelope: R, level: Level) -> Result<Checked, XheError> {
    let limits = Limits { document_bytes: crate::limits::ENVELOPE_BYTES_MAX, ..Limits::default() };
    let mut reader = Reader::with_limits(envelope, limits);
    let mut validator = Validator::new(&schema::SCHEMA);
    let mut collector = Collector::default();
    loop {
        let event = reader.next()?;
        validator.event(&event);
        collector.event(&event);
        if event == Event::Eof {
            break;
        }
    }
    let mut findings: Vec<Finding> = validator.violations().iter().map(finding).collect();
    findings.extend(rules::judge(&collector, level));
    let (header, missing) = match collector.header() {
        Ok(header) => (Some(header), None),
        Err(finding) => (None, Some(Box::new(finding))),
    };
    Ok(Checked { header, findings, signatures: collector.signatures, missing })
}

/// A violation of the schema makes an envelope non-conformant (XHE-2.5.a).
fn finding(violation: &Violation) -> Finding {
    Finding::error("XHE-2.5.a", &violation.path, &violation.found, &violation.expected)
}
