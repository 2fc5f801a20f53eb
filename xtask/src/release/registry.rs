//! A registry of container images on the loopback, for what a release pushes.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::Release;
use super::tools::{command, need};

/// A running registry, which ends with the value.
pub(super) struct Registry {
    process: Child,
    /// `HOST:PORT`.
    pub address: String,
}

impl Registry {
    /// Starts Debian's `docker-registry` with an empty store.
    ///
    /// # Errors
    /// It is missing, or does not answer.
    pub(super) fn start(release: &Release) -> anyhow::Result<Self> {
        need("docker-registry", "Debian: docker-registry")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let settings = release.work.join("registry.yml");
        std::fs::write(
            &settings,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: \"{address}\"}}\n",
                release.work.join("registry").display()
            ),
        )?;
        let log = std::fs::File::create(release.work.join("registry.log"))?;
        let process = command("docker-registry")
            .arg("serve")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let registry = Self { process, address };
        let started = Instant::now();
        while std::net::TcpStream::connect(&registry.address).is_err() {
            ensure!(
                started.elapsed() < Duration::from_secs(10),
                "the registry does not answer"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
