//! The form of a message: fields in any order, each part with a file name spooled as it comes.

use super::problem::{of_body, usage};
use crate::limits::{API_DRAIN_BYTES_MAX, ENVELOPE_BYTES_MAX};
use crate::message_service::{Draft, DraftFile, MessageService};
use crate::model::{Priority, Problem};
use crate::net::form::{FormError, FormReader, Part};
use crate::net::inbound::BodyLimits;
use axum::extract::Request;
use std::collections::BTreeMap;

/// The fields that are known.
const FIELDS: [&str; 8] =
    ["from", "to", "functional_address", "label", "text", "confidential", "priority", "in_reply_to"];

/// What was read.
pub(super) struct Form {
    pub(super) draft: Draft,
    pub(super) files: Vec<DraftFile>,
}

/// Throws the body away, so that a client that is still sending sees the answer.
pub(super) async fn drain(request: Request) {
    crate::net::inbound::drain(request.into_body(), API_DRAIN_BYTES_MAX).await;
}

/// Reads the whole form; files go to the spool of the message service.
pub(super) async fn read(service: &MessageService, request: Request) -> Result<Form, Problem> {
    let mut form =
        FormReader::new(request, BodyLimits::bytes(ENVELOPE_BYTES_MAX)).await.map_err(|fault| problem_of(&fault))?;
    let outcome = parts(service, &mut form).await;
    if outcome.is_err() {
        form.drain(API_DRAIN_BYTES_MAX).await;
    }
    outcome
}

async fn parts(service: &MessageService, form: &mut FormReader) -> Result<Form, Problem> {
    let mut fields = BTreeMap::new();
    let mut files = Vec::new();
    while let Some(part) = form.next().await.map_err(|fault| problem_of(&fault))? {
        match part {
            Part::Text { name, value } => {
                if !FIELDS.contains(&name.as_str()) {
                    return Err(usage(format!(
                        "found the field {name:?}, expected one of {}, or parts with a file name",
                        FIELDS.join(", ")
                    )));
                }
                if fields.insert(name.clone(), value).is_some() {
                    return Err(usage(format!("found the field {name:?} twice")));
                }
            }
            // A file input of a browser that was left empty.
            Part::File { name, .. } if name.is_empty() => {}
            Part::File { name, mime, content } => {
                let spooled = content.feed(|bytes| service.spool(&name, &mime, bytes)).await;
                files.push(spooled.map_err(|fault| problem_of(&fault))??);
            }
        }
    }
    let mut draft = draft(fields)?;
    if draft.label.is_empty() {
        // A message needs a subject (MSG-4.3.2.t05); people who send one file name it by its file.
        draft.label = files.first().map_or("Meddelande", |file| &file.name).chars().take(LABEL_CHARS).collect();
    }
    Ok(Form { draft, files })
}

/// Longest subject made of a file name, in characters.
const LABEL_CHARS: usize = 100;

fn draft(mut fields: BTreeMap<String, String>) -> Result<Draft, Problem> {
    let mut required = |name: &str| fields.remove(name).ok_or_else(|| usage(format!("the field {name:?} is missing")));
    let from = super::extract::id(&required("from")?)?;
    let to = super::extract::id(&required("to")?)?;
    let confidential = match fields.remove("confidential").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(usage(format!("confidential: found {other:?}, expected true or false")));
        }
    };
    let priority = priority(fields.remove("priority").as_deref())?;
    let mut given = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
    Ok(Draft {
        from,
        to,
        functional_address: given("functional_address"),
        label: given("label").unwrap_or_default(),
        text: given("text"),
        confidential,
        priority,
        in_reply_to: given("in_reply_to"),
    })
}

/// The priority that was said; that of most where none was.
pub(super) fn priority(said: Option<&str>) -> Result<Priority, Problem> {
    said.filter(|said| !said.is_empty()).map_or_else(|| Ok(Priority::default()), |said| said.parse().map_err(usage))
}

fn problem_of(fault: &FormError) -> Problem {
    match fault {
        FormError::Body(fault) => of_body(fault),
        other => usage(other.to_string()),
    }
}
