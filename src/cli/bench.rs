//! `sluss bench …`: the measurements of the README.

use super::args::BenchCommand;
use super::offline::size;
use super::output::{Output, Table};
use super::unprinted;
use crate::bench::as4::{self, BenchError, Report};
use crate::model::{Fault, Problem};

pub(super) fn run(command: BenchCommand, out: &mut Output) -> Result<u8, Problem> {
    match command {
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
    }
}

fn failed(error: &BenchError) -> Problem {
    Problem::new(Fault::Temporary, "bench", "the benchmark broke off", error.to_string())
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
