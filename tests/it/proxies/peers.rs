//! Forward proxies that others wrote, with a password and a private certificate authority.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::rig::{Aws, Proxy};
use super::{results, shown};
use crate::program::{output, peer_answering, text};

/// A forward proxy that asks for a password and passes everything on to an upstream proxy.
struct ForwardProxy {
    child: Child,
    url: String,
}

impl ForwardProxy {
    /// Waits until the proxy listens on `port`.
    async fn listening(mut child: Child, port: u16) -> Self {
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the proxy has ended: {ended:?}");
            assert!(Instant::now() < deadline, "the proxy does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let url = format!("http://exporter:hunter2@127.0.0.1:{port}");
        Self { child, url }
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        // Not killed at once: squid removes its shared memory.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a port that was free a moment ago.
fn free_port() -> u16 {
    crate::program::free_address().port()
}

fn address(proxy: &Proxy) -> String {
    proxy.url().trim_start_matches("http://").to_owned()
}

async fn tinyproxy(folder: &Path, upstream: &Proxy) -> ForwardProxy {
    let program = peer_answering("TINYPROXY", "tinyproxy", "-v");
    let port = free_port();
    let file = folder.join("tinyproxy.conf");
    let text = format!(
        "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nBasicAuth exporter hunter2\nUpstream http {}\n",
        address(upstream)
    );
    fs::write(&file, text).unwrap();
    let child = Command::new(program)
        .args(["-d", "-c"])
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    ForwardProxy::listening(child, port).await
}

/// Returns squid with the libraries of its unpacked package, and the root directory of both.
fn squid_program() -> (Command, PathBuf) {
    let path = std::env::var_os("SQUID").map_or_else(|| "/usr/sbin/squid".into(), PathBuf::from);
    let command = || {
        let mut command = Command::new(&path);
        if let Some(libraries) = std::env::var_os("SQUID_LIBRARIES") {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    };
    let runs = command().arg("-v").output();
    assert!(
        runs.is_ok_and(|output| output.status.success()),
        "`{}` (SQUID) does not run; `tests/run` installs it",
        path.display()
    );
    (command(), path.ancestors().nth(3).unwrap().to_owned())
}

async fn squid(folder: &Path, upstream: &Proxy) -> ForwardProxy {
    let (mut command, root) = squid_program();
    let port = free_port();
    // As root, squid runs as another user, who has to reach the folder and the helper.
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let helper = folder.join("basic_ncsa_auth");
    fs::copy(root.join("usr/lib/squid/basic_ncsa_auth"), &helper).unwrap();
    let hash = output(Command::new("openssl").args(["passwd", "-apr1", "hunter2"]));
    let users = folder.join("users");
    fs::write(&users, format!("exporter:{}", text(&hash.stdout))).unwrap();
    // Directories that must exist, for pages and pictures that are not needed.
    let none = folder.join("none");
    fs::create_dir(&none).unwrap();
    let (host, upstream_port) = address(upstream)
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .unwrap();
    let file = folder.join("squid.conf");
    let configuration = format!(
        "http_port 127.0.0.1:{port}\n\
         cache_peer {host} parent {upstream_port} 0 no-query default\n\
         never_direct allow all\n\
         auth_param basic program {helper} {users}\n\
         acl known proxy_auth REQUIRED\n\
         http_access allow known\n\
         http_access deny all\n\
         cache deny all\n\
         memory_cache_shared off\n\
         cache_effective_user proxy\n\
         pid_filename none\n\
         cache_log /dev/null\n\
         access_log none\n\
         coredump_dir none\n\
         mime_table /dev/null\n\
         error_directory {none}\n\
         icon_directory {none}\n\
         pinger_enable off\n\
         unlinkd_program /bin/true\n\
         shutdown_lifetime 0 seconds\n",
        helper = helper.display(),
        users = users.display(),
        none = none.display(),
    );
    fs::write(&file, configuration).unwrap();
    // In the foreground. The name, letters and digits, is that of its shared memory.
    let child = command
        .args(["-N", "-n", &format!("test{port}"), "-f"])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    ForwardProxy::listening(child, port).await
}

/// Calls two services through a proxy, and is refused with a wrong password.
async fn passes_requests_on_and_refuses_wrong_passwords(
    aws: &Aws,
    proxy: &ForwardProxy,
    upstream: &Proxy,
) {
    let ca = format!("ca_file: {}", shown(&aws.ca_file()));
    let role = format!("{ca}\n    assume_role: {{role_arn: 'arn:aws:iam::123456789012:role/r'}}");
    let (code, said) = results(&role, vec![("HTTPS_PROXY", proxy.url.clone())]).await;
    assert!(code == Some(0) && said.contains("/through"), "{said}");
    assert_eq!(
        upstream.drain(),
        [
            "CONNECT sts.us-east-1.amazonaws.com:443",
            "CONNECT transfer.us-east-1.amazonaws.com:443"
        ]
    );
    // Without the authority, the tunnel is there and its server is not trusted.
    let (code, said) = results("", vec![("HTTPS_PROXY", proxy.url.clone())]).await;
    assert!(code == Some(1) && said.contains("UnknownIssuer"), "{said}");
    assert_eq!(
        upstream.drain(),
        ["CONNECT transfer.us-east-1.amazonaws.com:443"]
    );
    let wrong = proxy.url.replace("hunter2", "HIDDEN");
    let by_account = format!("{ca}\n    proxy_url: {wrong}");
    let (code, said) = results(&by_account, vec![]).await;
    assert!(
        code == Some(1) && said.contains("connection failed"),
        "{said}"
    );
    assert!(!said.contains("HIDDEN"), "{said}");
    assert_eq!(upstream.drain(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tinyproxy; tests/run provides it"]
async fn tinyproxy_passes_requests_on_and_refuses_wrong_passwords() {
    let (aws, folder) = (Aws::start().await, tempfile::tempdir().unwrap());
    let upstream = Proxy::start(&aws, None).await;
    let proxy = tinyproxy(folder.path(), &upstream).await;
    passes_requests_on_and_refuses_wrong_passwords(&aws, &proxy, &upstream).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs squid; tests/run provides it"]
async fn squid_passes_requests_on_and_refuses_wrong_passwords() {
    let (aws, folder) = (Aws::start().await, tempfile::tempdir().unwrap());
    let upstream = Proxy::start(&aws, None).await;
    let proxy = squid(folder.path(), &upstream).await;
    passes_requests_on_and_refuses_wrong_passwords(&aws, &proxy, &upstream).await;
}
