//! What is damaged between two runs: the index in any way, the journal only behind its last record.

use crate::support::chance::Chance;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    /// The index is gone.
    Deleted,
    /// Its files are cut.
    Truncated,
    /// Its files are filled with something else.
    Garbled,
    /// Behind the last record of the journal is what a write leaves that was broken off.
    Torn,
}

impl Damage {
    /// One in every second case.
    pub(super) fn by(chance: &mut Chance) -> Option<Self> {
        let all = [Self::Deleted, Self::Truncated, Self::Garbled, Self::Torn];
        chance.percent(50).then(|| all[chance.below(all.len())])
    }

    /// Does it, and says what was done.
    pub(super) fn inflict(self, data: &Path, chance: &mut Chance) -> String {
        let index = data.join("index");
        match self {
            Self::Deleted => {
                fs::remove_dir_all(&index).unwrap();
                "its index is deleted".into()
            }
            Self::Truncated => {
                let sixteenths = chance.below(16) as u64;
                for file in files(&index) {
                    let file = OpenOptions::new().write(true).open(file).unwrap();
                    file.set_len(file.metadata().unwrap().len() * sixteenths / 16).unwrap();
                }
                format!("its index is cut to {sixteenths}/16")
            }
            Self::Garbled => {
                for file in files(&index) {
                    let length = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
                    fs::write(file, chance.bytes(length)).unwrap();
                }
                "its index is filled with garbage".into()
            }
            Self::Torn => tear(&data.join("journal"), chance),
        }
    }

    /// The daemon has said what it did about it.
    pub(super) fn expect_said(self, log: &str) {
        let said = match self {
            Self::Deleted | Self::Garbled => "the index was built again from the journal",
            Self::Torn => "a torn tail of the journal",
            // What was cut off may have held nothing yet.
            Self::Truncated => "the store is open",
        };
        assert!(log.contains(said), "{self:?}, and the log does not say {said:?}: {log}");
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Writes garbage, or the beginning of a record, behind the last record.
fn tear(journal: &Path, chance: &mut Chance) -> String {
    let newest = files(journal).into_iter().max().expect("a segment");
    let bytes = fs::read(&newest).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // Behind the head of the segment comes its first record, if there is one.
    let begun = bytes.get(64..164).filter(|begun| begun.iter().any(|byte| *byte != 0));
    let torn = match begun.filter(|_| chance.percent(50)) {
        Some(begun) => begun.to_vec(),
        None => {
            let count = 1 + chance.below(3000);
            chance.bytes(count)
        }
    };
    OpenOptions::new().write(true).open(&newest).unwrap().write_all_at(&torn, end as u64).unwrap();
    format!("{} bytes are behind the end of its journal", torn.len())
}
