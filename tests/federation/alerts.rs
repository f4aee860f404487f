//! Alerts by mail and webhook, against a mail server and a receiver that are written here.

use super::asked::request;
use super::draft;
use super::health::SetClock;
use super::site::{DORA, PEER, Sent, Site};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use sluss::access_point::Action;
use sluss::alert::{Bulletin, Channel, Kind, Mail, MailSettings, MailTls, Sender as Teller, State};
use sluss::limits::ALERT_LOOK_EVERY;
use sluss::model::{Lang, Outcome, Stage, Status, Timestamp, Warrant};
use sluss::store::disk::Medium;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longest wait for an alert: looks are seconds apart, and a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail as it came, and what the client showed to be let in.
struct Mailed {
    text: String,
    credentials: String,
    encrypted: bool,
}

/// A mail server on loopback that has a certificate for `localhost`.
struct MailServer {
    address: SocketAddr,
    certificate: String,
    mails: Receiver<Mailed>,
    /// Each line that was said to it, and whether it was encrypted.
    lines: Receiver<(String, bool)>,
}

/// How a mail server goes about its connections.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Manner {
    /// It knows nothing of TLS.
    Clear,
    StartTls,
    /// As `StartTls`, but it lets nobody in, and says what it was shown.
    Repeating,
    /// TLS from the first octet.
    Implicit,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl MailServer {
    fn start(manner: Manner) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ((told, mails), (said, lines)) = (channel(), channel());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that breaks off is none that told something.
                let _ = conversation(stream, manner, &config, (&told, &said));
            }
        });
        Self { address, certificate: made.cert.pem(), mails, lines }
    }

    /// A sender of mail to this server that believes `certificate`, and has a password.
    fn client(&self, certificate: &str) -> Channel {
        let root = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap().to_vec();
        let mail = Mail::new(MailSettings {
            server: "localhost".to_owned(),
            port: Some(self.address.port()),
            tls: MailTls::Starttls,
            roots: vec![root],
            credentials: Some(("sluss".to_owned(), "hemligt".to_owned())),
            from: "sluss@kommun.example.se".to_owned(),
            to: vec!["drift@kommun.example.se".to_owned()],
            language: Lang::Sv,
        });
        Channel::Mail(mail.unwrap())
    }

    /// The words that were said to it up to now, and whether each was encrypted.
    fn heard(&self) -> Vec<(String, bool)> {
        let word = |line: String| line.split(' ').next().unwrap_or_default().to_owned();
        self.lines.try_iter().map(|(line, encrypted)| (word(line), encrypted)).collect()
    }
}

fn encrypted(stream: TcpStream, config: &Arc<ServerConfig>) -> Box<dyn Stream> {
    Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream))
}

/// One connection, as RFC 5321 and RFC 3207 have it.
fn conversation(
    tcp: TcpStream,
    manner: Manner,
    config: &Arc<ServerConfig>,
    (told, said): (&Sender<Mailed>, &Sender<(String, bool)>),
) -> std::io::Result<()> {
    let implicit = manner == Manner::Implicit;
    let mut secret = implicit;
    let plain = tcp.try_clone()?;
    let mut stream: Box<dyn Stream> = if implicit { encrypted(tcp, config) } else { Box::new(tcp) };
    let mut credentials = String::new();
    stream.write_all(b"220 localhost ESMTP\r\n")?;
    loop {
        let line = line(&mut stream)?;
        said.send((line.clone(), secret)).unwrap();
        let answer = match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" if secret || manner == Manner::Clear => "250-localhost\r\n250 AUTH PLAIN",
            "EHLO" => "250-localhost\r\n250 STARTTLS",
            "STARTTLS" => {
                stream.write_all(b"220 go\r\n")?;
                stream = encrypted(plain.try_clone()?, config);
                secret = true;
                continue;
            }
            "AUTH" if manner == Manner::Repeating => {
                stream.write_all(format!("535 5.7.8 not believed: {line}\r\n").as_bytes())?;
                continue;
            }
            "AUTH" => {
                credentials.clone_from(&line);
                "235 come in"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut text = String::new();
                loop {
                    let line = self::line(&mut stream)?;
                    if line == "." {
                        break;
                    }
                    text.push_str(&line);
                    text.push('\n');
                }
                told.send(Mailed { text, credentials: credentials.clone(), encrypted: secret }).unwrap();
                "250 taken"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => "250 yes",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes())?;
    }
}

fn line(stream: &mut dyn Read) -> std::io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        match octet[0] {
            b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            other => line.push(other),
        }
    }
}

