//! Alerts by mail: one plain text for all that is news.

use super::letter::{subject, text};
use super::{AlertError, Bulletin, Sender};
use crate::crypto::{Random, SystemRandom, hex};
use crate::limits::ALERT_TIME_MAX;
use crate::model::Lang;
use crate::net::error::tls_fault;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport};
use serde::Deserialize;
use std::error::Error;

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Plain at first, then TLS by STARTTLS (RFC 3207), or nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// None: for a mail server on this machine only.
    None,
}

/// A mail server, and who writes to whom.
#[derive(Clone)]
pub struct MailSettings {
    /// Host name of the server, as its certificate has it.
    pub server: String,
    /// Port; by default 587, with implicit TLS 465, without 25.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Certificate authorities that are believed, in DER.
    pub roots: Vec<Vec<u8>>,
    /// Name and password, where the server asks for them.
    pub credentials: Option<(String, String)>,
    /// Who writes.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// In which language.
    pub language: Lang,
}

/// Sends mail.
#[derive(Debug)]
pub struct Mail {
    transport: SmtpTransport,
    from: Mailbox,
    to: Mailboxes,
    language: Lang,
    target: String,
    /// Whether the server is shown a password.
    has_password: bool,
}

impl Mail {
    /// A sender with these settings. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`AlertError::Setting`] for addresses and certificates that are none.
    pub fn new(settings: MailSettings) -> Result<Self, AlertError> {
        let wrong = |key, reason: String| AlertError::Setting { key, reason };
        let address = |key, text: &str| {
            let expected = "expected an address as operations@kommun.example.se";
            text.parse::<Mailbox>().map_err(|error| wrong(key, format!("found {text:?}: {error}, {expected}")))
        };
        let from = address("mail.from", &settings.from)?;
        let mut to = Mailboxes::new();
        for text in &settings.to {
            to.push(address("mail.to", text)?);
        }
        let mut tls = TlsParameters::builder(settings.server.clone()).certificate_store(CertificateStore::None);
        for root in settings.roots {
            let root = Certificate::from_der(root).map_err(|error| wrong("mail.anchor_files", error.to_string()))?;
            tls = tls.add_root_certificate(root);
        }
        let tls = tls.build().map_err(|error| wrong("mail.anchor_files", error.to_string()))?;
        let (tls, port) = match settings.tls {
            MailTls::Starttls => (Tls::Required(tls), 587),
            MailTls::Implicit => (Tls::Wrapper(tls), 465),
            MailTls::None => (Tls::None, 25),
        };
        let port = settings.port.unwrap_or(port);
        let mut transport = SmtpTransport::builder_dangerous(settings.server.clone())
            .port(port)
            .tls(tls)
            .timeout(Some(ALERT_TIME_MAX))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        let has_password = settings.credentials.is_some();
        if let Some((name, password)) = settings.credentials {
            transport = transport.credentials(Credentials::new(name, password));
        }
        let target = format!("{}:{port}", settings.server);
        Ok(Self { transport: transport.build(), from, to, language: settings.language, target, has_password })
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) async fn tell(&self, sender: &Sender, bulletins: &[Bulletin]) -> Result<(), AlertError> {
        let failed = |error: &dyn std::fmt::Display| AlertError::Mail(error.to_string());
        let mut message = Message::builder().from(self.from.clone()).subject(subject(self.language, sender, bulletins));
        for to in self.to.iter() {
            message = message.to(to.clone());
        }
        let mut random = [0; 16];
        SystemRandom.fill(&mut random);
        let id = format!("<{}@{}>", hex(&random), self.from.email.domain());
        let message = message.message_id(Some(id)).date_now().header(ContentType::TEXT_PLAIN);
        let message = message.body(text(self.language, sender, bulletins));
        let message = message.map_err(|error| failed(&error))?;
        let transport = self.transport.clone();
        let sent = tokio::task::spawn_blocking(move || transport.send(&message)).await;
        sent.map_err(|error| failed(&error))?.map_err(|error| AlertError::Mail(self.reason(&error)))?;
        Ok(())
    }

    /// Why a mail was not taken. A server may repeat what it was shown: where that was a password, its codes are said and its words are
    /// not.
    fn reason(&self, error: &SmtpError) -> String {
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        if let Some((fault, _)) = tls_fault(error) {
            return format!("TLS failed, and nothing was sent: {fault}; anchor_files names who issues its certificate");
        }
        match error.status() {
            Some(code) if self.has_password => {
                let further = status_code(&said).map(|further| format!(" {further}")).unwrap_or_default();
                format!("it answers {code}{further}; its words are not repeated, since it knows the password")
            }
            Some(code) => format!("it answers {code} {said}"),
            None if error.is_client() && said.contains("STARTTLS") => {
                "it offers no STARTTLS, and nothing was sent; tls = \"implicit\" is for a server that speaks TLS at once"
                    .to_owned()
            }
            None if error.is_client() => said,
            None => error.to_string(),
        }
    }
}

/// The status code of an answer in its text (RFC 3463), as 5.7.8.
fn status_code(said: &str) -> Option<&str> {
    let first = said.split_whitespace().next()?;
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
    (first.split('.').count() == 3 && first.split('.').all(is_number)).then_some(first)
}
