//! The fuzzed functions. Each takes any bytes and panics if the result violates an invariant.
//! `cargo fuzz` calls them with generated input, and `cargo test` with the committed seeds
//! (`tests/it/fuzzed.rs`).

#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each fuzz target uses one of the functions"
)]

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_types::body::SdkBody;
use aws_transfer_exporter::app::{App, Options, system_clock};
use aws_transfer_exporter::config::{
    AccountPlan, CollectorPlan, ConfigFile, Plan, WebPlan, parse_targets,
};
use aws_transfer_exporter::discovery::ConnectorFilter;
use aws_transfer_exporter::discovery::message::{
    AccountRoute, EventFilter, MessageRouting, MessageTimes, ParsedMessage, parse_message,
    parse_record,
};
use aws_transfer_exporter::metrics::format::FormatKind;
use aws_transfer_exporter::metrics::negotiate::{self, Offer};
use aws_transfer_exporter::store::fuzzing::{decode_records, is_readable};
use aws_transfer_exporter::tracker::{Tracker, TrackerLimits, TrackerSettings};
use aws_transfer_exporter::transfer::sdk::SdkTransfer;
use aws_transfer_exporter::transfer::session::{Sessions, StaticCredentials, TimeOuts};
use aws_transfer_exporter::transfer::{Attempt, AttemptObserver, TransferApi, all_file_results};
use aws_transfer_exporter::web::fuzzing::serve_connection;
use model::{Account, AccountName, Fact, Finished, Now, Shard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// A secret from the environment, which must not appear in any output.
const SECRET: &str = "canary-0d9f2a";

/// Resolves a configuration and a target file. Problems have a line of the text and do not contain
/// the value of a variable.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let env = |name: &str| (name == "SECRET").then(|| SECRET.to_owned());
    let lines = text.split('\n').count()
        + text.matches('\r').count()
        + text.matches(['\u{85}', '\u{2028}', '\u{2029}']).count();
    let accounts = match Plan::resolve(ConfigFile::read("f", text, &env)) {
        Ok(plan) => {
            for key in &plan.transfers {
                assert!(
                    plan.accounts
                        .iter()
                        .any(|account| account.name == key.account),
                    "{key:?} has no account"
                );
            }
            assert!(
                !format!("{plan:?}").contains(SECRET) || !text.contains("external_id"),
                "a secret is shown"
            );
            plan.accounts
        }
        Err(problems) => {
            assert!(problems.count() > 0);
            for problem in &problems {
                assert!(
                    problem
                        .line
                        .is_none_or(|line| (1..=lines + 1).contains(&line)),
                    "{problem} of {lines} lines"
                );
                assert!(
                    !problem.message.chars().any(char::is_control),
                    "{problem:?}"
                );
            }
            assert!(
                !problems.to_string().contains(SECRET),
                "a secret is shown: {problems}"
            );
            Vec::new()
        }
    };
    let _ = parse_targets("f", text, &accounts, None);
}

/// Parses the body of an SQS message, or a CloudTrail record.
pub fn event(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        event_text(text);
    }
}

/// The time at which events are received.
fn event_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn with_routing<T>(f: impl FnOnce(MessageRouting<'_>, EventFilter<'_>) -> T) -> T {
    let account = Account {
        name: AccountName::new("prod"),
        region: "us-east-1".into(),
    };
    let connectors = ConnectorFilter::new(&["c-*".to_owned()]);
    let route = AccountRoute {
        account: account.clone(),
        id: Some("123456789012".into()),
    };
    let routing = MessageRouting {
        queue: &route,
        others: &[],
        connectors: &connectors,
    };
    let filter = EventFilter {
        account: &account,
        connectors: &connectors,
    };
    f(routing, filter)
}

fn event_text(text: &str) {
    let now = event_time();
    with_routing(|routing, filter| {
        for read in [
            parse_message(text, routing, MessageTimes { now, sent_at: None }),
            parse_record(text, filter, None),
        ] {
            if let Ok(ParsedMessage::Facts(facts, _)) = read {
                check_facts(&facts, now);
            }
        }
    });
}

