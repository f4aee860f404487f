//! Packages of evidence: each is checked by the script in it, with openssl and xmlsec1 alone, and a forged one fails for what
//! is forged in it.

use crate::support::{ALICE, BOB, NORTH, SOUTH, document, world};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the script in the package says: all of it, or why not.
fn checked(package: &Path, trusted: &Path) -> Result<String, String> {
    let done = Command::new("sh").arg("verify.sh").arg(trusted).current_dir(package).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

/// One message in the evidence of both its access points, and what a third party knows: the authority.
struct Exported {
    /// Of the northern one, which sent it.
    north: PathBuf,
    /// Of the southern one, which received it.
    south: PathBuf,
    trusted: PathBuf,
}

/// Sends a message, and exports the evidence of it into `folder`.
fn exported(folder: &Path) -> Exported {
    let world = world();
    let (file, _) = document(folder, "bevis.txt", b"the content is not shown");
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", BOB, "--wait=60s", &file]).done().one();
    let received = world.until(SOUTH, "received message", |message| {
        message["envelope_id"] == sent["envelope_id"] && message["direction"] == "in"
    });
    let trusted = folder.join("authority.pem");
    let text = fs::read_to_string(world.config(NORTH)).unwrap();
    let anchors = text.lines().find(|line| line.starts_with("access_point_anchor_files")).unwrap();
    fs::copy(world.folder(NORTH).join(anchors.split('"').nth(1).unwrap()), &trusted).unwrap();
    let export = |at: &str, message: &Value| {
        let (package, id) = (folder.join(at), message["id"].as_str().unwrap());
        let out = package.display().to_string();
        let summary = world.at(at, &["audit", "export", "--message", id, "--out", &out]).done().one();
        assert_eq!((&summary["as4_message"], &summary["as4_receipt"]), (&true.into(), &true.into()), "{summary:#}");
        world.at(at, &["audit", "export", "--message", id, "--out", &out]).ended(1);
        package
    };
    Exported { north: export(NORTH, &sent), south: export(SOUTH, &received), trusted }
}

/// Whether what a third party needs is here.
fn tools() -> bool {
    let here = ["openssl", "xmlsec1"].iter().all(|tool| Command::new(tool).arg("--version").output().is_ok());
    if !here {
        println!("skipped: openssl or xmlsec1 is not here");
    }
    here
}

#[test]
fn evidence_of_a_message_is_checked_with_openssl_and_xmlsec1_alone() {
    let (world, folder) = (world(), tempfile::tempdir().unwrap());
    let made = exported(folder.path());
    for package in [&made.north, &made.south] {
        let log = fs::read_dir(package.join("log")).unwrap();
        let all: String = log.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        assert!(all.contains("BEGIN CERTIFICATE"), "the certificate itself is logged: {all}");
        if tools() {
            let before = files(package);
            let said = checked(package, &made.trusted).unwrap();
            let lines: Vec<&str> = said.lines().collect();
            assert_eq!((lines.len(), lines[3]), (4, "all of it holds"), "{said}");
            let owner = if package == &made.north { NORTH } else { SOUTH };
            assert!(lines[0].starts_with("log: ") && lines[0].ends_with(&format!("signed by {owner}")), "{said}");
            assert!(lines[1].contains(&format!("from {NORTH} to {SOUTH}, signed by {NORTH}")), "{said}");
            assert!(lines[2].contains(&format!("signed by {SOUTH}")), "{said}");
            checked(package, &package.join("certificates/message.pem")).unwrap_err();
            assert_eq!(files(package), before, "the check leaves nothing behind");
        }
    }
    let unknown = ["audit", "export", "--message", "019ac0de-0000-7000-8000-000000000001", "--out"];
    let nowhere = folder.path().join("nothing").display().to_string();
    world.at(NORTH, &[&unknown[..], &[&nowhere]].concat()).ended(1);
}

#[test]
fn evidence_without_an_as4_receipt_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let made = exported(folder.path());
    if !tools() {
        return;
    }
    fs::remove_dir_all(made.north.join("receipt")).unwrap();
    let told = checked(&made.north, &made.trusted).unwrap_err();
    assert!(told.contains("the log says that there was an AS4 receipt, and it is not here"), "{told}");
    // As it is before the receipt comes: nothing in the log is about one.
    fs::remove_file(line_of(&made.north, "receipted")).unwrap();
    let said = checked(&made.north, &made.trusted).unwrap();
    assert_eq!(said.lines().last(), Some("holds, WITHOUT an AS4 receipt"), "{said}");
    fs::remove_dir_all(made.north.join("message")).unwrap();
    let told = checked(&made.north, &made.trusted).unwrap_err();
    assert!(told.contains("the log says that there was an AS4 message, and it is not here"), "{told}");
    fs::remove_file(line_of(&made.north, "packed")).unwrap();
    let said = checked(&made.north, &made.trusted).unwrap();
    assert_eq!(said.lines().last(), Some("holds, WITHOUT an AS4 message"), "{said}");
    // Where it was received, the AS4 receipt was given in the same record.
    fs::remove_dir_all(made.south.join("receipt")).unwrap();
    let told = checked(&made.south, &made.trusted).unwrap_err();
    assert!(told.contains("the log says that there was an AS4 receipt, and it is not here"), "{told}");
}

