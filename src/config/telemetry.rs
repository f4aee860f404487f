//! `[telemetry]`: who collects traces.

use super::alert::check_url;
use crate::model::Problem;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A collector of traces, by OTLP over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Base URL of the collector, as `http://127.0.0.1:4318`: https, or http to a loopback address. Spans go to `/v1/traces` below it.
    pub endpoint: String,
    /// PEM files: the issuer of the collector's certificate. The system's are not believed.
    #[serde(default)]
    pub anchor_files: Vec<PathBuf>,
}

impl Telemetry {
    /// Makes every path absolute.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.anchor_files.iter_mut().for_each(|path| *path = folder.join(&*path));
    }

    /// What types alone cannot say.
    pub(super) fn check(&self, found: &mut Vec<Problem>) {
        check_url(&self.endpoint, &self.anchor_files, ("telemetry", "endpoint"), found);
    }
}
