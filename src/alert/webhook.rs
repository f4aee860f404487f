//! Alerts to a program: one JSON object by HTTPS POST for all that is news, signed where a secret is shared.

use super::{AlertError, Bulletin, Sender};
use crate::crypto::{hex, hmac_sha256};
use crate::limits::ALERT_TIME_MAX;
use crate::net::Body;
use crate::net::client::{Client, ClientSettings, Outgoing};
use http::{HeaderName, Method, header};
use serde::Serialize;

/// The header with the signature: `sha256=` and HMAC-SHA-256 (RFC 2104) over the octets of the body, in hexadecimal.
pub const SIGNATURE: HeaderName = HeaderName::from_static("sluss-signature");

/// Whom to call.
#[derive(Clone)]
pub struct WebhookSettings {
    /// The URL: https, or http on this machine.
    pub url: String,
    /// Certificate authorities that are believed, in DER.
    pub roots: Vec<Vec<u8>>,
    /// What signs.
    pub secret: Option<Vec<u8>>,
}

/// Calls a program.
pub struct Webhook {
    client: Client,
    settings: WebhookSettings,
    target: String,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({})", self.target)
    }
}

/// What is posted.
#[derive(Serialize)]
struct Posted<'a> {
    #[serde(flatten)]
    sender: &'a Sender,
    alerts: &'a [Bulletin],
}

impl Webhook {
    /// A caller with these settings. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`AlertError::Setting`] for a URL or certificates that are none.
    pub fn new(settings: WebhookSettings) -> Result<Self, AlertError> {
        let url: http::Uri = settings.url.parse().map_err(|error: http::uri::InvalidUri| AlertError::Setting {
            key: "webhook.url",
            reason: format!("{error}; expected a URL as https://alerts.kommun.example.se/sluss"),
        })?;
        let plain = url.scheme_str() == Some("http");
        // A path may be a secret; host and port are not.
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let target = format!("{}{port}", url.host().unwrap_or_default());
        let client = ClientSettings { roots: settings.roots.clone(), identity: None, plain_http: plain };
        let client = Client::new(&client)
            .map_err(|error| AlertError::Setting { key: "webhook.anchor_files", reason: error.to_string() })?;
        Ok(Self { client, settings, target })
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) async fn tell(&self, sender: &Sender, alerts: &[Bulletin]) -> Result<(), AlertError> {
        let failed = |error: &dyn std::fmt::Display| AlertError::Webhook(error.to_string());
        let body = serde_json::to_vec(&Posted { sender, alerts }).map_err(|error| failed(&error))?;
        let mut headers = vec![(header::CONTENT_TYPE, "application/json".to_owned())];
        if let Some(secret) = &self.settings.secret {
            headers.push((SIGNATURE, format!("sha256={}", hex(&hmac_sha256(secret, &body)))));
        }
        let (url, body) = (self.settings.url.as_str(), Body::empty().memory(body));
        let outgoing = Outgoing { method: Method::POST, url, headers: &headers, body, timeout: ALERT_TIME_MAX };
        let answer = self.client.request(outgoing).await.map_err(|error| failed(&error))?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(failed(&format!("found HTTP status {}, expected 200 to 299", answer.status)))
    }
}