/// A receiver of calls that refuses the first `refused` of them; gives signature and body of all.
fn receiver(refused: usize) -> (SocketAddr, Receiver<(String, Vec<u8>)>) {
    receiver_at("127.0.0.1:0", refused)
}

fn receiver_at(address: &str, refused: usize) -> (SocketAddr, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let (told, calls) = channel();
    std::thread::spawn(move || {
        for (number, mut stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let (mut headers, body) = request(&stream).unwrap();
            let signature = headers.remove("sluss-signature").unwrap_or_default();
            let status = if number < refused { "503 Busy" } else { "204 Taken" };
            let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            let answer =
                answer.replace("204 Taken\r\nConnection: close\r\nContent-Length: 0", "204 Taken\r\nConnection: close");
            stream.write_all(answer.as_bytes()).unwrap();
            if told.send((signature, body)).is_err() {
                return;
            }
        }
    });
    (address, calls)
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// `keys`: of the table itself.
fn mail(server: &MailServer, (tls, keys): (&str, &str), folder: &Path) -> String {
    let anchor = file(folder, &format!("{tls}.pem"), &server.certificate);
    let password = file(folder, "password", "hemligt\n");
    format!(
        "\n[[alert]]\nkinds = [\"conformance\"]\n{keys}[alert.mail]\nserver = \"localhost\"\nport = {}\ntls = \"{tls}\"\n\
         anchor_files = [\"{anchor}\"]\nuser = \"sluss\"\npassword_file = \"{password}\"\n\
         from = \"sluss@kommun.example.se\"\nto = [\"drift@kommun.example.se\", \"jour@kommun.example.se\"]\n",
        server.address.port()
    )
}

/// Waits for the next call of the receiver that is about this kind; the signature of each is checked.
fn called(calls: &Receiver<(String, Vec<u8>)>, kind: &str) -> (Value, Value) {
    loop {
        let (signature, body) = calls.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no call about {kind}"));
        let expected = sluss::crypto::hex(&sluss::crypto::hmac_sha256(b"delad nyckel", &body));
        assert_eq!(signature, format!("sha256={expected}"));
        let posted: Value = serde_json::from_slice(&body).unwrap();
        let found = posted["alerts"].as_array().unwrap().iter().find(|alert| alert["kind"] == kind).cloned();
        if let Some(alert) = found {
            return (posted, alert);
        }
    }
}

/// Tells of a trial; what the operator reads where that fails.
async fn trial(channel: &Channel) -> Result<(), String> {
    let teller = Teller { access_point: "AP0001-TESTBED".to_owned(), environment: "testbed".to_owned() };
    let (about, found, remedy) = ("trial".to_owned(), "a trial".to_owned(), "nothing".to_owned());
    let trial =
        Bulletin { kind: Kind::Process, about, state: State::Trial, since: Timestamp::UNIX_EPOCH, found, remedy };
    channel.tell(&teller, &[trial]).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_after_starttls_only_and_to_a_server_that_is_believed() {
    let server = MailServer::start(Manner::StartTls);
    assert_eq!(trial(&server.client(&server.certificate)).await, Ok(()));
    assert!(server.mails.recv_timeout(PATIENCE).unwrap().encrypted);
    let words = ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"].map(str::to_owned);
    let heard = server.heard();
    let in_clear = heard.iter().take_while(|(_, encrypted)| !encrypted).count();
    let said: Vec<String> = heard.into_iter().map(|(word, _)| word).take(words.len()).collect();
    assert_eq!((said.as_slice(), in_clear), (&words[..], 2), "what comes after STARTTLS is encrypted");

    let other = MailServer::start(Manner::StartTls);
    let refused = trial(&server.client(&other.certificate)).await.unwrap_err();
    assert!(refused.contains("TLS failed, and nothing was sent: invalid peer certificate"), "{refused}");
    assert!(server.heard().iter().all(|(word, _)| ["EHLO", "STARTTLS", "QUIT"].contains(&word.as_str())));

    let clear = MailServer::start(Manner::Clear);
    let refused = trial(&clear.client(&server.certificate)).await.unwrap_err();
    assert!(refused.contains("it offers no STARTTLS, and nothing was sent"), "{refused}");
    assert!(clear.heard().iter().all(|(word, _)| ["EHLO", "QUIT"].contains(&word.as_str())));
    assert!(clear.mails.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mail_server_repeats_of_the_password_is_not_said() {
    let server = MailServer::start(Manner::Repeating);
    let refused = trial(&server.client(&server.certificate)).await.unwrap_err();
    assert!(refused.contains("it answers 535 5.7.8"), "{refused}");
    assert!(!refused.contains("AHNsdXNzAGhlbWxpZ3Q") && !refused.contains("believed"), "{refused}");
}

/// TESTQ TF-09.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_once_by_mail_and_webhook_of_what_does_not_conform_and_of_a_partner_that_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let (starttls, implicit) = (MailServer::start(Manner::StartTls), MailServer::start(Manner::Implicit));
    let (address, calls) = receiver(1);
    let secret = file(folder.path(), "secret", "delad nyckel");
    let webhook = format!(
        "\n[[alert]]\nsettle_seconds = 12\nkinds = [\"conformance\", \"partner-down\"]\n[alert.webhook]\n\
         url = \"http://{address}/alerts\"\nsecret_file = \"{secret}\"\n"
    );
    let english = mail(&starttls, ("starttls", "language = \"en\"\n"), folder.path());
    let tables = [english, mail(&implicit, ("implicit", ""), folder.path()), webhook];
    let retry = "[retry]\nstrategy = \"exponential\"\nfirst_pause_seconds = 1\nlongest_pause_seconds = 1\n\n[breaker]";
    let site = Site::start_with(|text| text.replacen("[breaker]", retry, 1) + &tables.concat()).await;

    let envelope = String::from_utf8(site.envelope(|_| {}, |text| text)).unwrap();
    let sent = site.sent(envelope.replace("FEDERATIONID", "FEDERATION").into_bytes());
    assert_eq!(site.post(&site.pack(&sent)).await.status, 200);
    let received = site.arrived(&sent).await;
    site.wait(received, |message| message.status == Status::Deleted).await;

    let english = ["Subject: [sluss AP0001-TESTBED] conformance begins: AP0002-TESTBED", "Access point AP0001-TESTBED"];
    // The one that says nothing of a language is told in Swedish; what was found stays as it is written.
    let swedish = ["Bristande =C3=B6verensst=C3=A4mmelse: AP0002-TESTBED (b=C3=B6rjar)", "Anm=C3=A4l det till Digg."];
    for (server, words) in [(&starttls, english), (&implicit, swedish)] {
        let mailed = server.mails.recv_timeout(PATIENCE).expect("a mail");
        assert!(mailed.encrypted, "nothing is sent in clear");
        assert_eq!(mailed.credentials, "AUTH PLAIN AHNsdXNzAGhlbWxpZ3Q=");
        let text = mailed.text.replace("=\n", "");
        for part in [
            "To: drift@kommun.example.se, jour@kommun.example.se",
            words[0],
            words[1],
            "report it to Digg",
            "\nMessage-ID: <",
            "@kommun.example.se>\n",
            "\nDate: ",
            &received.to_string(),
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains(site.alice.as_str()) && !text.contains("Ärende"), "{text}");
    }
    // The first call was refused, so it comes again, and no third time.
    for _ in 0..2 {
        let (posted, alert) = called(&calls, "conformance");
        assert_eq!((&alert["state"], &alert["about"]), (&"begins".into(), &PEER.into()), "{alert}");
        assert_eq!((&posted["access_point"], &posted["environment"]), (&"AP0001-TESTBED".into(), &"testbed".into()));
    }
    let text = site.metrics().await;
    assert!(text.contains("sluss_alerts_total{channel=\"webhook\",result=\"failed\"} 1\n"), "{text}");
    assert!(text.contains("sluss_alerts_total{channel=\"mail\",result=\"told\"} 2\n"), "{text}");

    site.service.send(draft(&site, site.bob.as_str()), Vec::new()).await.unwrap();
    let (_, alert) = called(&calls, "partner-down");
    assert_eq!((&alert["state"], &alert["about"]), (&"begins".into(), &PEER.into()), "{alert}");
    assert!(starttls.mails.try_recv().is_err(), "mail was asked for other kinds only, and each once");
}

/// APOP-4.1.1.a: a wrong recipient is to be reported, as an envelope that does not conform is.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_of_a_partner_whose_message_is_for_nobody_here() {
    let folder = tempfile::tempdir().unwrap();
    let (address, calls) = receiver(0);
    let secret = file(folder.path(), "secret", "delad nyckel");
    let webhook = format!(
        "\n[[alert]]\nkinds = [\"conformance\"]\n[alert.webhook]\nurl = \"http://{address}/\"\nsecret_file = \"{secret}\"\n"
    );
    let site = Site::start_with(|text| text + &webhook).await;
    let nobody =
        Sent { to: "0203:nobody.example.se".parse().unwrap(), ..site.sent(site.envelope(|_| {}, |text| text)) };
    assert_eq!(site.post(&site.pack(&nobody)).await.status, 200);
    let (_, alert) = called(&calls, "conformance");
    assert_eq!((&alert["state"], &alert["about"]), (&"begins".into(), &PEER.into()), "{alert}");
    assert!(alert["found"].as_str().unwrap().ends_with("(AS4-2.5.a)"), "{alert}");
    let remedy = alert["remedy"].as_str().unwrap();
    assert!(remedy.contains(&format!("sluss audit list --stage refused --partner {PEER}")), "{remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_changes_with_the_configuration_and_who_stays_is_told_nothing_twice() {
    let ((first, told_first), (second, told_second)) = (receiver(0), receiver(0));
    let folder = tempfile::tempdir().unwrap();
    let secret = file(folder.path(), "secret", "delad nyckel");
    let webhook = |address| {
        format!(
            "\n[[alert]]\nsettle_seconds = 600\nkinds = [\"partner-down\"]\n[alert.webhook]\n\
             url = \"http://{address}/alerts\"\nsecret_file = \"{secret}\"\n"
        )
    };
    let retry = "[retry]\nstrategy = \"exponential\"\nfirst_pause_seconds = 1\nlongest_pause_seconds = 1\n\n[breaker]";
    let site = Site::start_with(|text| text.replacen("[breaker]", retry, 1) + &webhook(first)).await;
    site.service.send(draft(&site, site.bob.as_str()), Vec::new()).await.unwrap();
    assert_eq!(called(&told_first, "partner-down").1["state"], "begins");

    site.reload(|text| text + &webhook(second)).unwrap();
    assert_eq!(called(&told_second, "partner-down").1["state"], "begins");
    // Both have looked again by now: the second has told, and a look of the first comes as often.
    let third = site.service.send(draft(&site, site.bob.as_str()), Vec::new()).await.unwrap();
    site.wait(third.id, |message| message.attempts > 1).await;
    assert!(told_first.try_recv().is_err(), "the first was told before");

    let mistakes = site.reload(|text| text.replace(&secret, "/nowhere")).unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.detail.contains("alert[0]")), "{mistakes:?}");
}

/// Sends to the partner that is not there, until it is given up.
async fn given_up(site: &Site, number: usize) {
    for _ in 0..number {
        let sent = site.service.send(draft(site, site.bob.as_str()), Vec::new()).await.unwrap();
        site.wait(sent.id, |message| message.status == Status::MessageExchangeError).await;
    }
}

/// The first number of what is said.
fn number(alert: &Value) -> u64 {
    let found = alert["found"].as_str().unwrap();
    found.split(' ').find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number in {found}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_while_nobody_could_be_told_is_told_after_a_restart_once_and_with_its_number() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = file(folder.path(), "secret", "delad nyckel");
    let webhook = format!(
        "\n[[alert]]\nsettle_seconds = 0\nkinds = [\"send-failure\"]\n[alert.webhook]\n\
         url = \"http://{address}/alerts\"\nsecret_file = \"{secret}\"\n"
    );
    let once = "[retry]\nretries = 0\n\n[breaker]\nfailures = 1000";
    let site = Site::start_with(|text| text.replacen("[breaker]", once, 1) + &webhook).await;
    given_up(&site, 3).await;
    let site = site.restart().await;
    let (_, calls) = receiver_at(&address.to_string(), 0);
    let (_, alert) = called(&calls, "send-failure");
    assert_eq!(
        (&alert["state"], &alert["about"], number(&alert)),
        (&"begins".into(), &"access-point-unreachable".into(), 3)
    );

    // Once told, a restart repeats nothing; and as long as they are dead letters, it is not over.
    let site = site.restart().await;
    let told = calls.recv_timeout(ALERT_LOOK_EVERY * 2);
    assert!(told.is_err(), "{:?}", told.map(|(_, body)| String::from_utf8(body)));

    site.reload(|text| text.replace("retries = 0", "strategy = \"exponential\"")).unwrap();
    for message in site.messages().await {
        site.router.act(message.id, Action::Retry, Warrant::new("kim", "again").unwrap()).await.unwrap();
    }
    let (_, alert) = called(&calls, "send-failure");
    assert_eq!((&alert["state"], number(&alert)), (&"ended".into(), 3), "{alert}");
}

/// Dora's message service is elsewhere, and nobody comes for what she has got.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_receipt_that_never_comes_is_told_to_the_operator_and_to_the_sending_participant() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(SetClock::default()));
    let (address, calls) = receiver(0);
    let secret = file(folder.path(), "secret", "delad nyckel");
    let webhook = format!(
        "\n[[alert]]\nkinds = [\"send-failure\"]\nsettle_seconds = 1\n[alert.webhook]\n\
         url = \"http://{address}/alerts\"\nsecret_file = \"{secret}\"\n"
    );
    let keyless = |text: String| {
        let kept = text.lines().filter(|line| !line.contains("participants/dora"));
        let text: String = kept.map(|line| format!("{line}\n")).collect();
        text.replacen("[federation]", "[message_receipt]\nwait_hours = 48\n\n[federation]", 1) + &webhook
    };
    let site = Site::start_on(Medium::system(), Arc::<SetClock>::clone(&clock), keyless).await;
    let sent = site.service.send(draft(&site, DORA), Vec::new()).await.unwrap();
    site.wait(sent.id, |message| message.status == Status::WaitingForReceipt).await;
    clock.steady.fetch_add(48 * 60 * 60 + 1, Ordering::Relaxed);
    site.wait(sent.id, |message| message.status == Status::MessageExchangeError).await;

    let (_, alert) = called(&calls, "send-failure");
    assert_eq!((&alert["state"], &alert["about"]), (&"begins".into(), &"message-receipt-missing".into()), "{alert}");
    let found = alert["found"].as_str().unwrap();
    assert!(
        found.contains(&format!("1 messages were given up, the last {}: no message receipt came", sent.id)),
        "{alert}"
    );
    let remedy = alert["remedy"].as_str().unwrap();
    assert!(remedy.contains("ask the recipients by other means") && !remedy.contains("queue retry"), "{alert}");

    let notices = async || site.router.notices(&site.alice, None).await.unwrap().0;
    let [notice] = &notices().await[..] else { panic!("one notice") };
    assert_eq!((notice.id, notice.status), (sent.id, Status::MessageExchangeError));
    let problem = notice.error.as_ref().unwrap();
    assert_eq!(problem.title, "no message receipt came");
    let detail = problem.detail.as_str();
    for part in ["in 48 h (message_receipt.wait_hours)", DORA, "ask the recipient", "still counts"] {
        assert!(detail.contains(part), "{part} in {detail}");
    }
    let metrics = site.metrics().await;
    assert!(metrics.contains("sluss_messages_given_up_total{cause=\"message-receipt-missing\"} 1\n"), "{metrics}");

    // Once its sender knows, there is nothing left to do.
    site.router.confirm_notice(&site.alice, sent.id, "alice").await.unwrap();
    assert_eq!(called(&calls, "send-failure").1["state"], "ended");
    assert!(notices().await.is_empty());

    // Or once an operator has dealt with it, who cannot try it again; its sender is told all the same, and a late word counts.
    let other = site.service.send(draft(&site, DORA), Vec::new()).await.unwrap();
    site.wait(other.id, |message| message.status == Status::WaitingForReceipt).await;
    clock.steady.fetch_add(48 * 60 * 60 + 1, Ordering::Relaxed);
    site.wait(other.id, |message| message.status == Status::MessageExchangeError).await;
    assert_eq!(called(&calls, "send-failure").1["state"], "begins");
    let act = async |action| {
        let warrant = Warrant::new("kim", "dora has it, as she says by telephone").unwrap();
        site.router.act(other.id, action, warrant).await
    };
    assert!(act(Action::Retry).await.unwrap_err().detail.contains("its recipient has it"));
    let handled = act(Action::Cancel).await.unwrap();
    let problem = handled.error.as_ref().unwrap();
    assert_eq!((handled.status, problem.cause()), (Status::MessageExchangeError, "cancelled"));
    assert!(problem.detail.contains("kim: dora has it") && problem.detail.contains("still counts"), "{problem}");
    let events = site.router.journey(other.id).await.unwrap();
    let event = events.iter().find(|event| event.stage == Stage::Cancelled).unwrap();
    for (name, value) in
        [("actor", "kim"), ("reason", "dora has it, as she says by telephone"), ("cause", "message-receipt-missing")]
    {
        assert_eq!(event.facts.get(name).map(String::as_str), Some(value), "{event:?}");
    }
    assert_eq!(called(&calls, "send-failure").1["state"], "ended");
    let twice = act(Action::Cancel).await.unwrap_err();
    assert!(twice.detail.contains("cancelled already"), "{twice}");
    assert_eq!(notices().await.len(), 1);
    assert_eq!(handled.after(Outcome::Confirm), Ok(Status::Accepted));
}
