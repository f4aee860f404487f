//! What an operator must know without looking: told once when it begins, now and then while it lasts, and once when it is over.
//!
//! A [`Desk`] remembers what was told of what stands over one [`Channel`], a [`Ledger`] what was told of what happened. What could not be
//! told stays news until it is told, so a mail server that is away loses nothing, and nothing queues up: both are bounded, whatever happens. Texts name causes, partners and our ids of messages,
//! never participants or contents.

mod desk;
mod ledger;
mod letter;
mod mail;
mod webhook;

pub use desk::{Bulletin, Condition, Desk, State, Times};
pub use ledger::Ledger;
pub use mail::{Mail, MailSettings, MailTls};
pub use webhook::{SIGNATURE, Webhook, WebhookSettings};

use serde::{Deserialize, Serialize};

/// What an alert is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A message was given up: a dead letter.
    SendFailure,
    /// The oldest message of a queue waits too long.
    QueueAge,
    /// Another access point is not reached.
    PartnerDown,
    /// DNS or SMP is not reached.
    DiscoveryDown,
    /// A certificate ends soon or has ended.
    Certificate,
    /// Too little space is free, or soon will be.
    Space,
    /// The disk or the store does not take what it is given, or takes too long.
    Disk,
    /// The worker or the clock is not as it should be.
    Process,
    /// Another access point sent what does not conform: to be reported to Digg (TESTQ TF-09).
    Conformance,
}

impl Kind {
    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::SendFailure => "send-failure",
            Self::QueueAge => "queue-age",
            Self::PartnerDown => "partner-down",
            Self::DiscoveryDown => "discovery-down",
            Self::Certificate => "certificate",
            Self::Space => "space",
            Self::Disk => "disk",
            Self::Process => "process",
            Self::Conformance => "conformance",
        }
    }
}

/// Who tells.
#[derive(Clone, Debug, Serialize)]
pub struct Sender {
    /// The party id of the access point.
    pub access_point: String,
    /// The environment that it acts in.
    pub environment: String,
}

/// Where alerts go.
#[derive(Debug)]
pub enum Channel {
    /// By mail.
    Mail(Mail),
    /// To a program.
    Webhook(Webhook),
}

/// Why something could not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// A setting cannot be used.
    #[error("{key}: {reason}")]
    Setting {
        /// Which.
        key: &'static str,
        /// What was found and what was expected.
        reason: String,
    },
    /// The mail server did not take it.
    #[error("the mail server did not take it: {0}")]
    Mail(String),
    /// The receiver of the webhook did not take it.
    #[error("the receiver did not take it: {0}")]
    Webhook(String),
}

impl Channel {
    /// The word of the metric's label.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Mail(_) => "mail",
            Self::Webhook(_) => "webhook",
        }
    }

    /// Where it leads, for log lines.
    pub fn target(&self) -> &str {
        match self {
            Self::Mail(mail) => mail.target(),
            Self::Webhook(webhook) => webhook.target(),
        }
    }

    /// Tells all of it at once; when this returns, the receiver has it.
    ///
    /// # Errors
    ///
    /// [`AlertError`]; then it may be told again.
    pub async fn tell(&self, sender: &Sender, bulletins: &[Bulletin]) -> Result<(), AlertError> {
        match self {
            Self::Mail(mail) => mail.tell(sender, bulletins).await,
            Self::Webhook(webhook) => webhook.tell(sender, bulletins).await,
        }
    }
}
