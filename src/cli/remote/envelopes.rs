//! `sluss submit`, `sluss take` and `sluss notices`: sealed envelopes, for a participant whose message service is elsewhere.

use super::inbox::no_id;
use super::send::open;
use super::{Remote, encoded, items, local_file, unprinted, word};
use crate::cli::files::Aside;
use crate::cli::output::{Output, Table};
use crate::model::{MessageId, Priority, Problem};
use crate::net::Body;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Hands in a sealed envelope. Status 0: it is durable at the daemon.
///
/// # Errors
///
/// A [`Problem`] when it was not taken.
pub async fn submit(
    remote: &Remote,
    participant: &str,
    envelope: &Path,
    priority: Priority,
    output: &Output,
) -> Result<u8, Problem> {
    let body = Body::empty().file(open(envelope)?).map_err(|fault| local_file(&fault))?;
    let path = format!("/participants/{}/envelopes?priority={priority}", encoded(participant));
    let sent = remote.post(&path, "application/xml", body).await?;
    output.record(&sent, || format!("{}  {}", word(&sent, "id"), word(&sent, "status"))).map_err(unprinted)?;
    Ok(0)
}

/// Lists the envelopes that wait for `participant`, all pages of them; with `save` each goes to `DIR/ID.xml`,
/// durably, and is then confirmed, so that it is not offered again.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked or a file cannot be written. What was confirmed
/// before has been printed.
pub async fn take(remote: &Remote, participant: &str, save: Option<&PathBuf>, output: &Output) -> Result<u8, Problem> {
    let base = format!("/participants/{}/envelopes", encoded(participant));
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = remote.get(&base, &[("after", after)]).await?;
        for envelope in items(&page, "envelopes") {
            let mut envelope = envelope.clone();
            if let Some(folder) = save {
                let file = take_one(remote, &base, &mut envelope, folder).await?;
                let taken = || format!("{}  {}", word(&envelope, "status"), file.display());
                output.record(&envelope, taken).map_err(unprinted)?;
            }
            listed.push(envelope);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    if save.is_none() || (listed.is_empty() && !output.is_json()) {
        output.list(&listed, || table(&listed), "no envelope waits").map_err(unprinted)?;
    }
    Ok(0)
}

/// Lists what `participant` handed in and what was not sent, all pages of it; with `confirm`, those that were given up are
/// not listed again.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked.
pub async fn notices(remote: &Remote, participant: &str, confirm: bool, output: &Output) -> Result<u8, Problem> {
    let base = format!("/participants/{}/notices", encoded(participant));
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = remote.get(&base, &[("after", after)]).await?;
        listed.extend_from_slice(items(&page, "notices"));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    output
        .list(&listed, || notice_table(&listed), "everything was sent or waits for its first attempt")
        .map_err(unprinted)?;
    for notice in listed.iter().filter(|notice| confirm && notice["given_up"] == true) {
        let path = format!("{base}/{}/confirm", word(notice, "id"));
        remote.post(&path, "application/json", Body::empty()).await?;
    }
    Ok(0)
}

fn notice_table(notices: &[Value]) -> Table {
    let mut table = Table::new(&["ID", "HANDED IN", "TO", "STATUS", "ATTEMPTS", "CAUSE"]);
    for notice in notices {
        let [id, at, to, status, attempts] =
            ["id", "handed_in_at", "to", "status", "attempts"].map(|name| word(notice, name));
        table.row([id, at, to, status, attempts, word(&notice["error"], "detail")]);
    }
    table
}

/// Saves first and confirms then: a crash between the two has it offered again, never lost.
async fn take_one(remote: &Remote, base: &str, envelope: &mut Value, folder: &Path) -> Result<PathBuf, Problem> {
    let id: MessageId = word(envelope, "id").parse().map_err(|_| no_id(envelope))?;
    let mut aside = Aside::begin(folder, &format!("{id}.xml")).map_err(|fault| local_file(&fault))?;
    remote.download(&format!("{base}/{id}"), aside.file()).await?;
    let file = aside.keep().map_err(|fault| local_file(&fault))?;
    let confirmed = remote.post(&format!("{base}/{id}/confirm"), "application/json", Body::empty()).await?;
    envelope["status"] = confirmed["status"].clone();
    envelope["file"] = file.display().to_string().into();
    Ok(file)
}

fn table(envelopes: &[Value]) -> Table {
    let mut table = Table::new(&["ID", "RECEIVED", "FROM", "BYTES", "ENVELOPE"]);
    for envelope in envelopes {
        table.row(["id", "received_at", "from", "bytes", "envelope_id"].map(|name| word(envelope, name)));
    }
    table
}
