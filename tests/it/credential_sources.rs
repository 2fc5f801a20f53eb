//! Which source of credentials signs, whatever other sources the environment offers.

use std::fs;
use std::path::Path;
use std::process::Command;

use tokio::task::spawn_blocking;

use crate::program::{config, output, program, text};
use crate::rig::{connector, transfer};
use crate::support::{Endpoint, Seen, Step, http};

/// Issues credentials by each protocol. The key ID says by which, and with which key a role was
/// assumed. STS names the key that signed as the caller.
async fn issuer() -> Endpoint {
    Endpoint::answering(|_, request| Step::Answer(answer(request))).await
}

fn answer(request: &Seen) -> Vec<u8> {
    let authorization = request.header("authorization");
    let signer = authorization.split("Credential=").nth(1).unwrap_or("none/");
    let signer = signer.split('/').next().unwrap();
    let has = |part: &str| request.body.contains(part);
    let path = request.head.split(' ').nth(1).unwrap();
    let json = |key: &str| {
        let body = format!(
            "{{\"Code\":\"Success\",\"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
             \"Expiration\":\"2099-01-01T00:00:00Z\"}}"
        );
        http(200, "content-type: application/json\r\n", body)
    };
    if has("Action=GetCallerIdentity") {
        let body = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::123456789012:user/{signer}</Arn><UserId>A</UserId><Account>123456789012</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
        );
        http(200, "content-type: text/xml\r\n", body)
    } else if has("Action=AssumeRoleWithWebIdentity") {
        let key = if has("profile-web") {
            "PROFILEWEB"
        } else {
            "ENVWEB"
        };
        assumed("AssumeRoleWithWebIdentity", key)
    } else if has("Action=AssumeRole") {
        assumed("AssumeRole", &format!("ROLEOVER{signer}"))
    } else if path.starts_with("/federation/credentials") {
        let body = "{\"roleCredentials\":{\"accessKeyId\":\"SSOKEY\",\"secretAccessKey\":\"s\",\"sessionToken\":\"t\",\
                    \"expiration\":4070908800000}}";
        http(200, "content-type: application/json\r\n", body)
    } else if path == "/container" {
        json("CONTAINERKEY")
    } else if path == "/latest/api/token" {
        http(
            200,
            "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n",
            "imds-token",
        )
    } else if path.ends_with("/security-credentials/") {
        http(200, "", "instance-role")
    } else if path.contains("/security-credentials/instance-role") {
        json("INSTANCEKEY")
    } else {
        http(400, "", "{\"__type\":\"InvalidRequestException\"}")
    }
}

fn assumed(operation: &str, key: &str) -> Vec<u8> {
    let body = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser></{operation}Result></{operation}Response>"
    );
    http(200, "content-type: text/xml\r\n", body)
}

const ROLE: &str = "role_arn = arn:aws:iam::123456789012:role/r";

/// The shared configuration, and below `with-default` the same with a default profile.
fn write_home(home: &Path, url: &str) {
    fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
    fs::write(home.join("token"), "web-identity-token").unwrap();
    let process = |key: &str| {
        format!(
            "credential_process = printf '{{\"Version\":1,\"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"s\"}}'"
        )
    };
    let profiles = format!(
        "[profile keys]\naws_access_key_id = PROFILEKEYS\naws_secret_access_key = s\n\
         [profile other]\naws_access_key_id = OTHERPROFILE\naws_secret_access_key = s\n\
         [profile chained]\n{ROLE}\nsource_profile = keys\n\
         [profile from-environment]\n{ROLE}\ncredential_source = Environment\n\
         [profile from-container]\n{ROLE}\ncredential_source = EcsContainer\n\
         [profile from-instance]\n{ROLE}\ncredential_source = Ec2InstanceMetadata\n\
         [profile web]\nrole_arn = arn:aws:iam::123456789012:role/profile-web\nweb_identity_token_file = {home}/token\n\
         [profile process]\n{process}\n\
         [profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\nservices = here\n\
         [profile empty]\nregion = eu-central-1\n\
         [profile broken]\ncredential_process = false\n\
         [sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n\
         [services here]\nsso =\n  endpoint_url = {url}\n",
        home = home.display(),
        process = process("PROCESSKEY"),
    );
    fs::write(home.join("config"), &profiles).unwrap();
    let default = "[default]\naws_access_key_id = DEFAULTPROFILE\naws_secret_access_key = s\n";
    fs::write(home.join("config-with-default"), profiles + default).unwrap();
    // `printf corp | sha1sum` names the cached token of that session.
    let token = "{\"accessToken\":\"sso-token\",\"expiresAt\":\"2099-01-01T00:00:00Z\",\"region\":\"eu-central-1\",\
                 \"startUrl\":\"https://corp.awsapps.com/start\"}";
    let file = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    fs::write(home.join(file), token).unwrap();
}

