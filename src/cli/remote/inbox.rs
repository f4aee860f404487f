//! `sluss inbox`: what has come in, and its documents on disk.

use super::{Remote, items, local_file, unprinted, word};
use crate::cli::files::{Aside, safe_names};
use crate::cli::output::{Output, Table};
use crate::model::{Fault, MessageId, Problem};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct InboxOptions {
    /// Whose; all without.
    pub participant: Option<String>,
    /// Where documents are saved, as `DIR/ID/NAME`.
    pub save: Option<PathBuf>,
    /// One message only.
    pub id: Option<MessageId>,
}

/// Lists what has come in and saves documents where asked.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked or a document cannot be saved.
pub async fn inbox(remote: &Remote, options: &InboxOptions, output: &Output) -> Result<u8, Problem> {
    let messages = match options.id {
        Some(id) => vec![remote.get(&format!("/messages/{id}"), &[]).await?],
        None => {
            let answer = remote.get("/inbox", &[("participant", options.participant.clone())]).await?;
            items(&answer, "messages").to_vec()
        }
    };
    if let Some(folder) = &options.save {
        for message in &messages {
            save(remote, message, folder).await?;
        }
    }
    output.list(&messages, || table(&messages), "nothing has come in").map_err(unprinted)?;
    Ok(0)
}

fn table(messages: &[Value]) -> Table {
    let mut table = Table::new(&["ID", "RECEIVED", "FROM", "TO", "STATUS", "DOCUMENTS", "LABEL"]);
    for message in messages {
        let secret = if message["confidential"] == true { "(secrecy) " } else { "" };
        let label = format!("{secret}{}", word(message, "label"));
        let documents = items(message, "documents").len().to_string();
        table.row([
            word(message, "id"),
            word(message, "received_at"),
            word(message, "from"),
            word(message, "to"),
            word(message, "status"),
            documents,
            label,
        ]);
    }
    table
}

/// Saves the documents of one message. One that is there already, complete, is not fetched again.
async fn save(remote: &Remote, message: &Value, folder: &Path) -> Result<(), Problem> {
    let id: MessageId = word(message, "id").parse().map_err(|_| no_id(message))?;
    let documents = items(message, "documents");
    let names: Vec<String> = documents.iter().map(|document| word(document, "name")).collect();
    let folder = folder.join(id.to_string());
    for (index, name) in safe_names(names.iter().map(String::as_str)).into_iter().enumerate() {
        let there = std::fs::metadata(folder.join(&name)).map(|file| file.len()).ok();
        if there.is_some() && there == documents[index]["bytes"].as_u64() {
            continue;
        }
        let mut aside = Aside::begin(&folder, &name).map_err(|fault| local_file(&fault))?;
        remote.download(&format!("/messages/{id}/documents/{index}"), aside.file()).await?;
        aside.keep().map_err(|fault| local_file(&fault))?;
    }
    Ok(())
}

/// An answer without an id that could name a folder.
pub(super) fn no_id(message: &Value) -> Problem {
    let detail = format!("found the id {}, expected a UUID", message["id"]);
    Problem::new(Fault::Temporary, "foreign-answer", "the answer is not understood", detail)
}