fn check_facts(facts: &[Fact], now: SystemTime) {
    for fact in facts {
        match fact {
            Fact::Started(start) => assert_eq!(start.key.account.as_str(), "prod"),
            Fact::FileEnded(file) => {
                assert!(
                    !file.file_transfer_id.is_empty() && file.ended_at <= now,
                    "{file:?}"
                );
                let is_without_code =
                    matches!(&file.end, Finished::Failed(Some(code)) if code.as_str().is_empty());
                assert!(!is_without_code, "{file:?}");
            }
            Fact::OperationEnded(end) => assert!(!end.id.is_empty(), "{end:?}"),
        }
    }
}

/// Values that the bytes of an input choose, in order. The first of each list when they have ended.
struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// Whether each chosen value was a sound one.
    is_sound: bool,
}

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or_default()
    }

    /// Returns one of the sound values, or of the others.
    fn of<'t>(&mut self, sound: &[&'t str], others: &[&'t str]) -> &'t str {
        let index = usize::from(self.byte()) % (sound.len() + others.len());
        self.is_sound &= index < sound.len();
        sound
            .get(index)
            .or_else(|| others.get(index - sound.len()))
            .copied()
            .unwrap_or_default()
    }

    /// Returns a number of up to eight bytes.
    fn number(&mut self) -> u64 {
        let length = self.byte() % 9;
        (0..length).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }
}

/// JSON of a kind that a member should not have.
const WRONG: &[&str] = &["null", "0", "-1", "{}", "[\"x\"]", "true", "\"\"", "1e400"];
/// Texts that every member but an id may have.
const TEXTS: &[&str] = &[
    "\"/bucket/a.txt\"",
    "\"/\\ud83d\\ude00\\n\"",
    "\"a\\u0000b\"",
    "\"\u{202e}\u{7f}\"",
];
const TIMES: &[&str] = &[
    "\"2024-01-24T18:29:33.658729Z\"",
    "\"2024-01-24T19:29:33+01:00\"",
];
const ODD_TIMES: &[&str] = &[
    "\"9999-12-31T23:59:59Z\"",
    "\"0000-01-01T00:00:00Z\"",
    "\"2024-02-30T00:00:00Z\"",
    "\"2024-01-24\"",
    "1706120973",
    "\"\"",
];

/// Parses an EventBridge event whose members the bytes choose. A sound one is understood.
pub fn event_fields(bytes: &[u8]) {
    let mut choices = Choices {
        bytes: bytes.iter(),
        is_sound: true,
    };
    let direction = choices.of(&["Send", "Retrieve"], &["Receive", "send", ""]);
    let end = choices.of(&["Completed", "Failed"], &["Started", "completed", ""]);
    let is_operation = choices.byte() % 4 == 3;
    let detail_type = if is_operation {
        let operation = choices.of(
            &["Directory Listing", "Remote Move", "Remote Delete"],
            &["Remote Copy"],
        );
        format!("SFTP Connector {operation} {end}")
    } else {
        format!("SFTP Connector File {direction} {end}")
    };
    let ids = ["\"f-1\"", "\"a/b c\""];
    let number = choices.number();
    let written = number.to_string();
    let is_believed = number <= 1 << 42;
    choices.is_sound &= is_believed;
    let detail = [
        (
            "connector-id",
            choices.of(&["\"c-f1111aaaa2222bbbb\""], WRONG),
        ),
        ("transfer-id", choices.of(&["\"t-1\"", "\"t/2\""], WRONG)),
        ("file-transfer-id", choices.of(&ids, WRONG)),
        ("listing-id", choices.of(&ids, WRONG)),
        ("move-id", choices.of(&ids, WRONG)),
        ("delete-id", choices.of(&ids, WRONG)),
        ("operation", choices.of(&["\"SEND\""], WRONG)),
        ("file-path", choices.of(TEXTS, WRONG)),
        (
            "status-code",
            choices.of(&["\"COMPLETED\"", "\"FAILED\""], WRONG),
        ),
        (
            "failure-code",
            choices.of(&["\"CONNECTION_ERROR\"", "\"NEW\""], WRONG),
        ),
        ("failure-message", choices.of(TEXTS, WRONG)),
        ("bytes", choices.of(&[&written], WRONG)),
        ("start-timestamp", choices.of(TIMES, ODD_TIMES)),
        ("end-timestamp", choices.of(TIMES, ODD_TIMES)),
    ];
    let members = |members: &[(&str, &str)], choices: &mut Choices<'_>| {
        // A member is missing, or there twice.
        let mut text = String::new();
        for (name, value) in members {
            let times = match choices.byte() {
                254 => 0,
                255 => 2,
                _ => 1,
            };
            choices.is_sound &= times == 1;
            for _ in 0..times {
                let comma = if text.is_empty() { "" } else { "," };
                let _ = write!(text, "{comma}\"{name}\":{value}");
            }
        }
        format!("{{{text}}}")
    };
    let detail = members(&detail, &mut choices);
    let detail_type = format!("\"{detail_type}\"");
    let event = [
        ("version", "\"0\""),
        ("id", choices.of(&["\"e-1\""], WRONG)),
        ("detail-type", &*detail_type),
        (
            "source",
            choices.of(&["\"aws.transfer\""], &["\"aws.s3\"", "0"]),
        ),
        (
            "account",
            choices.of(&["\"123456789012\""], &["\"210987654321\"", "0"]),
        ),
        ("time", choices.of(TIMES, ODD_TIMES)),
        (
            "region",
            choices.of(&["\"us-east-1\""], &["\"eu-central-1\"", "0"]),
        ),
        ("detail", &*detail),
    ];
    let body = members(&event, &mut choices);
    let is_sound = choices.is_sound;
    let facts = facts_of(&body);
    if is_sound {
        let expected = if is_operation { 1 } else { 2 };
        assert_eq!(facts, Some(expected), "{body}");
    }
    event_text(&body);
}

