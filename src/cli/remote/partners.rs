//! `sluss partners`: how other access points fare, and trying one at once that is left alone.

use super::status::partners as table;
use super::{Remote, encoded, items, unprinted, word};
use crate::cli::output::Output;
use crate::model::Problem;
use crate::net::Body;
use serde_json::Value;

/// Lists the other access points by name, all pages of them.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked.
pub async fn list(remote: &Remote, output: &Output) -> Result<u8, Problem> {
    let (mut partners, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let page = remote.get("/partners", &[("after", after.take())]).await?;
        partners.extend_from_slice(items(&page, "partners"));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    output.list(&partners, || table(&partners), "no partner was sent anything since the start").map_err(unprinted)?;
    Ok(0)
}

/// Has an access point tried at once that is left alone.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked, or the partner is not left alone.
pub async fn try_now(remote: &Remote, partner: &str, reason: &str, output: &Output) -> Result<u8, Problem> {
    let body = Body::empty().memory(serde_json::json!({ "reason": reason }).to_string());
    let state = remote.post(&format!("/partners/{}/try", encoded(partner)), "application/json", body).await?;
    output.record(&state, || format!("{partner}  {}", word(&state, "condition"))).map_err(unprinted)?;
    Ok(0)
}