/// A package that somebody works on.
struct Forged<'a> {
    package: PathBuf,
    /// The same from which it was made, and the evidence of another message from and to the same.
    whole: &'a Path,
    other: &'a Path,
}

impl Forged<'_> {
    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.package.join(file)).unwrap()
    }

    /// Replaces the first `from` in a file.
    fn change(&self, file: &str, from: &str, to: &str) {
        let whole = self.read(file);
        let changed = whole.replacen(from, to, 1);
        assert_ne!(whole, changed, "{file} has no {from}");
        fs::write(self.package.join(file), changed).unwrap();
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.package.join(from), self.package.join(to)).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.package.join(file)).unwrap();
    }

    /// Takes a folder of the other message's evidence.
    fn take(&self, folder: &str) {
        fs::remove_dir_all(self.package.join(folder)).unwrap();
        copied(&self.other.join(folder), &self.package.join(folder));
    }

    /// Signs a file with the key of an access point.
    fn sign(&self, file: &str, signature: &str, by: &str) {
        let key = world().folder(by).join("key.pem");
        let [file, signature] = [file, signature].map(|name| self.package.join(name));
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-sign"]).arg(key).arg("-out").arg(signature).arg(file);
        assert!(command.status().unwrap().success());
    }

    /// The digest of a file, as a signature has it.
    fn digest(&self, file: &str) -> String {
        let script = "openssl dgst -sha256 -binary \"$1\" | openssl base64 -A";
        let done = Command::new("sh").args(["-c", script, "sh"]).arg(self.package.join(file)).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    }

    /// Changes a part of a receipt or message and has it signed anew, as an access point with a key can.
    fn resign(&self, of: &str, from: &str, to: &str, by: &str) {
        let (part, info) = (format!("{of}/part-1.xml"), format!("{of}/signed-info.xml"));
        let before = self.digest(&part);
        self.change(&part, from, to);
        self.change(&info, &before, &self.digest(&part));
        self.sign(&info, &format!("{of}/signature.bin"), by);
    }
}

