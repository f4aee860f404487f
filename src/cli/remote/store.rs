//! `sluss store backup` of a running daemon.

use super::Remote;
use crate::model::Problem;
use crate::net::Body;
use serde_json::Value;
use std::path::Path;

/// Has the daemon copy its store into a new folder of its machine.
///
/// # Errors
///
/// A [`Problem`] when the daemon cannot be asked or refuses.
pub async fn backup(remote: &Remote, to: &Path) -> Result<Value, Problem> {
    let order = serde_json::json!({ "to": to }).to_string();
    remote.post("/store/backup", "application/json", Body::empty().memory(order)).await
}