/// A source that the environment offers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ambient {
    Keys,
    DefaultProfile,
    NamedProfile,
    WebIdentity,
    Container,
    Instance,
}

impl Ambient {
    /// In the order in which the SDK tries them.
    const ALL: [Self; 6] = [
        Self::Keys,
        Self::DefaultProfile,
        Self::NamedProfile,
        Self::WebIdentity,
        Self::Container,
        Self::Instance,
    ];

    /// The key that it provides, and its name.
    fn provides(self) -> (&'static str, &'static str) {
        match self {
            Self::Keys => ("ENVKEYS", "environment variables"),
            Self::DefaultProfile => ("DEFAULTPROFILE", "profile `default`"),
            Self::NamedProfile => ("OTHERPROFILE", "profile `other`"),
            Self::WebIdentity => ("ENVWEB", "a web identity token"),
            Self::Container => ("CONTAINERKEY", "the container endpoint"),
            Self::Instance => ("INSTANCEKEY", "instance metadata"),
        }
    }

    fn offer(self, command: &mut Command, home: &Path, url: &str) {
        match self {
            Self::Keys => command
                .env("AWS_ACCESS_KEY_ID", "ENVKEYS")
                .env("AWS_SECRET_ACCESS_KEY", "s"),
            Self::DefaultProfile => {
                command.env("AWS_CONFIG_FILE", home.join("config-with-default"))
            }
            Self::NamedProfile => command.env("AWS_PROFILE", "other"),
            Self::WebIdentity => command
                .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/env-web")
                .env("AWS_WEB_IDENTITY_TOKEN_FILE", home.join("token")),
            Self::Container => command.env(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                format!("{url}/container"),
            ),
            Self::Instance => command
                .env("AWS_EC2_METADATA_DISABLED", "false")
                .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url),
        };
    }
}

/// The lines of `check --live` for an account with `entry`, where the environment offers `ambient`.
fn check(home: &Path, url: &str, entry: &str, ambient: &[Ambient]) -> String {
    check_with(home, url, entry, |command| {
        for ambient in ambient {
            ambient.offer(command, home, url);
        }
    })
}

/// The same with an environment that `set` adds.
fn check_with(home: &Path, url: &str, entry: &str, set: impl Fn(&mut Command)) -> String {
    let (_folder, file) = config(&format!(
        "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: {url}\n    {entry}\ntransfers:\n  \
         - connector_id: {}\n    transfer_id: {}\n",
        connector(1),
        transfer(1)
    ));
    let mut command = program();
    command
        .env("HOME", home)
        .env("AWS_CONFIG_FILE", home.join("config"))
        .env("AWS_ENDPOINT_URL_STS", url);
    set(&mut command);
    let flag = format!("--config.file={}", file.display());
    let ended = output(command.args(["check", "--live", &flag]));
    text(&ended.stdout) + &text(&ended.stderr)
}

/// Returns whether a line has the verdict, the subject and the detail.
fn has_line(said: &str, verdict: &str, subject: &str, detail: &str) -> bool {
    said.lines().any(|line| {
        let mut words = line.split_whitespace();
        (words.next(), words.next()) == (Some(verdict), Some(subject)) && line.contains(detail)
    })
}

