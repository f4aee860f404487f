//! The commands that talk to a running daemon, as any other client of its API would.
//!
//! Each function prints by [`Output`](crate::cli::output::Output) and returns the exit status; a [`Problem`] is for the caller to
//! print, with the exit status of its fault.

pub mod audit;
pub mod envelopes;
pub mod inbox;
pub mod link;
pub mod lookup;
pub mod partners;
pub mod queue;
pub mod send;
pub mod status;
pub mod store;

use crate::model::{Fault, Problem};
use crate::net::{AccessToken, Answer, Body, Client, ClientSettings, NetError, Outgoing};
use http::{HeaderName, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// The API of a daemon.
#[derive(Clone, Debug)]
pub struct ApiAddress {
    /// Scheme, host and port, as `http://127.0.0.1:8445`.
    pub url: String,
    /// Its token.
    pub token: AccessToken,
}

/// A daemon that can be asked.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Client,
    base: String,
    token: AccessToken,
}

/// An answer to a question, from the first byte sent to the head of the answer. Sealing 100 MB takes
/// the daemon seconds, not minutes.
const ANSWER_MAX: Duration = Duration::from_secs(15 * 60);
/// How long an answer that has begun may pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Largest JSON answer, in bytes: 1000 lines of the queue are about 1 MB.
const JSON_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What stays as it is in a path or a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

impl Remote {
    /// A client of that API. `roots`: certificate authorities in DER, where the URL is https.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] for roots that are no certificates.
    pub fn new(address: &ApiAddress, roots: Vec<Vec<u8>>) -> Result<Self, Problem> {
        let settings = ClientSettings { roots, identity: None, plain_http: true };
        let client = Client::new(&settings)
            .map_err(|fault| Problem::new(Fault::Usage, "tls", "TLS cannot be set up", fault.to_string()))?;
        let base = format!("{}/api/v1", address.url.trim_end_matches('/'));
        Ok(Self { client, base, token: address.token.clone() })
    }

    /// Asks for JSON. `query`: names and values, those without a value left out.
    async fn get(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value, Problem> {
        let answer = self.ask(Method::GET, &with_query(path, query), &[], Body::empty()).await?;
        self.json(answer).await
    }

    /// Posts a body and takes JSON.
    async fn post(&self, path: &str, content_type: &str, body: Body) -> Result<Value, Problem> {
        let headers = [(header::CONTENT_TYPE, content_type.to_owned())];
        let answer = self.ask(Method::POST, path, &headers, body).await?;
        self.json(answer).await
    }

    /// Fetches a file into `to`.
    async fn download(&self, path: &str, to: &mut File) -> Result<(), Problem> {
        let mut answer = self.ask(Method::GET, path, &[], Body::empty()).await?;
        while let Some(bytes) = answer.chunk(PAUSE_MAX).await.map_err(|fault| self.unreachable(&fault))? {
            to.write_all(&bytes).map_err(|fault| local_file(&fault))?;
        }
        Ok(())
    }

    /// Sends a request; an answer of failure becomes its problem.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, String)],
        body: Body,
    ) -> Result<Answer, Problem> {
        let url = format!("{}{path}", self.base);
        let mut all = vec![(header::AUTHORIZATION, format!("Bearer {}", self.token.expose()))];
        all.extend_from_slice(headers);
        let outgoing = Outgoing { method, url: &url, headers: &all, body, timeout: ANSWER_MAX };
        let answer = self.client.request(outgoing).await.map_err(|fault| self.unreachable(&fault))?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let status = answer.status;
        let text = answer.whole(JSON_BYTES_MAX).await.unwrap_or_default();
        Err(serde_json::from_slice(&text).unwrap_or_else(|_| foreign(&self.base, status)))
    }

    async fn json(&self, answer: Answer) -> Result<Value, Problem> {
        let text = answer.whole(JSON_BYTES_MAX).await.map_err(|fault| self.unreachable(&fault))?;
        serde_json::from_slice(&text).map_err(|_| foreign(&self.base, 200))
    }

    fn unreachable(&self, fault: &NetError) -> Problem {
        match fault {
            NetError::Sending { reason, .. } => {
                Problem::new(Fault::Usage, "file", "a file cannot be read", reason.clone())
            }
            NetError::Connect { .. } => {
                let detail = format!(
                    "nothing answers at {}; start the daemon with `sluss serve --config FILE`, or name its configuration with --config",
                    self.base
                );
                Problem::new(Fault::Temporary, "daemon-unreachable", "the daemon is not running", detail)
            }
            other => {
                let class = if other.is_temporary() { Fault::Temporary } else { Fault::Usage };
                Problem::new(class, "daemon-unreachable", "the daemon did not answer", other.to_string())
            }
        }
    }
}

fn foreign(base: &str, status: u16) -> Problem {
    let class = if status >= 500 { Fault::Temporary } else { Fault::Usage };
    let detail =
        format!("{base} answered with HTTP status {status} and no JSON of this API; is it the API of `sluss serve`?");
    Problem::new(class, "foreign-answer", "the answer is not understood", detail)
}

/// A file or folder of ours that cannot be written.
fn local_file(fault: &std::io::Error) -> Problem {
    Problem::new(Fault::Usage, "file", "a file cannot be written", fault.to_string())
}

/// Nobody reads what we print.
fn unprinted(fault: std::io::Error) -> Problem {
    Problem::new(Fault::Temporary, "output", "standard output cannot be written", fault.to_string())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn with_query(path: &str, query: &[(&str, Option<String>)]) -> String {
    let given: Vec<String> = query
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}", encoded(value))))
        .collect();
    if given.is_empty() { path.to_owned() } else { format!("{path}?{}", given.join("&")) }
}

/// A member as text: strings as they are, nothing for what is missing.
fn word(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The members of a list, or none.
fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
