//! `[[alert]]`: who is told of what an operator must know.

use super::mistake;
use crate::alert::{Kind, MailTls};
use crate::model::{Lang, Problem};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One receiver of alerts: by mail, or a program by HTTPS.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// What it is told of. Default: everything.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// What lasts is told again after so long, in seconds: dead letters as well, of each cause at once, until they are tried again or
    /// their sender knows; what does not conform only when more of it comes. Default 86400, a day.
    #[serde(default = "reminder")]
    pub reminder_seconds: u64,
    /// What is gone for so long is over, in seconds; what comes and goes is told once. Default 900.
    #[serde(default = "settle")]
    pub settle_seconds: u64,
    /// A queue whose oldest message waits longer is told of, in seconds. Default 3600.
    #[serde(default = "queue_age")]
    pub queue_age_seconds: u64,
    /// In which language mails are: `sv` (default) or `en`. Programs are told in English.
    #[serde(default)]
    pub language: Option<Lang>,
    /// By mail.
    #[serde(default)]
    pub mail: Option<AlertMail>,
    /// To a program.
    #[serde(default)]
    pub webhook: Option<AlertWebhook>,
}

fn reminder() -> u64 {
    86_400
}

fn settle() -> u64 {
    900
}

fn queue_age() -> u64 {
    3600
}

/// A mail server, and who writes to whom.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AlertMail {
    /// Host name of the server, as its certificate has it.
    pub server: String,
    /// Port. Default 587, with `tls = "implicit"` 465.
    #[serde(default)]
    pub port: Option<u16>,
    /// `starttls` (default), `implicit`, or `none`, which only a server on this machine may have.
    #[serde(default)]
    pub tls: MailTls,
    /// PEM files: the issuer of the server's certificate. The system's are not believed.
    #[serde(default)]
    pub anchor_files: Vec<PathBuf>,
    /// Name, where the server asks for one.
    #[serde(default)]
    pub user: Option<String>,
    /// File with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Who writes.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
}

/// A program that is called.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AlertWebhook {
    /// URL: https, or http on a loopback address.
    pub url: String,
    /// PEM files: the issuer of the server's certificate. The system's are not believed.
    #[serde(default)]
    pub anchor_files: Vec<PathBuf>,
    /// File with the secret that signs each call (header `Sluss-Signature`, HMAC-SHA-256). Default: unsigned.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
}

impl Alert {
    /// Makes every path absolute.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let mail = self.mail.iter_mut().flat_map(|mail| mail.anchor_files.iter_mut().chain(&mut mail.password_file));
        let hook = self.webhook.iter_mut();
        let hook = hook.flat_map(|webhook| webhook.anchor_files.iter_mut().chain(&mut webhook.secret_file));
        for path in mail.chain(hook) {
            *path = folder.join(&*path);
        }
    }

    /// Files that hold secrets.
    pub fn secret_files(&self) -> impl Iterator<Item = &PathBuf> {
        let password = self.mail.iter().filter_map(|mail| mail.password_file.as_ref());
        password.chain(self.webhook.iter().filter_map(|webhook| webhook.secret_file.as_ref()))
    }

    /// What types alone cannot say.
    pub(super) fn check(&self, index: usize, found: &mut Vec<Problem>) {
        let key = format!("alert[{index}]");
        if self.mail.is_some() == self.webhook.is_some() {
            let both = if self.mail.is_some() { "both mail and webhook" } else { "neither mail nor webhook" };
            found.push(mistake(
                &key,
                both,
                "each [[alert]] has one of [alert.mail] and [alert.webhook]; write two tables for two receivers",
            ));
        }
        if self.reminder_seconds < 60 || self.queue_age_seconds == 0 {
            let said =
                format!("reminder_seconds {} and queue_age_seconds {}", self.reminder_seconds, self.queue_age_seconds);
            found.push(mistake(&key, said, "use at least 60 for the first and 1 for the second"));
        }
        if let (Some(language), None) = (self.language, &self.mail) {
            let remedy = "programs are told in English; leave it out, or give [alert.mail]";
            found.push(mistake(&format!("{key}.language"), language.code(), remedy));
        }
        if let Some(mail) = &self.mail {
            mail.check(&format!("{key}.mail"), found);
        }
        if let Some(webhook) = &self.webhook {
            webhook.check(&format!("{key}.webhook"), found);
        }
    }
}

