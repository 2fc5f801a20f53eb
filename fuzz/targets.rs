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
use aws_transfer_exporter::metrics::negotiate;
use aws_transfer_exporter::transfer::sdk::SdkTransfer;
use aws_transfer_exporter::transfer::session::{Sessions, StaticCredentials, TimeOuts};
use aws_transfer_exporter::transfer::{Attempt, AttemptObserver, TransferApi, all_file_results};
use aws_transfer_exporter::web::fuzzing::serve_connection;
use model::{Account, AccountName, Fact, Finished, Now};
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
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
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
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    for read in [
        parse_message(text, routing, MessageTimes { now, sent_at: None }),
        parse_record(text, filter, None),
    ] {
        let Ok(ParsedMessage::Facts(facts, _)) = read else {
            continue;
        };
        for fact in facts {
            match fact {
                Fact::Started(start) => assert_eq!(start.key.account.as_str(), "prod"),
                Fact::FileEnded(file) => {
                    assert!(
                        !file.file_transfer_id.is_empty() && file.ended_at <= now,
                        "{file:?}"
                    );
                    let is_without_code = matches!(&file.end, Finished::Failed(Some(code)) if code.as_str().is_empty());
                    assert!(!is_without_code, "{file:?}");
                }
                Fact::OperationEnded(end) => assert!(!end.id.is_empty(), "{end:?}"),
            }
        }
    }
}

/// Negotiates format and encoding from `Accept` in the first line and `Accept-Encoding` in the
/// rest. The result must have been offered.
pub fn accept(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (accept, encoding) = text.split_once('\n').unwrap_or((text, text));
    let format = negotiate::format(Some(accept)).to_string();
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
    CLIENT.with_borrow_mut(|client| {
        let client = client.get_or_insert_with(Client::new);
        *client
            .response
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = (status, body.to_vec());
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
            }
            Err(error) => {
                assert!(error.detail.chars().count() <= 303, "{error}");
                assert!(
                    !error.detail.contains(['\r', '\n']) && !error.detail.contains(SECRET),
                    "{error}"
                );
            }
        }
    });
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
