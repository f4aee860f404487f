//! The event log's chain: what the daemon notes of it, and what its commands ask.

use super::materials::Materials;
use super::upkeep::chain_hash;
use crate::access_point::{Router, store_problem};
use crate::audit::{self, Anchor, AnchorError, Expected, PackageError, Source, Summary, Verified};
use crate::config::Config;
use crate::limits::{ANCHOR_LOOK_EVERY, ANCHOR_RECORDS_MAX};
use crate::model::{Clock, Fault, MessageId, Problem};
use crate::store::embedded::EmbeddedStore;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Adds anchors to a file while the daemon runs.
pub(super) struct Anchoring {
    pub(super) store: Arc<EmbeddedStore>,
    pub(super) router: Arc<Router>,
    pub(super) clock: Arc<dyn Clock>,
    /// None: nothing is noted.
    pub(super) file: Option<PathBuf>,
    pub(super) every: Duration,
    pub(super) noted: Mutex<Noted>,
}

/// What was noted last.
#[derive(Default)]
pub(super) struct Noted {
    record: u64,
    at: Option<Instant>,
}

impl Anchoring {
    /// As the configuration asks.
    pub(super) fn of(
        config: &Config,
        store: &Arc<EmbeddedStore>,
        router: &Arc<Router>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            router: Arc::clone(router),
            clock: Arc::clone(clock),
            file: config.audit.anchor_file.clone(),
            every: Duration::from_secs(config.audit.anchor_minutes.saturating_mul(60)),
            noted: Mutex::default(),
        })
    }

    /// Notes the end of the chain at the start, and as often as is asked while something is recorded.
    pub(super) async fn run(self: &Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            self.note(false).await;
            tokio::select! {
                () = tokio::time::sleep(ANCHOR_LOOK_EVERY) => {}
                _ = stop.wait_for(|end| *end) => return,
            }
        }
    }

    /// Notes the end of the chain when nothing is written any more.
    pub(super) async fn note_last(self: &Arc<Self>) {
        self.note(true).await;
    }

    async fn note(self: &Arc<Self>, ending: bool) {
        let Some(file) = self.file.clone() else { return };
        let keeper = Arc::clone(self);
        let step = tokio::task::spawn_blocking(move || keeper.step(&file, ending)).await;
        if let Err(error) = step.unwrap_or_else(|error| Err(AnchorError::File(error.to_string()))) {
            tracing::error!(%error, "the event log has no new anchor");
        }
    }

    fn step(&self, file: &Path, ending: bool) -> Result<(), AnchorError> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.store.head().map_err(|error| AnchorError::File(error.to_string()))?;
        let Some((record, chain)) = head else { return Ok(()) };
        if noted.at.is_none() {
            missing(file, record)?;
        }
        let due = noted.at.is_none_or(|at| at.elapsed() >= self.every) || record - noted.record >= ANCHOR_RECORDS_MAX;
        if record == noted.record || !(due || ending) {
            return Ok(());
        }
        let settings = self.router.settings();
        audit::append(file, &Anchor::sign(&settings.identity, &settings.party, (record, &chain), self.clock.now())?)?;
        *noted = Noted { record, at: Some(Instant::now()) };
        Ok(())
    }
}

/// Says aloud where the journal has not even the records that were noted before.
fn missing(file: &Path, record: u64) -> Result<(), AnchorError> {
    let noted = if file.exists() { audit::read(file)? } else { Vec::new() };
    if let Some(ahead) = noted.iter().map(|anchor| anchor.record).max().filter(|ahead| *ahead > record) {
        tracing::error!(
            record,
            ahead,
            "the journal ends before a record that has an anchor: look at `sluss audit verify`"
        );
    }
    Ok(())
}