/// Returns the number of facts of a message, if it is understood.
fn facts_of(text: &str) -> Option<usize> {
    with_routing(|routing, _| {
        let now = event_time();
        match parse_message(text, routing, MessageTimes { now, sent_at: None }) {
            Ok(ParsedMessage::Facts(facts, _)) => Some(facts.len()),
            _ => None,
        }
    })
}

/// Negotiates format and encoding from `Accept` in the first line and `Accept-Encoding` in the
/// rest. The result must have been offered.
pub fn accept(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (accept, encoding) = text.split_once('\n').unwrap_or((text, text));
    let stable = negotiate::format(Some(accept), Offer::default());
    assert_ne!(stable.kind, FormatKind::OpenMetrics2_0_0, "{accept:?}");
    let format = negotiate::format(Some(accept), Offer { openmetrics2: true }).to_string();
    let offered = accept.to_ascii_lowercase();
    for kind in [
        "application/openmetrics-text",
        "application/vnd.google.protobuf",
    ] {
        assert!(
            !format.starts_with(kind) || offered.contains(kind),
            "{format} for {accept:?}"
        );
    }
    assert!(
        format.is_ascii() && !format.contains(['\r', '\n']),
        "{format:?}"
    );
    if let Some(chosen) = negotiate::encoding(Some(encoding)).as_header() {
        let offered = encoding.to_ascii_lowercase();
        assert!(
            offered.contains(chosen) || offered.contains('*'),
            "{chosen} for {encoding:?}"
        );
    }
}

/// An observer that records nothing.
struct NoMetrics;

impl AttemptObserver for NoMetrics {
    fn attempt_ended(&self, _: Attempt) {}
}

/// Status and body of the next response.
type NextResponse = Arc<Mutex<(u16, Vec<u8>)>>;

/// An SDK client with a fake HTTP client, and a runtime with paused time, so that retries take no
/// time.
struct Client {
    runtime: Runtime,
    api: SdkTransfer,
    response: NextResponse,
}

