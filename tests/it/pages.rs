//! HTML pages, the JSON API, its description, and probes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_transfer_exporter::app::Options;
use aws_transfer_exporter::tracker::query::STUCK_AFTER;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use simulator::{ApiOperation, Faults, FileScript, LifeScript, Settings, Simulator};

use crate::program::{Running, config, config_text, peer, signing_program};
use crate::prometheus::Prometheus;
use crate::rig::{
    Exporter, Exposition, account, ask, connector, files, get, key, plan, simulator, transfer,
};

async fn json(exporter: &Exporter, path: &str) -> Value {
    let (status, head, body) = get(exporter.address, path, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

/// Starts an exporter of `transfers` transfers of connector 1 and scrapes it once.
async fn exporter(url: &str, transfers: usize, options: Options) -> Exporter {
    let keys = (0..transfers)
        .map(|n| key("main", &connector(1), &transfer(n)))
        .collect();
    let exporter = Exporter::start_with(plan(vec![account("main", url)], keys), options).await;
    exporter.scrape().await;
    exporter
}

fn put(simulator: &Simulator, n: usize, files: Vec<FileScript>) {
    simulator.put_transfer(&connector(1), &transfer(n), files, SystemTime::now());
}

const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "line\nbreak\r\0nul\u{1b}[31m",
    "exe.\u{202e}txt\u{2066}\u{feff}",
    "'; </style></title><svg/onload=x>&#x3c;",
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_are_escaped_on_the_page_and_complete_in_json() {
    let (simulator, url) = simulator(Settings::default()).await;
    let long = "\u{6f22}".repeat(34_000);
    let texts: Vec<&str> = HOSTILE.iter().copied().chain([long.as_str()]).collect();
    let scripts = texts
        .iter()
        .map(|text| FileScript::new(*text, LifeScript::failed("ODD \"<code>", text)));
    put(&simulator, 0, scripts.collect());
    let exporter = exporter(&url, 1, Options::default()).await;

    let (status, head, page) = get(exporter.address, "/transfers", "").await;
    assert_eq!(status, 200);
    for header in [
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "cache-control: no-store",
    ] {
        assert!(head.contains(header), "{head}");
    }
    for forbidden in [
        "<script",
        "<img",
        "onerror=alert(1)>",
        "<svg/",
        "style=",
        "\u{202e}",
        "\u{2066}",
        "\0",
        "\u{1b}",
        "\r",
    ] {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    for shown in [
        "&lt;script&gt;alert(1)",
        "line[U+000A]break[U+000D][U+0000]nul[U+001B]",
        "exe.[U+202E]txt[U+2066]",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(
        page.contains("(cut: 102000 bytes in all)") && page.len() < 40_000,
        "{} bytes",
        page.len()
    );

    let listed = json(&exporter, "/api/v1/transfers").await;
    let failed = listed["transfers"][0]["failed_files"].as_array().unwrap();
    let paths: BTreeSet<_> = failed
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    for text in HOSTILE {
        assert!(paths.contains(text), "{text:?} in {paths:?}");
    }
    assert!(
        failed
            .iter()
            .all(|file| file["failure_code"] == "ODD \"<code>")
    );
    assert!(paths.iter().all(|path| path.len() < 1_100));

    // The query string is escaped, too.
    let (status, _, page) = get(exporter.address, "/transfers?search=%22%3E%3Cscript%3E", "").await;
    assert!(
        status == 200
            && page.contains("value=\"&quot;&gt;&lt;script&gt;\"")
            && !page.contains("<script")
    );
    for path in ["/transfers", "/api/v1/transfers", "/api/v1/targets"] {
        let (status, _, body) = get(exporter.address, &format!("{path}?%3Cscript%3E=1"), "").await;
        assert!(
            status == 400 && (path != "/transfers" || !body.contains("<script")),
            "{path}: {body}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_page_through_all_matches() {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..7 {
        let life = if n < 5 {
            LifeScript::completed()
        } else {
            LifeScript::stuck_queued()
        };
        put(&simulator, n, files([life]));
    }
    let exporter = exporter(&url, 7, Options::default()).await;
    let mut listed = Vec::new();
    let mut path = "/api/v1/transfers?state=completed&limit=2".to_owned();
    loop {
        let page = json(&exporter, &path).await;
        assert_eq!(page["transfers_matching"], 5, "{path}");
        let ids = page["transfers"].as_array().unwrap().iter();
        listed.extend(ids.map(|transfer| transfer["transfer_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/transfers?state=completed&limit=2&cursor={next}");
    }
    assert_eq!(
        listed,
        [
            "transfer-0",
            "transfer-1",
            "transfer-2",
            "transfer-3",
            "transfer-4"
        ]
    );

    let (_, _, page) = get(exporter.address, "/transfers?state=completed&limit=2", "").await;
    let next = page
        .split("rel=\"next\" href=\"")
        .nth(1)
        .unwrap()
        .split('#')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    // Relative to the page.
    let next = next.strip_prefix('.').unwrap();
    let (status, _, second) = get(exporter.address, next, "").await;
    assert!(
        status == 200 && second.contains("transfer-3") && !second.contains("transfer-1"),
        "{next}"
    );
    let (status, _, body) = get(exporter.address, "/api/v1/transfers?cursor=zz", "").await;
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, error["parameter"].as_str()),
        (400, Some("cursor")),
        "{body}"
    );
}

/// Panics unless `value` has exactly the properties of its schema, with the right types and enum
/// values.
fn compare(description: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = description
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{reference}"));
        return compare(description, schema, value, at);
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        if !value.is_null() {
            compare(description, &variants[0], value, at);
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = schema["type"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![schema["type"].clone()]);
    assert!(
        kinds.contains(&kind.into()),
        "{at}: {kind} is not of {kinds:?}"
    );
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{at}: {value}");
    }
    match value {
        Value::Object(object) => {
            let properties = schema["properties"].as_object().unwrap();
            let described: BTreeSet<_> = properties.keys().collect();
            assert_eq!(object.keys().collect::<BTreeSet<_>>(), described, "{at}");
            let required = schema["required"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap());
            assert_eq!(
                required.collect::<BTreeSet<_>>(),
                properties.keys().map(String::as_str).collect(),
                "{at}"
            );
            for (name, value) in object {
                compare(
                    description,
                    &properties[name],
                    value,
                    &format!("{at}.{name}"),
                );
            }
        }
        Value::Array(array) => {
            assert!(!array.is_empty(), "{at}: nothing to compare");
            for value in array {
                compare(description, &schema["items"], value, &format!("{at}[]"));
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_description_matches_the_responses() {
    let (simulator, url) = simulator(Settings::default()).await;
    put(
        &simulator,
        0,
        files([
            LifeScript::stuck_queued(),
            LifeScript::failed("RENAME_ERROR", "no"),
        ]),
    );
    put(&simulator, 1, files([LifeScript::completed()]));
    let exporter = exporter(&url, 3, Options::default()).await;
    let description = json(&exporter, "/api/v1/openapi.json").await;
    for path in ["/api/v1/transfers", "/api/v1/targets", "/probe"] {
        let operation = &description["paths"][path]["get"];
        let parameter = |parameter: &Value| {
            let reference = parameter["$ref"].as_str();
            reference.map_or_else(
                || parameter.clone(),
                |at| description.pointer(&at[1..]).unwrap().clone(),
            )
        };
        let parameters: Vec<Value> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(parameter)
            .collect();
        let described: BTreeSet<_> = parameters
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let (status, _, body) = get(exporter.address, &format!("{path}?wrong=1"), "").await;
        let error: Value = serde_json::from_str(&body).unwrap();
        compare(
            &description,
            &description["components"]["schemas"]["Error"],
            &error,
            path,
        );
        let known = error["error"]
            .as_str()
            .unwrap()
            .split("there are ")
            .nth(1)
            .unwrap();
        assert_eq!(
            (status, known.split(", ").collect::<BTreeSet<_>>()),
            (400, described),
            "{path}"
        );
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            for value in parameter["schema"]["enum"].as_array().into_iter().flatten() {
                let state = format!("{path}?{name}={}", value.as_str().unwrap());
                assert_eq!(get(exporter.address, &state, "").await.0, 200, "{state}");
            }
            if let Some(most) = parameter["schema"]["maximum"].as_u64() {
                for (limit, expected) in [(most, 200), (most + 1, 400), (0, 400)] {
                    assert_eq!(
                        get(exporter.address, &format!("{path}?{name}={limit}"), "")
                            .await
                            .0,
                        expected
                    );
                }
            }
        }
        if path != "/probe" {
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            // Transfers with failed files, so that no list is empty.
            let query = if path == "/api/v1/transfers" {
                "?state=running"
            } else {
                ""
            };
            compare(
                &description,
                schema,
                &json(&exporter, &format!("{path}{query}")).await,
                path,
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_returns_one_transfer_and_does_not_track_it() {
    let (simulator, url) = simulator(Settings::default()).await;
    put(
        &simulator,
        0,
        files([
            LifeScript::completed(),
            LifeScript::failed("RENAME_ERROR", "no"),
        ]),
    );
    let exporter = exporter(&url, 0, Options::default()).await;
    let probe = |query: String| {
        let address = exporter.address;
        async move { get(address, &format!("/probe?{query}"), "").await }
    };
    let pair = format!("connector_id={}&transfer_id={}", connector(1), transfer(0));
    let (status, _, body) = probe(pair.clone()).await;
    let probed = Exposition::parse(&body);
    assert_eq!(
        (status, probed.sum("probe_success", &[]), probed.0.len()),
        (200, 1.0, 8),
        "{body}"
    );
    assert_eq!(
        probed.sum("aws_transfer_files", &["failure_code=\"RENAME_ERROR\""]),
        1.0
    );
    let (_, _, unknown) = probe(format!("connector_id={}&transfer_id=none", connector(1))).await;
    let unknown = Exposition::parse(&unknown);
    assert_eq!(
        (
            unknown.sum("probe_success", &[]),
            unknown.sum("aws_transfer_results_up", &[])
        ),
        (0.0, 0.0)
    );
    for (query, parameter) in [
        ("", "connector_id"),
        ("connector_id=c-1&transfer_id=a", "connector_id"),
        (&format!("{pair}&account=other"), "account"),
        (&format!("{pair}&module=x"), "module"),
    ] {
        let (status, _, body) = probe(query.to_owned()).await;
        let error: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, error["parameter"].as_str()),
            (400, Some(parameter)),
            "{query}"
        );
    }
    assert_eq!(probe(format!("{pair}&account=main")).await.0, 200);
    assert_eq!(
        json(&exporter, "/api/v1/transfers").await["transfers_matching"],
        0
    );
    let before = simulator.calls().of(ApiOperation::ListFileTransferResults);
    assert_eq!(
        ask(exporter.address, "HEAD", &format!("/probe?{pair}"), "")
            .await
            .0,
        200
    );
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        before,
        "HEAD makes no AWS calls"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_probes_of_a_transfer_share_a_poll_and_keep_their_deadlines() {
    let (simulator, url) = simulator(Settings::default()).await;
    put(&simulator, 0, files([LifeScript::completed()]));
    let exporter = Arc::new(exporter(&url, 0, Options::default()).await);
    simulator.set_faults(Faults {
        latency: Duration::from_secs(2),
        ..Faults::default()
    });
    let path = format!(
        "/probe?connector_id={}&transfer_id={}",
        connector(1),
        transfer(0)
    );
    let before = simulator.calls().of(ApiOperation::ListFileTransferResults);
    let probes: Vec<_> = (0..5)
        .map(|_| {
            let (address, path) = (exporter.address, path.clone());
            tokio::spawn(async move { get(address, &path, "").await.2 })
        })
        .collect();
    for probe in probes {
        assert_eq!(
            Exposition::parse(&probe.await.unwrap()).sum("probe_success", &[]),
            1.0
        );
    }
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults) - before,
        1
    );
    let (status, _, body) = get(
        exporter.address,
        &path,
        "X-Prometheus-Scrape-Timeout-Seconds: 0.6\r\n",
    )
    .await;
    let late = Exposition::parse(&body);
    assert_eq!(
        (status, late.sum("probe_success", &[])),
        (200, 0.0),
        "{body}"
    );
}

/// Each made-up id costs a call: a quarter of the concurrency is all that they have.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_probes_is_bounded_and_scrapes_are_answered_meanwhile() {
    let (simulator, url) = simulator(Settings::default()).await;
    let exporter = exporter(&url, 0, Options::default()).await;
    simulator.set_faults(Faults {
        latency: Duration::from_mins(1),
        ..Faults::default()
    });
    let before = simulator.calls().of(ApiOperation::ListFileTransferResults);
    let (polls, slots, refused) = (32 / 4, 32 / 4 + 64, 25);
    let mut probes: FuturesUnordered<_> = (0..slots + refused)
        .map(|n| {
            let path = format!(
                "/probe?connector_id={}&transfer_id=made-up-{n}",
                connector(1)
            );
            let address = exporter.address;
            // None ends before the last has been sent, however slow the machine is.
            let patient = "X-Prometheus-Scrape-Timeout-Seconds: 60\r\n";
            async move { get(address, &path, patient).await }
        })
        .collect();
    for _ in 0..refused {
        let (status, head, _) = probes.next().await.unwrap();
        assert!(
            status == 429 && head.contains("retry-after: 1"),
            "{status} {head}"
        );
    }
    let calls = || simulator.calls().of(ApiOperation::ListFileTransferResults) - before;
    // Those that were accepted may still be on their way.
    for _ in 0..1_000 {
        if calls() >= polls {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    exporter.scrape().await;
    assert_eq!(calls(), polls);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_files_survive_a_restart_without_a_poll() {
    let (simulator, url) = simulator(Settings::default()).await;
    put(
        &simulator,
        0,
        files([LifeScript::failed("RENAME_ERROR", "no room")]),
    );
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        storage: Some(folder.path().to_owned()),
        ..Options::default()
    };
    exporter(&url, 1, options.clone()).await.stop().await;
    let before = simulator.calls().of(ApiOperation::ListFileTransferResults);
    let again = exporter(&url, 1, options).await;
    let listed = json(&again, "/api/v1/transfers?search=no+room").await;
    assert_eq!(
        listed["transfers"][0]["failed_files"][0]["failure_code"], "RENAME_ERROR",
        "{listed}"
    );
    assert_eq!(
        simulator.calls().of(ApiOperation::ListFileTransferResults),
        before
    );
}

#[test]
fn the_stuck_filter_has_the_threshold_of_the_alerts() {
    let config = include_str!("../../deploy/mixin/config.libsonnet");
    for alert in ["AwsTransferStuckQueued", "AwsTransferStuckInProgress"] {
        let mut lines = config.lines();
        let setting = lines.find(|line| line.trim().starts_with(alert)).unwrap();
        let (_, hours) = setting.split_once("hours: ").unwrap();
        let (hours, _) = hours.split_once(' ').unwrap();
        assert_eq!(
            STUCK_AFTER,
            Duration::from_hours(hours.parse().unwrap()),
            "{alert}"
        );
    }
}

/// The targets are discovered over HTTP, and each is probed.
async fn probes_what_it_discovers(binary: &std::path::Path) {
    let (simulator, url) = simulator(Settings::default()).await;
    for n in 0..3 {
        put(
            &simulator,
            n,
            files([LifeScript::completed(), LifeScript::stuck_queued()]),
        );
    }
    put(&simulator, 3, files([LifeScript::completed()]));
    let pairs: Vec<_> = (0..4)
        .map(|n| (connector(1).to_string(), transfer(n).to_string()))
        .collect();
    let (_folder, file) = config(&config_text(&url, &pairs));
    let flag = format!("--config.file={}", file.display());
    let exporter =
        Running::start(signing_program().args([&flag, "--web.listen-address=127.0.0.1:0"]));
    let address = exporter.address;
    // Transfer 3 has ended by now, and is no target.
    get(address, "/metrics", "").await;
    let lines = format!(
        "    http_sd_configs:\n      - url: http://{address}/api/v1/targets\n    relabel_configs:\n      \
         - source_labels: [__address__]\n        target_label: instance\n      \
         - target_label: __address__\n        replacement: '{address}'\n"
    );
    let prometheus = Prometheus::start_with(binary, address, &[("probes", &lines)], &[]).await;
    prometheus.wait_for("count(probe_success == 1) == 3").await;
    let instances = format!(
        "count by (transfer_id) (aws_transfer_files{{instance=~\"{}/.*\"}})",
        connector(1)
    );
    let probed = prometheus.wait_for(&instances).await;
    assert_eq!(probed.len(), 3, "{probed:?}");
    let completed = prometheus
        .query("sum(aws_transfer_files{instance=~\"c-.*\",status=\"COMPLETED\"})")
        .await;
    assert_eq!(completed.into_values().collect::<Vec<_>>(), [3.0]);
    exporter.terminate();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 2; tests/run provides it"]
async fn prometheus_2_probes_what_it_discovers() {
    probes_what_it_discovers(&peer("PROMETHEUS_2", "prometheus")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prometheus 3; tests/run provides it"]
async fn prometheus_3_probes_what_it_discovers() {
    probes_what_it_discovers(&peer("PROMETHEUS_3", "prometheus3")).await;
}