impl AlertMail {
    fn check(&self, key: &str, found: &mut Vec<Problem>) {
        if let Some((host, port)) = self.server.rsplit_once(':').filter(|(host, port)| {
            let is_port = !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
            is_port && (!host.contains(':') || host.ends_with(']'))
        }) {
            let remedy = format!("write server = \"{host}\" and port = {port}");
            found.push(mistake(&format!("{key}.server"), &self.server, &remedy));
            return;
        }
        let here = is_here(&self.server);
        if self.tls == MailTls::None && !here {
            found.push(mistake(
                &format!("{key}.tls"),
                "none",
                "only a mail server on this machine may be spoken to in clear; use \"starttls\" or \"implicit\"",
            ));
        }
        if self.tls != MailTls::None && self.anchor_files.is_empty() {
            found.push(mistake(
                &format!("{key}.anchor_files"),
                "[]",
                "no server would be believed; name the certificate of the issuer of the server's certificate",
            ));
        }
        if self.user.is_some() != self.password_file.is_some() {
            found.push(mistake(key, "user without password_file or the reverse", "give both, or neither"));
        }
        if self.to.is_empty() {
            found.push(mistake(&format!("{key}.to"), "[]", "name at least one address"));
        }
    }
}

impl AlertWebhook {
    fn check(&self, key: &str, found: &mut Vec<Problem>) {
        check_url(&self.url, &self.anchor_files, (key, "url"), found);
    }
}

/// Whether a URL is https with somebody to believe, or on this machine; it stands under `name` in the table `key`.
pub(super) fn check_url(url: &str, anchors: &[PathBuf], (key, name): (&str, &str), found: &mut Vec<Problem>) {
    let url: Option<http::Uri> = url.parse().ok();
    if url.as_ref().and_then(http::Uri::authority).is_some_and(|authority| authority.as_str().contains('@')) {
        let remedy = "names and passwords of URLs are not sent; leave them out";
        found.push(mistake(&format!("{key}.{name}"), "a name or password before the host", remedy));
        return;
    }
    let (scheme, host) = url.as_ref().map(|url| (url.scheme_str(), url.host().unwrap_or_default())).unwrap_or_default();
    match scheme {
        Some("https") if anchors.is_empty() => {
            found.push(mistake(
                &format!("{key}.anchor_files"),
                "[]",
                "no server would be believed; name the certificate of the issuer of the server's certificate",
            ));
        }
        Some("https") => {}
        Some("http") if is_here(host) => {}
        // The path of such a URL is often a secret, so it is not said.
        _ => found.push(mistake(
            &format!("{key}.{name}"),
            format!("{}://{host}/…", scheme.unwrap_or("?")),
            "use an https URL, or http to a loopback address",
        )),
    }
}

/// Whether the host of a URL is this machine.
pub fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{AlertMail, AlertWebhook};

    #[test]
    fn a_name_and_password_in_a_url_are_refused_and_not_said() {
        let mut found = Vec::new();
        let text = "url = \"https://kim:hemligt@alerts.kommun.se/\"\nanchor_files = [\"ca.pem\"]";
        toml::from_str::<AlertWebhook>(text).unwrap().check("alert[0].webhook", &mut found);
        let [problem] = found.as_slice() else { panic!("{found:?}") };
        assert!(problem.detail.contains("leave them out") && !problem.detail.contains("hemligt"), "{problem:?}");
    }

    #[test]
    fn a_port_in_the_name_of_a_mail_server_is_shown_its_place() {
        let found = |server: &str| {
            let text = format!("server = \"{server}\"\ntls = \"none\"\nfrom = \"a@b.se\"\nto = [\"c@d.se\"]");
            let mut found = Vec::new();
            toml::from_str::<AlertMail>(&text).unwrap().check("alert[0].mail", &mut found);
            found.into_iter().map(|problem| problem.detail).collect::<String>()
        };
        for server in ["127.0.0.1", "::1", "localhost"] {
            assert_eq!(found(server), "");
        }
        for (server, host) in
            [("127.0.0.1:25", "127.0.0.1"), ("smtp.kommun.se:25", "smtp.kommun.se"), ("[::1]:25", "[::1]")]
        {
            assert!(found(server).contains(&format!("write server = \"{host}\" and port = 25")), "{}", found(server));
        }
    }
}
