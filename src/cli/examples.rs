//! The examples of `--help`. They work as they stand, one after the other, in a folder of one's own with a document
//! `beslut.pdf`; lines are short enough for a terminal of 80 columns.

pub(super) const SLUSS: &str = "Example:
  sluss demo

A whole federation on this machine: two access points, a document each way, and pages to look at.";

pub(super) const DEMO: &str = "Examples:
  sluss demo
  sluss demo --exit --json
  sluss demo --document beslut.pdf";

pub(super) const SERVE: &str = "Example, after `sluss testbed access-point`:
  sluss serve --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const INIT: &str = "Example:
  sluss init sluss-qa --party AP0001-SDK-QA";

pub(super) const CHECK: &str = "Example, after `sluss testbed access-point`:
  sluss check --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ALERT_TEST: &str = "Example, with an [[alert]] table in the configuration:
  sluss alert test --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const BENCH_AS4: &str = "Examples:
  sluss bench as4 --json
  sluss bench as4 --size 100MB --size 1GB";

pub(super) const BENCH_TIMING: &str = "Examples:
  sluss bench timing --json
  sluss bench timing --messages 10000

Each class is wrong in one thing. Their times are held against those of the first class by Welch's t: beyond 4.5 they
differ. The second class is the first again, and shows what chance does. What everybody can see without the key (marked
public) may take another time.";

pub(super) const BENCH_STORE: &str = "Examples:
  sluss bench store --json
  sluss bench store --messages 1000000 --dir store";

pub(super) const CONFORMANCE_LIST: &str = "Example:
  sluss conformance list --suite as4";

pub(super) const CONFORMANCE_RUN: &str = "Example:
  sluss conformance run --suite xml

Each case says what must be accepted, or refused for which reason; another reason fails it.

With --against, the cases TF-01 to TF-10 of Digg's platform approval are sent to another access point, with the keys
given. What comes back is judged; what remains to be looked at over there is said, with the ids that were sent.";

pub(super) const STORE_VERIFY: &str = "Examples:
  sluss store verify --config testbed/access-points/AP0001-TESTBED/sluss.toml
  sluss store verify backup --json

Exit status 1 when anything does not hold; each finding says where, and what to do. Envelopes and packed
messages are compared by their SHA-256, opened messages by that of each document; of those counted as
unproven (packed by a version that noted no digest) only that they are there is known.";

pub(super) const STORE_BACKUP: &str = "Example:
  sluss store backup backup --config testbed/access-points/AP0001-TESTBED/sluss.toml

On the same file system, segments and payloads are shared, which costs no space: copy the
folder to another disk to survive the loss of this one.";

pub(super) const STORE_RESTORE: &str = "Example, with the daemon stopped and journal, blobs and index moved aside:
  sluss store restore backup --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const STORE_REBUILD: &str = "Example, with the daemon stopped:
  sluss store rebuild --config testbed/access-points/AP0001-TESTBED/sluss.toml

A journal that lost its end is refused. Restore a backup; without one, --accept-loss --reason TEXT
goes on with what the journal has, and what partners send again may be delivered twice.";

pub(super) const STORE_PURGE: &str = "Example, with the daemon stopped:
  sluss store purge --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const TESTBED_INIT: &str = "Example:
  sluss testbed init testbed";

pub(super) const TESTBED_SERVE: &str = "Example, after `sluss testbed init testbed`:
  sluss testbed serve testbed";

pub(super) const ACCESS_POINT: &str = "Examples, after `sluss testbed init testbed`:
  sluss testbed access-point testbed AP0001-TESTBED
  sluss testbed access-point testbed AP0002-TESTBED";

pub(super) const PARTICIPANT: &str = "Examples, after `sluss testbed access-point`:
  sluss testbed participant testbed 0203:alice.example.se \\
      --access-point AP0001-TESTBED
  sluss testbed participant testbed 0203:bob.example.se \\
      --access-point AP0002-TESTBED";

pub(super) const FAULT: &str = "Examples:
  sluss testbed fault testbed smp-down
  sluss testbed fault testbed smp-down --clear";

pub(super) const AS4_PACK: &str = "Example, with the envelope of `sluss envelope seal`:
  sluss as4 pack \\
      --key testbed/access-points/AP0001-TESTBED/key.pem \\
      --cert testbed/access-points/AP0001-TESTBED/cert.pem \\
      --to-cert testbed/access-points/AP0002-TESTBED/cert.pem \\
      --from 0203:alice.example.se --to 0203:bob.example.se \\
      --payload envelope.xml --save packed";

