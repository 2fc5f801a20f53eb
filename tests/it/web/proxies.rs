//! The program behind the proxies that people use, scraped by Prometheus.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use simulator::{LifeScript, Settings, Simulator};

use super::peers::{MUTUAL, TLS};
use super::pki::{Authority, Folder};
use crate::program::{
    Running, config, config_text, free_address, peer, peer_answering, signing_program, text,
};
use crate::prometheus::Prometheus;
use crate::rig::{connector, files, simulator, transfer};

/// Scrapes of each job, one a second.
const SCRAPES: u32 = 20;

/// A process that is killed on drop.
pub(super) struct Peer(pub(super) Child);

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something listens on an address.
pub(super) fn wait_until_open(address: SocketAddr) {
    let deadline = Instant::now() + super::LIMIT;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes the certificates of a server and of a client, and a web configuration that requires one
/// of each.
fn certificates() -> Folder {
    let ca = Authority::new("ours");
    let folder = Folder::with(&ca.server(), &ca.pem(), &format!("{TLS}{MUTUAL}"));
    let client = ca.client("prometheus");
    folder.write("client.crt", &client.cert);
    folder.write("client.key", &client.key);
    folder
}

/// Starts an exporter of three unfinished transfers with these flags.
async fn exporter(flags: &[&str]) -> (Running, Simulator, tempfile::TempDir) {
    let (simulator, url) = simulator(Settings::default()).await;
    let pairs = (0..3).map(|n| {
        let lives = [
            LifeScript::stuck_queued(),
            LifeScript::failed("RENAME_ERROR", "no room"),
        ];
        let now = SystemTime::now();
        simulator.put_transfer(&connector(1), &transfer(n), files(lives), now);
        (connector(1).to_string(), transfer(n).to_string())
    });
    let pairs: Vec<_> = pairs.collect();
    let (folder, file) = config(&config_text(&url, &pairs));
    let mut command = signing_program();
    command.args([
        &format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-write-api",
    ]);
    (Running::start(command.args(flags)), simulator, folder)
}

/// Starts nginx with TLS and client certificates: `/exporter/` keeps the path, `/stripped/` removes
/// the prefix, and `/mutual/` shows a certificate to the exporter.
fn nginx(
    folder: &Folder,
    keeping: &Running,
    removing: &Running,
    mutual: &Running,
) -> (Peer, SocketAddr) {
    let nginx = peer_answering("NGINX_PROGRAM", "nginx", "-v");
    let address = free_address();
    let at = |name: &str| folder.path(name).display().to_string();
    let upstream = |name: &str, exporter: &Running| {
        let address = exporter.address;
        format!("upstream {name} {{ server {address}; keepalive 4; }}")
    };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", at(kind)))
        .join("\n  ");
    let text = format!(
        "daemon off;\nmaster_process off;\npid {pid};\nerror_log {log} warn;\nevents {{}}\nhttp {{\n  \
         access_log off;\n  {temporary}\n  \
         proxy_http_version 1.1;\n  proxy_set_header Connection '';\n  \
         {keeping}\n  {removing}\n  {mutual}\n  \
         server {{\n    listen {address} ssl;\n    \
         ssl_certificate {server_crt};\n    ssl_certificate_key {server_key};\n    \
         ssl_client_certificate {ca};\n    ssl_verify_client on;\n    \
         location /exporter/ {{ proxy_pass http://keeping; }}\n    \
         location /stripped/ {{ proxy_pass http://removing/; }}\n    \
         location /mutual/ {{\n      proxy_pass https://mutual;\n      \
         proxy_ssl_certificate {client_crt};\n      proxy_ssl_certificate_key {client_key};\n      \
         proxy_ssl_trusted_certificate {ca};\n      proxy_ssl_verify on;\n      proxy_ssl_name localhost;\n    }}\n  }}\n}}\n",
        pid = at("nginx.pid"),
        log = at("nginx.log"),
        ca = at("ca.crt"),
        server_crt = at("server.crt"),
        server_key = at("server.key"),
        client_crt = at("client.crt"),
        client_key = at("client.key"),
        keeping = upstream("keeping", keeping),
        removing = upstream("removing", removing),
        mutual = upstream("mutual", mutual),
    );
    folder.write("nginx.conf", &text);
    let child = Command::new(nginx)
        .args([
            "-e",
            &at("nginx.log"),
            "-p",
            &at(""),
            "-c",
            &at("nginx.conf"),
        ])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let started = Peer(child);
    wait_until_open(address);
    (started, address)
}

/// Waits for enough scrapes of each job; none of them may have failed.
pub(super) async fn expect_no_failed_scrape(prometheus: &Prometheus, jobs: usize) {
    let range = format!("[{}s]", SCRAPES * 3);
    let counted = format!("count(count_over_time(up{range}) >= {SCRAPES}) == {jobs}");
    prometheus.wait_for(&counted).await;
    let lowest = prometheus
        .query(&format!("min(min_over_time(up{range}))"))
        .await;
    assert_eq!(lowest.into_values().collect::<Vec<_>>(), [1.0]);
}

/// Returns what curl prints for a page of the proxy.
fn curl(folder: &Folder, url: &str, more: &[&str]) -> String {
    let mut command = Command::new(peer("CURL", "curl"));
    command.args(["--silent", "--show-error", "--fail", "--max-time", "10"]);
    for (flag, name) in [
        ("--cacert", "ca.crt"),
        ("--cert", "client.crt"),
        ("--key", "client.key"),
    ] {
        command.arg(flag).arg(folder.path(name));
    }
    let answer = command.args(more).arg(url).output().unwrap();
    assert!(answer.status.success(), "{url}: {}", text(&answer.stderr));
    text(&answer.stdout)
}

/// Prints status and target of the response to an acknowledgement.
const ACKNOWLEDGE: [&str; 8] = [
    "-XPOST",
    "-HAccept: text/html",
    "-HOrigin: https://proxy.example.com",
    "-HSec-Fetch-Site: same-origin",
    "--output",
    "/dev/null",
    "--write-out",
    "%{http_code} %{redirect_url}",
];

/// Follows the links of the pages through the proxy, as a browser resolves them.
fn follow_links(folder: &Folder, base: &str) {
    for page in ["", "transfers", "transfers?state=stuck"] {
        let body = curl(folder, &format!("{base}{page}"), &["--location"]);
        let references = super::prefix::references(&body);
        assert!(references.len() > 5, "{page}: {references:?}");
        for reference in references {
            let path = reference.strip_prefix("./").unwrap();
            let (path, _) = path.split_once('#').unwrap_or((path, ""));
            let url = format!("{base}{path}");
            if path.contains("/acknowledge?") {
                // As a browser, which then returns to the page.
                let answer = curl(folder, &url, &ACKNOWLEDGE);
                assert_eq!(answer, format!("303 {base}transfers#failed"), "{path}");
            } else {
                curl(folder, &url, &[]);
            }
        }
    }
    for path in ["-/healthy", "-/ready"] {
        curl(folder, &format!("{base}{path}"), &[]);
    }
}

async fn scrapes_through_nginx(binary: &Path) {
    let folder = certificates();
    let web = format!("--web.config.file={}", folder.path("web.yml").display());
    let external = "--web.external-url=https://proxy.example.com/exporter/";
    let (keeping, _s1, _f1) = exporter(&[external]).await;
    let stripped = "--web.external-url=https://proxy.example.com/stripped/";
    let (removing, _s2, _f2) = exporter(&[stripped, "--web.route-prefix=/"]).await;
    let mutual = "--web.external-url=https://proxy.example.com/mutual/";
    let (mutual, _s3, _f3) = exporter(&[mutual, &web]).await;
    let (_nginx, address) = nginx(&folder, &keeping, &removing, &mutual);

    let at = |name: &str| folder.path(name).display().to_string();
    let tls = |indent: &str| {
        format!(
            "{indent}tls_config:\n{indent}  ca_file: {}\n{indent}  cert_file: {}\n{indent}  key_file: {}\n{indent}  server_name: localhost\n",
            at("ca.crt"),
            at("client.crt"),
            at("client.key")
        )
    };
    let job = |path: &str| {
        let tls = tls("    ");
        format!("    scheme: https\n    metrics_path: {path}/metrics\n{tls}")
    };
    let discovery = format!(
        "    scheme: https\n{}    http_sd_configs:\n      - url: https://{address}/exporter/api/v1/targets\n{}    \
         relabel_configs:\n      - source_labels: [__address__]\n        target_label: instance\n      \
         - target_label: __address__\n        replacement: '{address}'\n      \
         - source_labels: [instance]\n        regex: c-.*\n        action: keep\n",
        tls("    "),
        tls("        "),
    );
    let jobs = [
        ("keeping", job("/exporter")),
        ("removing", job("/stripped")),
        ("mutual", job("/mutual")),
        ("probes", discovery),
    ];
    let given: Vec<_> = jobs.iter().map(|(name, lines)| (*name, &**lines)).collect();
    let prometheus = Prometheus::start_with(binary, address, &given, &[]).await;
    // Three exporters and three transfers that are probed.
    expect_no_failed_scrape(&prometheus, 6).await;
    let probes = prometheus.query("count(probe_success == 1)").await;
    assert_eq!(probes.into_values().collect::<Vec<_>>(), [3.0]);

    for prefix in ["exporter", "stripped", "mutual"] {
        follow_links(
            &folder,
            &format!("https://localhost:{}/{prefix}/", address.port()),
        );
    }
    // Without a certificate, nginx answers by itself.
    let refused = Command::new(peer("CURL", "curl"))
        .args(["--silent", "--fail", "--cacert"])
        .arg(folder.path("ca.crt"))
        .arg(format!(
            "https://localhost:{}/exporter/metrics",
            address.port()
        ))
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let log = std::fs::read_to_string(folder.path("nginx.log")).unwrap();
    let errors: Vec<_> = log
        .lines()
        .filter(|line| line.contains("upstream"))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for exporter in [keeping, removing, mutual] {
        exporter.terminate();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx, curl and Prometheus 2; tests/run provides them"]
async fn prometheus_2_scrapes_through_nginx() {
    scrapes_through_nginx(&peer("PROMETHEUS_2", "prometheus")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx, curl and Prometheus 3; tests/run provides them"]
async fn prometheus_3_scrapes_through_nginx() {
    scrapes_through_nginx(&peer("PROMETHEUS_3", "prometheus3")).await;
}
