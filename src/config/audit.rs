//! The event log's anchors.

use super::mistake;
use crate::model::Problem;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where the end of the event log's chain is noted, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The file to which signed anchors are added: on another machine, or where this user may only append. With it,
    /// `sluss audit verify` finds a journal that was cut or written anew as a whole. Default: none.
    pub anchor_file: Option<PathBuf>,
    /// How often an anchor is added while something is recorded, in minutes; sooner after 10,000 records. Default 60.
    pub anchor_minutes: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self { anchor_file: None, anchor_minutes: 60 }
    }
}

impl Audit {
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.anchor_file = self.anchor_file.as_ref().map(|file| folder.join(file));
    }

    pub(super) fn check(&self, data_dir: &Path, found: &mut Vec<Problem>) {
        if let Some(file) = self.anchor_file.as_ref().filter(|file| file.starts_with(data_dir)) {
            let remedy = "whoever can change the journal could change it, too; give a file outside data_dir";
            found.push(mistake("audit.anchor_file", file.display(), remedy));
        }
        if self.anchor_minutes == 0 {
            found.push(mistake("audit.anchor_minutes", 0, "use 1 or more"));
        }
    }
}
