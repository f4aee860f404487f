//! `sluss demo`.

use super::args::DemoOptions;
use super::output::Output;
use super::stop::Stop;
use super::{Ended, unprinted};
use crate::model::{Fault, Problem};
use crate::testbed::demo::{Demo, Options, Shown};

/// Runs the federation, shows the exchange, and stays until SIGINT or SIGTERM, which end it at any time.
pub(super) async fn run(options: DemoOptions, out: &mut Output) -> Ended {
    let one = |problem| vec![problem];
    let mut stop = Stop::hear().map_err(one)?;
    let (exit, options) =
        (options.exit, Options { dir: options.dir, document: options.document, messages: options.messages });
    // Not broken off: what has half started would still write to the folder while that is removed.
    let demo = Demo::start(options).await?;
    let shown = tokio::select! {
        shown = demo.exchange() => shown,
        () = stop.asked() => Err(interrupted()),
    };
    let result = shown.and_then(|shown| show(&shown, exit, out));
    if !exit && result.is_ok() {
        stop.asked().await;
    }
    demo.stop().await;
    result.map_err(one)
}

fn interrupted() -> Problem {
    Problem::new(Fault::Temporary, "interrupted", "the demo was interrupted", "the exchange was not over; run it again")
}

fn show(shown: &Shown, exit: bool, out: &mut Output) -> Result<u8, Problem> {
    out.record(shown, || text(shown, exit)).map_err(|error| unprinted(&error))?;
    Ok(u8::from(!shown.messages.iter().all(|message| message.is_accepted())))
}

fn text(shown: &Shown, exit: bool) -> String {
    let mut lines = vec![format!(
        "federation ready after {} ms: DNS, SMP with CertPub, two access points with message services",
        shown.ready_ms
    )];
    for message in shown.messages.iter().take(10) {
        lines.push(String::new());
        lines.push(format!("{} -> {}: {} bytes, {}", message.from, message.to, message.bytes, message.status.word()));
        lines.push(format!("  SHA-256 sent    {}", message.sha256_sent));
        lines.push(format!("  SHA-256 opened  {}", message.sha256_opened));
        for step in &message.journey {
            lines.push(format!("  {}  {}", crate::model::time::millis(step.at), step.detail));
        }
    }
    if shown.messages.len() > 10 {
        lines.push(format!("... and {} more", shown.messages.len() - 10));
    }
    lines.push(String::new());
    lines.push(format!("{} messages in {:.2} s", shown.messages.len(), shown.exchange_seconds));
    if !exit {
        lines.push(format!(
            "\nlook at both sides, and send a document of your own (each link logs in once):\n  Ankeborg  {}\n  Storstad  {}\nAnother link to the first: sluss accounts link --config {}\nCtrl-C ends it.",
            shown.pages.ankeborg,
            shown.pages.storstad,
            shown.pages.configuration.display()
        ));
    }
    lines.join("\n")
}