impl Client {
    fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let response = NextResponse::default();
        let given = Arc::clone(&response);
        let http_client = infallible_client_fn(move |_| {
            let (status, body) = given.lock().unwrap_or_else(PoisonError::into_inner).clone();
            hyper::Response::builder()
                .status(status)
                .body(SdkBody::from(body))
                .unwrap()
        });
        let credentials = StaticCredentials {
            access_key_id: "AKIDFUZZ",
            secret_access_key: SECRET,
        };
        let sessions = Sessions::with_http_client(
            http_client,
            TimeOuts::within(Duration::from_secs(10)),
            Some(credentials),
        );
        let account = AccountPlan {
            region: Some("eu-central-1".into()),
            ..AccountPlan::default()
        };
        let session = runtime.block_on(sessions.open(&account)).unwrap();
        let clock = Arc::new(|| Now {
            instant: Instant::now(),
            wall: SystemTime::now(),
        });
        Self {
            runtime,
            api: SdkTransfer::new(session.config, Arc::new(NoMetrics), clock),
            response,
        }
    }
}

thread_local! {
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
    static SERVER: RefCell<Option<(Runtime, Arc<App>)>> = const { RefCell::new(None) };
}

/// Parses a response to `ListFileTransferResults`. The first byte selects the status, the rest is
/// the body.
pub fn api_answer(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else {
        return;
    };
    let status = [200, 400, 403, 404, 429, 500, 503, 302][usize::from(choice % 8)];
    let _ = answer(status, body.to_vec());
}

/// Parses a page of results whose members the bytes choose. A sound one has as many files.
pub fn answer_fields(bytes: &[u8]) {
    let mut choices = Choices {
        bytes: bytes.iter(),
        is_sound: true,
    };
    let count = usize::from(choices.byte() % 8);
    let mut files = Vec::new();
    for _ in 0..count {
        let codes = ["\"CONNECTION_ERROR\"", "\"NEW\"", "null", "\"\""];
        let statuses = [
            "\"QUEUED\"",
            "\"IN_PROGRESS\"",
            "\"COMPLETED\"",
            "\"FAILED\"",
            "\"NEW_STATUS\"",
        ];
        let path = choices.of(TEXTS, WRONG);
        let status = choices.of(&statuses, WRONG);
        let code = choices.of(&codes, &["0", "{}"]);
        let message = choices.of(TEXTS, WRONG);
        files.push(format!(
            "{{\"FilePath\":{path},\"StatusCode\":{status},\"FailureCode\":{code},\
             \"FailureMessage\":{message}}}"
        ));
    }
    let list = match choices.byte() {
        255 => "null".to_owned(),
        254 => "{}".to_owned(),
        253 => format!("[null,{}]", files.join(",")),
        _ => format!("[{}]", files.join(",")),
    };
    let is_list = list.starts_with('[') && !list.starts_with("[null");
    let token = choices.of(&["null", "\"\""], &["\"n\"", "0", "{}"]);
    let body = format!("{{\"FileTransferResults\":{list},\"NextToken\":{token}}}");
    let is_sound = choices.is_sound && is_list;
    let read = answer(200, body.clone().into_bytes());
    assert!(!is_sound || read == Some(count), "{read:?} of {body}");
}

/// Parses a response to `ListFileTransferResults`. Returns the number of files.
fn answer(status: u16, body: Vec<u8>) -> Option<usize> {
    CLIENT.with_borrow_mut(|client| {
        let client = client.get_or_insert_with(Client::new);
        *client
            .response
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = (status, body);
        let (connector, transfer) = (
            "c-0123456789abcdef0".parse().unwrap(),
            "t-1".parse().unwrap(),
        );
        let (page, all) = client.runtime.block_on(async {
            let page = client
                .api
                .file_results_page(&connector, &transfer, None)
                .await;
            // Every page is the same, so a token in it repeats.
            let all = if page.is_ok() {
                Some(all_file_results(&client.api, &connector, &transfer).await)
            } else {
                None
            };
            (page, all)
        });
        match page {
            Ok(page) => {
                assert_eq!(status, 200);
                for file in &page.files {
                    assert!(
                        !file.path.is_empty() && !file.status.as_str().is_empty(),
                        "{file:?}"
                    );
                }
                assert_eq!(all.map(|all| all.is_ok()), Some(page.next_token.is_none()));
                assert!(page.next_token.is_none_or(|token| !token.is_empty()));
                Some(page.files.len())
            }
            Err(error) => {
                assert!(error.detail.chars().count() <= 303, "{error}");
                assert!(
                    !error.detail.contains(['\r', '\n']) && !error.detail.contains(SECRET),
                    "{error}"
                );
                None
            }
        }
    })
}