/// Holds the chain in a folder against what was noted of it. `config` says which folder, whose anchors are trusted, and
/// where they are, as far as that is not given.
///
/// # Errors
///
/// Where there is no store, or a file cannot be read.
pub fn verify(
    config: Option<&Config>,
    folder: &Path,
    noted: &[Expected],
    files: &[PathBuf],
) -> Result<Verified, Vec<Problem>> {
    let one = |problem| vec![problem];
    let materials = config.map(Materials::read).transpose()?;
    let own = config.and_then(|config| config.audit.anchor_file.as_ref()).filter(|file| file.exists());
    let files = if files.is_empty() { own.as_slice() } else { &files.iter().collect::<Vec<_>>() };
    let (mut expected, mut doubted) = (noted.to_vec(), Vec::new());
    for file in files {
        for anchor in audit::read(file).map_err(|error| one(problem(&error)))? {
            match anchor.check(materials.as_ref().map(|materials| &materials.access_points)) {
                Ok(_) => expected.push(Expected::from(&anchor)),
                Err(error) => doubted.push((anchor.record, error.to_string())),
            }
        }
    }
    let verified = audit::verify(folder, chain_hash, &expected).map_err(|error| one(store_problem(&error)))?;
    Ok(verified.doubting(doubted))
}

/// Signs the end of the chain of a configuration's store, once all of it holds, and adds it to `file` where one is given.
///
/// # Errors
///
/// Where the chain does not hold, or nothing can be written.
pub fn anchor(config: &Config, file: Option<&Path>, clock: &dyn Clock) -> Result<Anchor, Vec<Problem>> {
    let one = |problem| vec![problem];
    let materials = Materials::read(config)?;
    let verified = audit::verify(&config.data_dir, chain_hash, &[]).map_err(|error| one(store_problem(&error)))?;
    if let Some(finding) = verified.findings.first() {
        let detail = format!("found {}; `sluss audit verify` lists all; nothing was signed", finding.what);
        return Err(one(Problem::new(Fault::Refused, "audit", "the chain does not hold", detail)));
    }
    let Some(end) = verified.end else {
        let detail = "found no record, expected one at least; the first message makes one";
        return Err(one(Problem::new(Fault::Refused, "audit", "there is nothing to anchor", detail)));
    };
    let party = materials.party();
    let anchor = Anchor::sign(&materials.identity, party, (end.0, &end.1), clock.now());
    let anchor = anchor.map_err(|error| one(problem(&error)))?;
    file.map_or(Ok(()), |file| audit::append(file, &anchor)).map_err(|error| one(problem(&error)))?;
    Ok(anchor)
}

/// Writes the evidence of a message into the new folder `to`, with the last anchor noted before or one made for it.
///
/// # Errors
///
/// Where the log has nothing about the message, its chain does not hold, or the folder is there already.
pub fn export(config: &Config, id: MessageId, to: &Path, clock: &dyn Clock) -> Result<Summary, Vec<Problem>> {
    let one = |problem| vec![problem];
    let materials = Materials::read(config)?;
    let noted = config.audit.anchor_file.as_ref().filter(|file| file.exists()).map(|file| audit::read(file));
    let mut anchors = noted.unwrap_or_else(|| Ok(Vec::new())).map_err(|error| one(problem(&error)))?;
    anchors.retain(|anchor| anchor.check(Some(&materials.access_points)).is_ok());
    let sign = |record, chain: &[u8; 32], at| Anchor::sign(&materials.identity, materials.party(), (record, chain), at);
    let source = Source {
        folder: &config.data_dir,
        hash: chain_hash,
        anchors: &anchors,
        sign: &sign,
        authorities: &materials.access_points.anchors,
        at: clock.now(),
    };
    audit::export(&source, id, to).map_err(|error| {
        one(match error {
            PackageError::Store(error) => store_problem(&error),
            PackageError::Anchor(error) => problem(&error),
            error => Problem::new(Fault::Refused, "audit", "there is no evidence of this message", error.to_string()),
        })
    })
}

fn problem(error: &AnchorError) -> Problem {
    Problem::new(Fault::Usage, "audit", "the anchors cannot be used", error.to_string())
}
