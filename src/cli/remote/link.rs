//! One-time log-ins to the pages.

use super::{Remote, unprinted, word};
use crate::cli::output::Output;
use crate::model::Problem;
use crate::net::Body;

/// Prints a link that logs an account in once; without an account, the owner.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked, or gives none.
pub async fn link(remote: &Remote, account: Option<&str>, output: &Output) -> Result<u8, Problem> {
    let body = account.map_or_else(|| serde_json::json!({}), |account| serde_json::json!({ "account": account }));
    let made = remote.post("/links", "application/json", Body::empty().memory(body.to_string())).await?;
    output.record(&made, || word(&made, "url")).map_err(unprinted)?;
    Ok(0)
}
