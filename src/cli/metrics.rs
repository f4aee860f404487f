//! `sluss metrics`: what each metric is, and files for those who watch.

use super::args::MetricsOptions;
use super::output::{Output, Table};
use super::unprinted;
use crate::metrics::{ALL, DASHBOARD, RULES, reference};
use crate::model::Problem;

/// Prints the reference, or one of the files as it is.
pub(super) fn run(options: &MetricsOptions, out: &mut Output) -> Result<u8, Problem> {
    let file = match options {
        MetricsOptions { reference: true, .. } => Some(reference()),
        MetricsOptions { rules: true, .. } => Some(RULES.to_owned()),
        MetricsOptions { dashboard: true, .. } => Some(DASHBOARD.to_owned()),
        _ => None,
    };
    let printed = match file {
        Some(text) => out.record(&serde_json::json!({ "text": text }), || text.trim_end().to_owned()),
        None => out.list(ALL, table, "no metrics"),
    };
    printed.map_err(|error| unprinted(&error))?;
    Ok(0)
}

fn table() -> Table {
    let mut table = Table::new(&["metric", "labels", "what it is", "what a rise means", "what to do"]);
    for metric in ALL {
        let cells = [metric.name, &metric.labels.join(","), metric.what, metric.means, metric.remedy];
        table.row(cells.map(str::to_owned));
    }
    table
}
