//! Independent gzip and zstd decoders read the whole body: several chunks, in one gzip member or
//! several zstd frames.

use std::process::{Command, Stdio};
use std::time::SystemTime;

use simulator::{LifeScript, Settings};

use crate::program::{Running, config, config_text, peer, signing_program};
use crate::rig::{connector, files, get, simulator, transfer};

/// Families that are the same in consecutive scrapes.
const PATH: &str = "/metrics?name[]=aws_transfer_files&name[]=aws_transfer_results_up\
                    &name[]=aws_transfer_connector_files_finished_total";
/// More than two chunks of settled transfers.
const TRANSFERS: usize = 1_100;

async fn reads_the_whole_body(read: impl Fn(&str) -> Command) {
    let (simulator, url) = simulator(Settings::default()).await;
    let mut pairs = Vec::new();
    for n in 0..TRANSFERS {
        let lives = [
            LifeScript::completed(),
            LifeScript::failed("a\"b\\c é漢🚀", "odd"),
        ];
        simulator.put_transfer(
            &connector(n % 3),
            &transfer(n),
            files(lives),
            SystemTime::now(),
        );
        pairs.push((connector(n % 3).to_string(), transfer(n).to_string()));
    }
    let (_folder, file) = config(&config_text(&url, &pairs));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let (_, _, plain) = get(exporter.address, PATH, "").await;
    assert!(
        plain.matches("\naws_transfer_files{").count() > 4 * TRANSFERS,
        "{}",
        plain.len()
    );
    let mut command = read(&format!("http://{}{PATH}", exporter.address));
    let ended = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(
        ended.stdout == plain.as_bytes(),
        "{} of {} bytes",
        ended.stdout.len(),
        plain.len()
    );
    exporter.terminate();
}

fn curl(arguments: &'static [&'static str]) -> impl Fn(&str) -> Command {
    let curl = peer("CURL", "curl");
    move |url| {
        let mut command = Command::new(&curl);
        command
            .args(["--silent", "--show-error", "--fail", "--globoff"])
            .args(arguments)
            .arg(url);
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs curl; tests/run provides it"]
async fn curl_reads_gzip() {
    reads_the_whole_body(curl(&["--compressed"])).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs curl with zstd; tests/run provides it"]
async fn curl_reads_zstd() {
    reads_the_whole_body(curl(&["--compressed", "--header", "Accept-Encoding: zstd"])).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python; tests/run provides it"]
async fn python_reads_gzip() {
    let python = peer("TEST_PYTHON", "python3");
    reads_the_whole_body(|url| {
        let mut command = Command::new(&python);
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/readers/read.py"
            ))
            .arg(url);
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Go; tests/run reports where it is missing"]
async fn go_reads_gzip() {
    reads_the_whole_body(|url| {
        let mut command = Command::new("go");
        command
            .args([
                "run",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/main.go"),
            ])
            .arg(url);
        command
    })
    .await;
}