/// Runs `check` for each case, several at once.
async fn check_all(cases: Vec<(String, Vec<Ambient>, String, String)>) {
    let issuer = issuer().await;
    let home = tempfile::tempdir().unwrap();
    write_home(home.path(), &issuer.url);
    for some in cases.chunks(4) {
        let tasks = some.iter().cloned().map(|(entry, ambient, key, source)| {
            let (home, url) = (home.path().to_owned(), issuer.url.clone());
            spawn_blocking(move || {
                let said = check(&home, &url, &entry, &ambient);
                let caller = format!(":user/{key} ");
                assert!(
                    has_line(&said, "ok", "sts:GetCallerIdentity", &caller)
                        && said
                            .lines()
                            .any(|line| line.ends_with(&format!("  {source}"))),
                    "{entry} {ambient:?}: {key} from {source}\n{said}"
                );
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn source_that_the_configuration_names_signs_whatever_the_environment_offers() {
    let role = "assume_role: {role_arn: 'arn:aws:iam::123456789012:role/r'}";
    let mut cases = Vec::new();
    for (entry, needs, key, source) in [
        ("profile: keys", None, "PROFILEKEYS", "profile `keys`"),
        (
            "profile: chained",
            None,
            "ROLEOVERPROFILEKEYS",
            "profile `chained`",
        ),
        (
            "profile: web",
            None,
            "PROFILEWEB",
            "profile `web` (a web identity token)",
        ),
        ("profile: sso", None, "SSOKEY", "profile `sso` (SSO)"),
        (
            "profile: process",
            None,
            "PROCESSKEY",
            "profile `process` (a process)",
        ),
        (
            "profile: from-environment",
            Some(Ambient::Keys),
            "ROLEOVERENVKEYS",
            "profile `from-environment`",
        ),
        (
            "profile: from-container",
            Some(Ambient::Container),
            "ROLEOVERCONTAINERKEY",
            "profile `from-container`",
        ),
        (
            "profile: from-instance",
            Some(Ambient::Instance),
            "ROLEOVERINSTANCEKEY",
            "profile `from-instance`",
        ),
    ] {
        let offers = std::iter::once(Vec::new())
            .chain(Ambient::ALL.map(|ambient| vec![ambient]))
            .chain([Ambient::ALL.to_vec()]);
        for mut ambient in offers {
            ambient.extend(needs);
            cases.push((entry.to_owned(), ambient, key.to_owned(), source.to_owned()));
        }
    }
    let over_profile = format!("profile: keys\n    {role}");
    cases.push((
        over_profile,
        Ambient::ALL.to_vec(),
        "ROLEOVERPROFILEKEYS".to_owned(),
        "the role, assumed with profile `keys`".to_owned(),
    ));
    for ambient in Ambient::ALL {
        let (key, source) = ambient.provides();
        cases.push((
            role.to_owned(),
            vec![ambient],
            format!("ROLEOVER{key}"),
            format!("the role, assumed with {source}"),
        ));
    }
    check_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_named_source_the_chain_of_the_sdk_applies() {
    let mut cases = Vec::new();
    for (at, ambient) in Ambient::ALL.into_iter().enumerate() {
        // AWS_PROFILE selects another profile than the default one.
        let later = Ambient::ALL[at..].iter().copied();
        let later = later
            .filter(|later| ambient != Ambient::DefaultProfile || *later != Ambient::NamedProfile);
        let (key, source) = ambient.provides();
        for offers in [vec![ambient], later.collect()] {
            cases.push((String::new(), offers, key.to_owned(), source.to_owned()));
        }
    }
    check_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_profile_that_fails_is_an_error_whatever_the_environment_offers() {
    let issuer = issuer().await;
    let home = tempfile::tempdir().unwrap();
    write_home(home.path(), &issuer.url);
    let config_file = home.path().join("config-with-default");
    for (entry, subject, detail) in [
        (
            "profile: typo",
            "profile",
            format!(
                "profile `typo` (`profile` of the account) is not in {}",
                config_file.display()
            ),
        ),
        (
            "profile: empty",
            "sts:GetCallerIdentity",
            "failed to obtain credentials: profile `empty`: it has no credentials".to_owned(),
        ),
        (
            "profile: broken",
            "sts:GetCallerIdentity",
            "failed to obtain credentials: profile `broken`: ".to_owned(),
        ),
    ] {
        let (at, url) = (home.path().to_owned(), issuer.url.clone());
        // Without AWS_PROFILE, which would be an error of its own.
        let offers = Ambient::ALL.map(|ambient| match ambient {
            Ambient::NamedProfile => Ambient::DefaultProfile,
            other => other,
        });
        let said = spawn_blocking(move || check(&at, &url, entry, &offers))
            .await
            .unwrap();
        assert!(
            has_line(&said, "problem", subject, &detail),
            "{entry}\n{said}"
        );
        assert_eq!(issuer.seen().len(), 0, "{entry}: {:#?}", issuer.seen());
    }
}

/// Set for the run of a test in a network namespace.
const IN_NAMESPACE: &str = "TEST_IN_NETWORK_NAMESPACE";
/// ECS, EKS Pod Identity and instance metadata. No request to them leaves the namespace.
const FIXED_ADDRESSES: [&str; 3] = ["169.254.170.2", "169.254.170.23", "169.254.169.254"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a network namespace; tests/run looks for it"]
async fn containers_and_instances_provide_credentials_at_their_fixed_addresses() {
    let name =
        "credential_sources::containers_and_instances_provide_credentials_at_their_fixed_addresses";
    if std::env::var_os(IN_NAMESPACE).is_none() {
        let add = FIXED_ADDRESSES.map(|address| format!("ip address add {address}/32 dev lo"));
        let script = format!("ip link set lo up; {}; exec \"$@\"", add.join("; "));
        let ended = spawn_blocking(move || {
            let mut command = Command::new("unshare");
            let in_namespace =
                command.args(["--map-root-user", "--net", "sh", "-ec", &script, "sh"]);
            let test = in_namespace.arg(std::env::current_exe().unwrap());
            output(
                test.args([name, "--exact", "--ignored"])
                    .env(IN_NAMESPACE, "1"),
            )
        });
        let ended = ended.await.unwrap();
        let said = text(&ended.stdout) + &text(&ended.stderr);
        assert!(said.contains("test result: ok. 1 passed"), "{said}");
        return;
    }
    let issuer = issuer().await;
    let home = tempfile::tempdir().unwrap();
    write_home(home.path(), &issuer.url);
    let token = home.path().join("token");
    let mut services = Vec::new();
    for address in FIXED_ADDRESSES {
        let answers = |_: usize, request: &Seen| Step::Answer(answer(request));
        services.push(Endpoint::listening_on(&format!("{address}:80"), answers).await);
    }
    let task = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container")];
    let pod = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/container",
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            token.to_str().unwrap(),
        ),
    ];
    let machine = [("AWS_EC2_METADATA_DISABLED", "false")];
    for (at, environment, key, source) in [
        (0, &task[..], "CONTAINERKEY", "the container endpoint"),
        (1, &pod[..], "CONTAINERKEY", "the container endpoint"),
        (2, &machine[..], "INSTANCEKEY", "instance metadata"),
    ] {
        let before: Vec<_> = services
            .iter()
            .map(|service| service.seen().len())
            .collect();
        let said = check_with(home.path(), &issuer.url, "", |command| {
            // A proxy that refuses everything, and is not used for these addresses.
            command.env("HTTP_PROXY", "http://127.0.0.1:1");
            command.envs(environment.iter().copied());
        });
        let caller = format!(":user/{key} ");
        assert!(
            has_line(&said, "ok", "sts:GetCallerIdentity", &caller)
                && said
                    .lines()
                    .any(|line| line.ends_with(&format!("  {source}"))),
            "{environment:?}\n{said}"
        );
        for (number, service) in services.iter().enumerate() {
            let asked = service.seen().len() > before[number];
            assert_eq!(asked, number == at, "{environment:?}: {}", service.url);
        }
    }
    let of_pod = services[1].seen();
    assert_eq!(of_pod[0].header("authorization"), "web-identity-token");
}