pub(super) const AS4_OPEN: &str = "Example, with the request of `sluss as4 pack`:
  sluss as4 open --headers packed/request.headers --body packed/request.body \\
      --key testbed/access-points/AP0002-TESTBED/key.pem \\
      --cert testbed/access-points/AP0002-TESTBED/cert.pem \\
      --trust testbed/ca/ap.cert.pem --allow unknown-revocation

Revocation cannot be known offline, so a look at it has to allow that.";

pub(super) const ENVELOPE_CHECK: &str = "Example, with the envelope of `sluss envelope seal`:
  sluss envelope check envelope.xml --json";

pub(super) const ENVELOPE_SHOW: &str = "Example, with the envelope of `sluss envelope seal`:
  sluss envelope show envelope.xml";

pub(super) const ENVELOPE_SEAL: &str = "Example, with the message of `sluss message build`:
  sluss envelope seal --from 0203:alice.example.se --to 0203:bob.example.se \\
      --key testbed/participants/alice.example.se/key.pem \\
      --cert testbed/participants/alice.example.se/cert.pem \\
      --to-cert testbed/participants/bob.example.se/cert.pem \\
      message.xml > envelope.xml";

pub(super) const ENVELOPE_OPEN: &str = "Example, with the envelope of `sluss envelope seal`:
  sluss envelope open --key testbed/participants/bob.example.se/key.pem \\
      --cert testbed/participants/bob.example.se/cert.pem \\
      envelope.xml > opened.xml";

pub(super) const MESSAGE_BUILD: &str = "Example:
  sluss message build --from 0203:alice.example.se --to 0203:bob.example.se \\
      --functional-address sdk:inkorg:0203:bob.example.se \\
      --label Beslut beslut.pdf > message.xml";

pub(super) const MESSAGE_CHECK: &str = "Example, with the message of `sluss message build`:
  sluss message check message.xml";

pub(super) const RECEIPT_CHECK: &str = "Example:
  sluss receipt check receipt.xml

A message receipt comes in an envelope of its own; `sluss envelope open` takes it out.";

pub(super) const SMP_CHECK: &str = "Example:
  sluss smp check metadata.xml --trust testbed/ca/smp-root.cert.pem \\
      --participant iso6523-actorid-upis::0203:bob.example.se

The file is what an SMP answers to a question for service metadata.";

pub(super) const C14N: &str = "Example, with the envelope of `sluss envelope seal`:
  sluss xml c14n --exclusive envelope.xml | sha256sum";

pub(super) const XML_VERIFY: &str = "Example, with the envelope of `sluss envelope seal`:
  sluss xml verify envelope.xml \\
      --trust testbed/participants/alice.example.se/cert.pem";

pub(super) const QUEUE_SHOW: &str = "Example, with an id from the first column of `sluss queue list`:
  sluss queue show 3f0e7a52-6c0d-4b7e-9a51-0d9c8f6f2b11 \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const PARTNERS_LIST: &str = "Example:
  sluss partners list \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const PARTNERS_TRY: &str = "Example, with a partner that `sluss partners list` shows as open:
  sluss partners try AP0002-TESTBED --reason back \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const QUEUE_RETRY: &str = "Examples, with an id from the first column of `sluss queue list`:
  sluss queue retry 3f0e7a52-6c0d-4b7e-9a51-0d9c8f6f2b11 \\
      --reason 'the partner is back' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml
  sluss queue retry --partner AP0002-TESTBED --cause access-point-unreachable \\
      --reason back \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const QUEUE_CANCEL: &str = "Example, with an id from the first column of `sluss queue list`:
  sluss queue cancel 3f0e7a52-6c0d-4b7e-9a51-0d9c8f6f2b11 \\
      --reason 'sent by mistake' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml
All that came in for a participant that is no longer here:
  sluss queue cancel --direction in --status RECEIVED --participant 0203:gone.example.se \\
      --reason 'the participant has moved' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml
All dead letters whose recipients were asked by other means:
  sluss queue cancel --status attention --cause message-receipt-missing \\
      --reason 'they have them, as they say by telephone' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const QUEUE_HOLD: &str = "Example, with an id from the first column of `sluss queue list`:
  sluss queue hold 3f0e7a52-6c0d-4b7e-9a51-0d9c8f6f2b11 \\
      --reason 'the partner moves today' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const QUEUE_RELEASE: &str = "Example, with an id from the first column of `sluss queue list`:
  sluss queue release 3f0e7a52-6c0d-4b7e-9a51-0d9c8f6f2b11 \\
      --reason 'the partner has moved' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml
All that are held:
  sluss queue release --held --reason 'the partner has moved' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_ADD: &str = "Examples, with a password in a file that its owner alone reads:
  (umask 077; head -c 15 /dev/urandom | base64 > kim.password)
  sluss accounts add kim --role operator --password-file kim.password \\
      --reason 'she begins on Monday' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml
  sluss accounts add alice --role participant \\
      --participant 0203:alice.example.se \\
      --reason 'her own mailbox' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_LIST: &str = "Example:
  sluss accounts list \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_PASSWORD: &str = "Example, after `sluss accounts add`:
  sluss accounts password kim --password-file kim.password \\
      --reason 'it was forgotten' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_ROLE: &str = "Example, after `sluss accounts add`:
  sluss accounts role kim --role viewer \\
      --reason 'she is on leave' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_LOCK: &str = "Example, after `sluss accounts add`:
  sluss accounts lock kim \\
      --reason 'her laptop was stolen' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_UNLOCK: &str = "Example, after `sluss accounts lock`:
  sluss accounts unlock kim \\
      --reason 'it was found' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_LINK: &str = "Examples, with a daemon that runs:
  sluss accounts link \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml
  sluss accounts link kim \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const ACCOUNTS_REMOVE: &str = "Example, after `sluss accounts add`:
  sluss accounts remove alice \\
      --reason 'she has left' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const TOKENS_ADD: &str = "Examples:
  sluss tokens add watch --role viewer --save watch.token \\
      --reason 'for the monitoring' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml
  sluss status --token-file watch.token \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const TOKENS_LIST: &str = "Example:
  sluss tokens list \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const TOKENS_REMOVE: &str = "Example, after `sluss tokens add`:
  sluss tokens remove watch \\
      --reason 'it is not used any more' \\
      --config testbed/access-points/AP0001-TESTBED/sluss.toml";

pub(super) const AUDIT_VERIFY: &str = "Examples:
  sluss audit verify --config testbed/access-points/AP0001-TESTBED/sluss.toml
  sluss audit verify --config testbed/access-points/AP0001-TESTBED/sluss.toml --anchors anchors.jsonl --json

Exit status 1 when anything does not hold: each finding has its cause (changed, rewritten, reordered, cut-out, end-cut, torn,
anchor), its place, and what to do. Without anchors, or --expect, nothing can tell that the end was cut.
A lost end that was accepted (`sluss store rebuild --accept-loss`) is said with number, name and time, and is no fault.";

pub(super) const AUDIT_ANCHOR: &str = "Example:
  sluss audit anchor --config testbed/access-points/AP0001-TESTBED/sluss.toml --out anchors.jsonl

The daemon does the same by itself where the configuration names audit.anchor_file.";

pub(super) const AUDIT_EXPORT: &str = "Example, with the id of a message that `sluss queue list` prints:
  sluss audit export --config testbed/access-points/AP0001-TESTBED/sluss.toml --message 019ac0de-0000-7000-8000-000000000001 --out evidence

Beside the daemon, or without it. Whoever gets the folder runs `sh verify.sh` in it. No content is in it.";

#[cfg(test)]
mod tests {
    use crate::cli::args::Cli;
    use clap::{Command, CommandFactory, Parser};

    /// Commands without commands of their own, with the words that lead to them.
    fn leaves(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
        let shown: Vec<&Command> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).collect();
        if shown.is_empty() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            found.push((path.to_owned(), help));
        }
        for inner in shown {
            leaves(inner, &format!("{path} {}", inner.get_name()), found);
        }
    }

    /// Words as a shell takes them: what stands in quotes is one.
    fn words(line: &str) -> Vec<String> {
        let pieces = line.split('\'').enumerate();
        let words = pieces.flat_map(|(n, piece)| match n % 2 {
            0 => piece.split_whitespace().map(str::to_owned).collect(),
            _ => vec![piece.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn every_command_has_an_example_that_is_understood() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "sluss", &mut found);
        assert!(found.len() > 20, "{found:?}");
        for (command, help) in found {
            let help = help.replace("\\\n", " ");
            let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  sluss ")).collect();
            assert!(!examples.is_empty(), "{command} has no example");
            let own = command.trim_start_matches("sluss ");
            assert!(examples.iter().any(|example| example.starts_with(own)), "{command}: {examples:?}");
            for example in examples {
                let words = words(example.split(['>', '|']).next().unwrap_or_default());
                let parsed = Cli::try_parse_from(std::iter::once("sluss".to_owned()).chain(words));
                assert!(parsed.is_ok(), "sluss {example}: {}", parsed.unwrap_err());
            }
        }
    }
}