/// Returns an exporter with one account, whose endpoint is closed, and no transfers.
fn server() -> (Runtime, Arc<App>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let account = AccountPlan {
        name: AccountName::new("prod"),
        region: Some("eu-central-1".into()),
        endpoint_url: Some("http://127.0.0.1:9".into()),
        ..AccountPlan::default()
    };
    let collector = CollectorPlan {
        timeout: Duration::from_millis(1),
        ..CollectorPlan::default()
    };
    let plan = Plan {
        accounts: vec![account],
        collector,
        ..Plan::default()
    };
    let credentials = Some(StaticCredentials {
        access_key_id: "AKIDFUZZ",
        secret_access_key: SECRET,
    });
    let options = Options {
        credentials,
        ..Options::default()
    };
    let app = runtime
        .block_on(Box::pin(App::new(plan, options, system_clock())))
        .unwrap();
    (runtime, app)
}

/// Serves a connection on which a client sends `bytes`. The response is HTTP or empty.
pub fn request_head(bytes: &[u8]) {
    SERVER.with_borrow_mut(|server_| {
        let (runtime, app) = server_.get_or_insert_with(server);
        let answer = runtime.block_on(async {
            let (mut client, stream) = tokio::io::duplex(64 * 1024);
            let served = serve_connection(stream, Arc::clone(app) as _, "/metrics");
            let exchange = async {
                // The server may close the connection before everything is sent.
                let _ = client.write_all(bytes).await;
                let _ = client.shutdown().await;
                let mut answer = Vec::new();
                let _ = client.read_to_end(&mut answer).await;
                answer
            };
            tokio::join!(served, exchange).1
        });
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        assert!(
            !answer
                .windows(SECRET.len())
                .any(|window| window == SECRET.as_bytes()),
            "a secret is shown"
        );
    });
}

/// Resolves a web configuration. Problems have a line of the text and do not contain a password
/// hash.
pub fn web_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let breaks = text
        .matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .count();
    match WebPlan::read("w", Path::new("/folder"), text) {
        Ok(plan) => {
            assert!(
                plan.rate_limit
                    .is_none_or(|limit| !limit.interval.is_zero() && limit.burst > 0)
            );
            for (name, value) in &plan.headers {
                assert!(
                    value.bytes().all(|b| (0x20..0x7f).contains(&b)),
                    "{name}: {value:?}"
                );
            }
        }
        Err(problems) => {
            assert!(problems.count() > 0);
            for problem in &problems {
                assert!(
                    problem
                        .line
                        .is_none_or(|line| (1..=breaks + 2).contains(&line)),
                    "{problem}"
                );
                assert!(
                    !problem.message.chars().any(char::is_control),
                    "{problem:?}"
                );
            }
        }
    }
}

/// Restores a tracker from stored records. Each record of the input is a byte for its table, a byte
/// for its length, and so many bytes. What is written afterwards can be read.
pub fn stored_records(bytes: &[u8]) {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    let start = Instant::now();
    let after = |days: u32| Now {
        instant: start + days * Duration::from_hours(24),
        wall: wall + days * Duration::from_hours(24),
    };
    let settings = TrackerSettings {
        min_refresh_interval: Duration::from_secs(15),
        max_refresh_interval: Duration::from_mins(5),
        gone_after: Duration::from_mins(15),
        keep_settled: Duration::from_hours(1),
        keep_unresolved: Duration::from_hours(7 * 24),
        per_transfer: model::PerTransfer::All,
        max_transfers: 10,
        shard: Shard::default(),
        events: true,
        limits: TrackerLimits {
            transfers: 100,
            connectors: 100,
        },
    };
    let account = Account {
        name: AccountName::new("prod"),
        region: "eu-central-1".into(),
    };
    let mut tracker = Tracker::new(settings, wall);
    tracker.configure(settings, [account], after(0));
    tracker.restore(decode_records(bytes), after(0));
    for days in [0, 1, 30] {
        tracker.expire(after(days));
        let _ = tracker.snapshot(after(days));
        let written = tracker.take_changes(after(days));
        assert!(is_readable(&written), "{written:?}");
    }
}
