//! `sluss bench …`: the measurements of the README.

use super::args::BenchCommand;
use super::offline::size;
use super::output::{Output, Table};
use super::unprinted;
use crate::bench::as4::{self, BenchError, Report};
use crate::bench::{store, timing, transfer};
use crate::model::{Fault, Problem};

pub(super) async fn run(command: BenchCommand, out: &mut Output) -> Result<u8, Problem> {
    match command {
        BenchCommand::Store { writers, seconds, messages, dir } => {
            let folder = dir.unwrap_or_else(std::env::temp_dir);
            let seconds = std::time::Duration::from_secs(seconds);
            let work = move || match messages {
                Some(messages) => store::questions(&folder, messages),
                None => store::accepts(&folder, &writers, seconds),
            };
            let done = tokio::task::spawn_blocking(work).await;
            let report = done.map_err(|error| broken(error.to_string()))?.map_err(|error| broken(error.to_string()))?;
            let text = || serde_json::to_string_pretty(&report).unwrap_or_default();
            out.record(&report, text).map_err(|error| unprinted(&error))?;
            Ok(0)
        }
        BenchCommand::As4 { messages, size: sizes, dir } => {
            let plan = as4::Plan {
                messages: messages as usize,
                sizes: sizes.iter().map(|text| size(text)).collect::<Result<_, _>>()?,
                folder: dir.unwrap_or_else(std::env::temp_dir),
            };
            let report = as4::measure(&plan).map_err(|error| failed(&error))?;
            out.record(&report, || text(&report)).map_err(|error| unprinted(&error))?;
            Ok(0)
        }
        BenchCommand::Timing { messages } => {
            let report = timing::measure(messages as usize).map_err(|error| failed(&error))?;
            out.record(&report, || compared(&report)).map_err(|error| unprinted(&error))?;
            Ok(0)
        }
        BenchCommand::Transfer { size: document, messages, concurrent, dir } => {
            let plan = transfer::Plan {
                document_bytes: size(&document)?,
                messages: messages as usize,
                concurrent: concurrent as usize,
                folder: dir.unwrap_or_else(std::env::temp_dir),
            };
            let report = transfer::measure(&plan).await?;
            out.record(&report, || transferred(&report)).map_err(|error| unprinted(&error))?;
            Ok(0)
        }
    }
}

fn compared(report: &timing::Report) -> String {
    let mut text = format!("sluss {}, {}; processor time\n", report.setting.version, report.setting.cpu);
    for series in &report.series {
        let mut table = Table::new(&["wrong", "median µs", "t", "answer", ""]);
        for class in &series.classes {
            table.row([
                class.wrong.to_owned(),
                format!("{:.1}", class.median_microseconds),
                format!("{:.1}", class.t),
                if class.same_answer { "same" } else { "DIFFERS" }.to_owned(),
                if class.public { "public" } else { "" }.to_owned(),
            ]);
        }
        let heading = format!("{}, RSA-{}, {} of each class", series.what, series.rsa_bits, series.messages);
        text.push_str(&format!("\n{heading}\n{}", table.text()));
    }
    text
}

fn transferred(report: &transfer::Report) -> String {
    let mut table = Table::new(&[
        "",
        "idle MiB",
        "peak MiB",
        "over idle",
        "CPU ms a message",
        "longest stretch, CPU ms",
        "by the clock, ms",
    ]);
    for (name, process) in [("sender", &report.sender), ("receiver", &report.receiver)] {
        table.row([
            name.to_owned(),
            (process.idle_bytes >> 20).to_string(),
            (process.peak_bytes >> 20).to_string(),
            ((process.peak_bytes - process.idle_bytes) >> 20).to_string(),
            format!("{:.2}", process.cpu_seconds * 1000.0 / report.messages as f64),
            format!("{:.2}", process.stretches.longest_cpu_seconds * 1000.0),
            format!("{:.2}", process.stretches.longest_seconds * 1000.0),
        ]);
    }
    let setting = &report.setting;
    format!(
        "sluss {}, {}, {} cores\n{} envelopes of {} bytes, {} at once: {:.1} s, {:.1} messages/s; {} of the {:.0} that RSA alone \
         allows\n{:.2} ms of processor time a message, both sides together, {} of it in RSA\n{}\n{}",
        setting.version,
        setting.cpu,
        setting.cores,
        report.messages,
        report.envelope_bytes,
        report.concurrent,
        report.seconds,
        report.messages_per_second,
        percent(report.share_of_rsa_limit),
        report.rsa_limit_per_second,
        report.cpu_seconds_per_message * 1000.0,
        percent(report.rsa_share_of_cpu),
        report.half_load.as_ref().map(at_half_load).unwrap_or_default(),
        table.text()
    )
}

fn at_half_load(latency: &transfer::Latency) -> String {
    format!(
        "{:.0} messages/s at even intervals: half have their AS4 receipt within {:.1} ms, 99 of 100 within {:.1} ms, all {} within {:.1} ms\n",
        latency.messages_per_second,
        latency.half_within_ms,
        latency.most_within_ms,
        latency.messages,
        latency.all_within_ms
    )
}

fn failed(error: &BenchError) -> Problem {
    broken(error.to_string())
}

fn broken(error: String) -> Problem {
    Problem::new(Fault::Temporary, "bench", "the benchmark broke off", error)
}

fn text(report: &Report) -> String {
    let mut small = Table::new(&["RSA", "pack/s", "open/s", "check/s", "exchange/s", "RSA alone/s", "share"]);
    for row in &report.small {
        small.row([
            row.rsa_bits.to_string(),
            whole(row.pack_per_second),
            whole(row.open_per_second),
            whole(row.receipt_check_per_second),
            whole(row.exchange_per_second),
            whole(row.limit_per_second),
            percent(row.share_of_limit),
        ]);
    }
    let mut large = Table::new(&[
        "bytes",
        "pack MB/s",
        "open MB/s",
        "to file",
        "SHA-256",
        "AES-GCM",
        "gunzip",
        "alone MB/s",
        "share",
    ]);
    for row in &report.large {
        large.row([
            row.bytes.to_string(),
            mega(row.pack_bytes_per_second),
            mega(row.open_bytes_per_second),
            mega(row.open_to_file_bytes_per_second),
            mega(row.sha256_bytes_per_second),
            mega(row.aes_gcm_bytes_per_second),
            mega(row.gunzip_bytes_per_second),
            mega(row.limit_bytes_per_second),
            percent(row.share_of_limit),
        ]);
    }
    let setting = &report.setting;
    let peak = report.peak_memory_bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
    format!(
        "sluss {}, {}, {} cores; {}\n\n{}\n{}\npeak memory {peak}",
        setting.version,
        setting.cpu,
        setting.cores,
        setting.method,
        small.text(),
        large.text()
    )
}

fn whole(rate: f64) -> String {
    format!("{rate:.0}")
}

fn mega(rate: f64) -> String {
    format!("{:.0}", rate / 1e6)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
