//! Web configurations that are emptied, cut off or opened while the server runs.

use std::fs;

use super::*;
use crate::metrics::self_metrics::SelfMetrics;

const USERS: &str = "basic_auth_users:\n  prometheus: \
    $2b$04$Hn8M2x1hEYyqZqYbqVb3TuC0GCy7hhGgqH5k1J9yGZc6H1xJkP0bK\n";
const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const CLIENTS: &str =
    "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.crt\n";

struct Rig {
    folder: tempfile::TempDir,
    state: Arc<WebConfigState>,
    metrics: Arc<HttpMetrics>,
    seen: Option<EffectiveWebConfig>,
}

impl Rig {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("server.crt"), pair.cert.pem()).unwrap();
        let key = pair.signing_key.serialize_pem();
        fs::write(folder.path().join("server.key"), key).unwrap();
        let file = folder.path().join("web.yml");
        fs::write(&file, text).unwrap();
        Self {
            state: WebConfigState::load(&file).unwrap(),
            folder,
            metrics: SelfMetrics::new().unwrap().http,
            seen: None,
        }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("web.yml"), text).unwrap();
    }

    fn poll(&mut self) {
        self.seen = poll(&self.state, &self.metrics, self.seen.take());
    }

    /// Returns the protection in effect: TLS, a client policy, and users.
    fn protection(&self) -> (bool, bool, usize) {
        let effective = self.state.effective();
        let clients = effective
            .tls_plan()
            .is_some_and(|tls| tls.client_auth.is_mandatory());
        (self.state.has_tls(), clients, self.state.users())
    }

    async fn reload(&self, explicit: bool) {
        // An invalid file is an error.
        if let Ok(Some(staged)) = stage(&self.state, &self.metrics, explicit).await {
            self.state.apply(Some(staged), Some(&self.metrics));
        }
    }
}

fn texts() -> [String; 4] {
    [
        USERS.to_owned(),
        TLS.to_owned(),
        format!("{TLS}{CLIENTS}"),
        format!("{TLS}{CLIENTS}{USERS}"),
    ]
}

#[tokio::test(start_paused = true)]
async fn no_part_of_a_file_lowers_its_protection() {
    for text in texts() {
        let mut rig = Rig::new(&text);
        let before = rig.protection();
        for end in 0..text.len() {
            rig.write(&text[..end]);
            for _ in 0..3 {
                rig.poll();
            }
            rig.reload(false).await;
            let now = rig.protection();
            let is_kept = now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2;
            assert!(is_kept, "{now:?} with {:?}", &text[..end]);
        }
        rig.write(&text);
        rig.poll();
        rig.poll();
        assert!(!rig.state.has_failed());
        assert!(!rig.metrics.is_web_config_unconfirmed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_lowers_protection_is_refused_until_an_explicit_reload() {
    let all = format!("{TLS}{CLIENTS}{USERS}");
    for (text, lowered) in [
        ("", "TLS, client certificates, users"),
        ("{}", "TLS, client certificates, users"),
        (USERS, "TLS, client certificates"),
        (TLS, "client certificates, users"),
        (&format!("{TLS}{CLIENTS}"), "users"),
        (
            &all.replace("RequireAndVerify", "Request"),
            "client certificates",
        ),
        (
            &all.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"),
            "client certificates",
        ),
    ] {
        let text = if text.contains("RequestClientCert") {
            text.replace("  client_ca_file: server.crt\n", "")
        } else {
            text.to_owned()
        };
        let mut rig = Rig::new(&all);
        rig.write(&text);
        let staged = rig.state.stage().unwrap().unwrap();
        assert_eq!(rig.state.protection_lowered_by(&staged).join(", "), lowered);
        for _ in 0..3 {
            rig.poll();
        }
        rig.reload(false).await;
        assert_eq!(rig.protection(), (true, true, 1), "{text}");
        assert!(rig.metrics.is_web_config_unconfirmed());
        rig.reload(true).await;
        assert!(rig.state.is_in_effect(&staged), "{text}");
        assert!(!rig.metrics.is_web_config_unconfirmed());
        rig.write(&all);
        rig.poll();
        rig.poll();
        assert_eq!(rig.protection(), (true, true, 1), "more needs no reload");
    }
}

#[test]
fn a_change_counts_once_two_reads_are_alike() {
    let more = |user: &str| format!("{USERS}{}", &USERS[18..].replace("prometheus", user));
    let mut rig = Rig::new(USERS);
    for user in ["a", "b", "c"] {
        rig.write(&more(user));
        rig.poll();
        assert_eq!(rig.state.users(), 1);
    }
    rig.poll();
    assert_eq!(rig.state.users(), 2);
}