type Forge = fn(&Forged<'_>);

fn receipt_signed_by_sender(it: &Forged<'_>) {
    it.sign("receipt/signed-info.xml", "receipt/signature.bin", NORTH);
    it.copy("certificates/message.pem", "certificates/receipt.pem");
}

/// What somebody does to a package of the sender's, and what the check says of it.
const FORGERIES: &[(&str, Forge, &str)] = &[
    ("a log line is changed", |it| it.change(&log_line(it), ALICE, "0203:mallory.se"), "is not what the chain says"),
    (
        "a state is changed",
        |it| {
            let chain = it.read("chain.txt");
            let state = chain.lines().next().unwrap().rsplit(' ').next().unwrap();
            it.change("chain.txt", state, &"0".repeat(64));
        },
        "the chain does not lead to the anchor",
    ),
    ("records get other numbers", |it| it.change("chain.txt", "000", "001"), "leaves out what follows record"),
    (
        "a log line is added",
        |it| it.copy(&log_line(it), "log/000009999999.json"),
        "log lines that are not in the chain",
    ),
    ("the anchor is changed", |it| it.change("anchor.txt", "record ", "record 1"), "the signature of anchor.txt"),
    (
        "another access point signs the anchor",
        |it| {
            it.sign("anchor.txt", "anchor.sig", SOUTH);
            it.copy("certificates/receipt.pem", "certificates/anchor.pem");
        },
        "the anchor of AP0001-TESTBED is signed by AP0002-TESTBED",
    ),
    (
        "another access point has a log of its own",
        |it| {
            it.change("anchor.txt", NORTH, SOUTH);
            it.sign("anchor.txt", "anchor.sig", SOUTH);
            it.copy("certificates/receipt.pem", "certificates/anchor.pem");
        },
        "the log of AP0002-TESTBED says that it sent what AP0001-TESTBED signed",
    ),
    (
        "it is said to be about another message",
        |it| {
            let other: Value = serde_json::from_slice(&fs::read(it.other.join("summary.json")).unwrap()).unwrap();
            let own: Value = serde_json::from_str(&it.read("summary.json")).unwrap();
            it.change("summary.json", own["message"].as_str().unwrap(), other["message"].as_str().unwrap());
        },
        "says nothing of message",
    ),
    (
        "the recipient is changed",
        |it| it.change("message/part-1.xml", BOB, "0203:mallory.se"),
        "message/part-1.xml is not what was signed",
    ),
    (
        "the recipient is changed, and its digest not mentioned",
        |it| {
            let info = it.read("message/signed-info.xml");
            let (begin, end) = (info.find("<ds:Reference").unwrap(), info.find("</ds:Reference>").unwrap());
            it.change("message/part-1.xml", BOB, "0203:mallory.se");
            it.change("message/signed-info.xml", &info[begin..end + "</ds:Reference>".len()], "");
        },
        "the signature of message/signed-info.xml is not by certificates/message.pem",
    ),
    (
        "a signed part is taken out",
        |it| it.remove("message/part-1.xml"),
        "message/part-1.xml is not there, and was signed",
    ),
    (
        "a part is added",
        |it| it.copy("message/part-1.xml", "message/part-9.xml"),
        "message has a part that was not signed",
    ),
    (
        "a part stands for an attachment",
        |it| it.copy("message/part-1.xml", "message/part-3.xml"),
        "message/part-3.xml is there, and what was signed at its place is the attachment",
    ),
    (
        "one part stands for both",
        |it| it.copy("message/part-1.xml", "message/part-2.xml"),
        "message/part-2.xml is not what was signed",
    ),
    (
        "the message is signed anew by its receiver",
        |it| {
            it.resign("message", ALICE, "0203:mallory.se", SOUTH);
            it.copy("certificates/receipt.pem", "certificates/message.pem");
        },
        "the AS4 message of AP0001-TESTBED is signed by AP0002-TESTBED",
    ),
    (
        "certificates are exchanged",
        |it| {
            fs::copy(it.whole.join("certificates/receipt.pem"), it.package.join("certificates/message.pem")).unwrap();
            fs::copy(it.whole.join("certificates/message.pem"), it.package.join("certificates/receipt.pem")).unwrap();
        },
        "the signature of message/signed-info.xml is not by certificates/message.pem",
    ),
    ("a certificate is taken out", |it| it.remove("certificates/receipt.pem"), "certificates/receipt.pem is not there"),
    (
        "the receipt is taken out",
        |it| fs::remove_dir_all(it.package.join("receipt")).unwrap(),
        "the log says that there was an AS4 receipt, and it is not here",
    ),
    (
        "the log of one message, and another message with its receipt",
        |it| {
            it.take("message");
            it.take("receipt");
        },
        "the log is about another AS4 message than",
    ),
    ("the message of another receipt", |it| it.take("message"), "the log is about another AS4 message than"),
    ("the receipt of another message", |it| it.take("receipt"), "the AS4 receipt is for message"),
    (
        "the receipt of another message, with the digests in a comment that is not signed",
        |it| {
            let digests: String =
                [1, 2].map(|n| format!("-->{}<!--", it.digest(&format!("message/part-{n}.xml")))).concat();
            fs::copy(it.other.join("receipt/soap.xml"), it.package.join("receipt/soap.xml")).unwrap();
            it.change("receipt/soap.xml", "</ds:KeyInfo>", &format!("<!--{digests}--></ds:KeyInfo>"));
        },
        "xmlsec1 does not find the signature of the AS4 receipt in receipt/soap.xml",
    ),
    (
        "the message as its own receipt",
        |it| {
            fs::remove_dir_all(it.package.join("receipt")).unwrap();
            copied(&it.package.join("message"), &it.package.join("receipt"));
            it.copy("certificates/message.pem", "certificates/receipt.pem");
        },
        "the AS4 receipt has not one time",
    ),
    (
        "the receipt is signed anew by the message's sender",
        receipt_signed_by_sender,
        "the AS4 receipt for a message to AP0002-TESTBED is signed by AP0001-TESTBED",
    ),
    (
        "another receipt of the same receiver's than came",
        |it| it.resign("receipt", "<eb:Timestamp>2", "<eb:Timestamp>3", SOUTH),
        "the log has another signature than receipt/signature.bin",
    ),
    (
        "the receipt repeats a digest less",
        |it| {
            let part = it.read("receipt/part-1.xml");
            let end = "</ebbp:MessagePartNRInformation>";
            let (begin, after) = (part.find("<ebbp:MessagePartNRInformation>").unwrap(), part.find(end).unwrap());
            it.resign("receipt", &part[begin..after + end.len()], "", SOUTH);
        },
        "the AS4 receipt does not repeat the digests that were signed",
    ),
    (
        "the receipt repeats the digests where nobody looks for them",
        |it| {
            let tag = "ebbp:NonRepudiationInformation";
            let part = it.read("receipt/part-1.xml");
            let begin = part.find(&format!("<{tag}")).unwrap();
            let end = part.find(&format!("</{tag}>")).unwrap() + tag.len() + 3;
            let wrapped = format!("<x>{}</x>", &part[begin..end]);
            it.resign("receipt", &part[begin..end], &wrapped, SOUTH);
        },
        "the AS4 receipt does not repeat the digests that were signed",
    ),
    (
        "a reference has the digest of another element than it names",
        |it| {
            it.change("receipt/signed-info.xml", "URI=\"#msg-", "URI=\"#decoy-");
            it.sign("receipt/signed-info.xml", "receipt/signature.bin", SOUTH);
        },
        "receipt/part-1.xml is not the element #decoy-",
    ),
    (
        "two elements have one id",
        |it| {
            let id =
                it.read("receipt/part-1.xml").split("wsu:Id=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            let decoy = format!("<Messaging Id=\"{id}\"></Messaging><eb:Messaging ");
            it.change("receipt/soap.xml", "<eb:Messaging ", &decoy);
        },
        "xmlsec1 does not find the signature of the AS4 receipt in receipt/soap.xml",
    ),
    (
        "the copy to be read is changed",
        |it| it.change("receipt/soap.xml", "<eb:Timestamp>2", "<eb:Timestamp>3"),
        "xmlsec1 does not find the signature of the AS4 receipt in receipt/soap.xml",
    ),
];

#[test]
fn forged_evidence_fails_for_what_is_forged_in_it() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [made, other] = [&folders[0], &folders[1]].map(|folder| exported(folder.path()));
    if !tools() {
        return;
    }
    let judged = |n: usize, name: &str, forge: Forge, whole: &Path, other: &Path, expected: &str| {
        let forged = Forged { package: folders[2].path().join(n.to_string()), whole, other };
        copied(whole, &forged.package);
        forge(&forged);
        match checked(&forged.package, &made.trusted) {
            Ok(said) => panic!("{name}: {said}"),
            Err(told) => assert!(told.starts_with("FAILED: ") && told.contains(expected), "{name}: {told}"),
        }
    };
    for (n, (name, forge, expected)) in FORGERIES.iter().enumerate() {
        judged(n, name, *forge, &made.north, &other.north, expected);
    }
    // The receiver's log has the sender's certificate and signature.
    let of_receiver: [(&str, Forge, &str); 4] = [
        (
            "another message",
            |it| {
                it.take("message");
                it.take("receipt");
            },
            "the log is about another AS4 message than",
        ),
        (
            "another message of the same sender's than came",
            |it| it.resign("message", ALICE, "0203:mallory.se", NORTH),
            "the log has another signature than message/signature.bin",
        ),
        (
            "a receipt signed by the sender",
            receipt_signed_by_sender,
            "the AS4 receipt for a message to AP0002-TESTBED is signed by AP0001-TESTBED",
        ),
        (
            "no receipt",
            |it| fs::remove_dir_all(it.package.join("receipt")).unwrap(),
            "the log says that there was an AS4 receipt",
        ),
    ];
    for (n, (name, forge, expected)) in (FORGERIES.len()..).zip(of_receiver) {
        judged(n, name, forge, &made.south, &other.south, expected);
    }
}

/// The log line with an event of this stage.
fn line_of(package: &Path, stage: &str) -> PathBuf {
    let stage = format!("\"stage\":\"{stage}\"");
    let mut lines = fs::read_dir(package.join("log")).unwrap().map(|entry| entry.unwrap().path());
    lines.find(|line| fs::read_to_string(line).unwrap().contains(&stage)).unwrap()
}

/// The first log line, within its package.
fn log_line(forged: &Forged<'_>) -> String {
    let line = line_of(&forged.package, "accepted");
    format!("log/{}", line.file_name().unwrap().display())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Copies a folder.
pub(crate) fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        let to = to.join(file.file_name().unwrap());
        if file.is_dir() {
            copied(&file, &to);
        } else {
            fs::copy(&file, &to).unwrap();
        }
    }
}
