//! `sluss testbed …`.

use super::args::TestbedCommand;
use super::output::Output;
use super::stop::Stop;
use super::{unprinted, usage};
use crate::model::{Clock, DocumentType, Fault, ParticipantId, Problem, SystemClock};
use crate::testbed::{self, TestbedError, ca, fault};
use std::path::Path;
use std::sync::Arc;

pub(super) async fn run(command: TestbedCommand, out: &mut Output) -> Result<u8, Problem> {
    let now = SystemClock.now();
    match command {
        TestbedCommand::Init { dir } => {
            testbed::init(&dir, now).map_err(|error| error.problem())?;
            said(out, &dir, format!("made {0}; next: sluss testbed serve {0}", dir.display()))
        }
        TestbedCommand::Serve { dir } => serve(&dir, out).await,
        TestbedCommand::AccessPoint { dir, name, endpoint } => {
            let made = testbed::access_point(&dir, &name, endpoint.as_deref(), now).map_err(|error| error.problem())?;
            let next = if endpoint.is_none() {
                format!("; next: sluss serve --config {}", made.join("sluss.toml").display())
            } else {
                String::new()
            };
            said(out, &made, format!("made {}{next}", made.display()))
        }
        TestbedCommand::Participant { dir, id, access_point, document_type, functional_address } => {
            let id: ParticipantId = id.parse().map_err(|error: crate::model::IdError| usage(&error.to_string()))?;
            let document_types: Vec<DocumentType> =
                document_type.iter().map(|value| DocumentType::new(value)).collect();
            let made = testbed::participant(&dir, &id, &access_point, &document_types, &functional_address, now)
                .map_err(|error| error.problem())?;
            said(out, &made, format!("made {}, registered at {access_point}", made.display()))
        }
        TestbedCommand::Fault { dir, kind, subject, clear } => {
            let kind: fault::Kind = kind.parse().map_err(|error: TestbedError| error.problem())?;
            fault(&dir, kind, subject.as_deref(), clear, now).map_err(|error| error.problem())?;
            said(out, &dir, format!("{} {}", if clear { "mended" } else { "made" }, kind.word()))
        }
        TestbedCommand::Certificates { dir } => {
            ca::demo_tree(&dir, now).map_err(|error| {
                Problem::new(Fault::Temporary, "certificates", "the test keys were not made", error.to_string())
            })?;
            said(out, &dir, format!("made {}", dir.display()))
        }
    }
}

fn said(out: &mut Output, path: &Path, text: String) -> Result<u8, Problem> {
    out.record(&serde_json::json!({ "path": path }), || text).map_err(|error| unprinted(&error))?;
    Ok(0)
}

/// Runs the services until SIGTERM or SIGINT.
async fn serve(dir: &Path, out: &mut Output) -> Result<u8, Problem> {
    let mut stop = Stop::hear()?;
    let running = testbed::serve(dir, Arc::new(SystemClock)).await.map_err(|error| error.problem())?;
    let at = running.addresses.clone();
    out.record(&at, || format!("ready  dns {}  smp {}  crl {}  ocsp {}", at.dns, at.smp, at.crl, at.ocsp))
        .map_err(|error| unprinted(&error))?;
    stop.asked().await;
    running.stop().await;
    Ok(0)
}
