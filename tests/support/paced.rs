//! Configurations of a testbed that try again at another pace.

/// A testbed's configuration with other paces of trying again; `tables` end with the head of the federation's.
pub(crate) fn paced(text: &str, tables: &str) -> String {
    let (before, rest) = text.split_once("[retry]").unwrap();
    format!("{before}{tables}{}", rest.split_once("[federation]").unwrap().1)
}
