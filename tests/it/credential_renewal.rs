//! Sources whose tokens expire: SSO, `aws login`, instance metadata and containers, each against an
//! endpoint on the loopback.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::KeyPair;
use simulator::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, LifeScript, Settings};
use tokio::task::spawn_blocking;

use crate::program::{config, output, program, text};
use crate::rig::{connector, files, simulator, transfer};
use crate::support::{Endpoint, Seen, Step, http};

const JSON: &str = "content-type: application/json\r\n";
/// `printf corp | sha1sum` names the cached token of that session.
const SSO_CACHE: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const LOGIN_SESSION: &str = "arn:aws:iam::123456789012:user/jane";
/// `printf LOGIN_SESSION | sha256sum` names the cached token of that session.
const LOGIN_CACHE: &str =
    ".aws/login/cache/e503db6a50c52e426cd2e8b0edf93b94ec9cb0ba1ccdba607277d35e756abde9.json";

/// The simulator's keys in the form of a protocol, where `names` are those of key, secret and token.
fn keys(names: [&str; 3], more: &str) -> String {
    let [id, secret, token] = names;
    format!(
        "{{\"{id}\":\"{DEMO_ACCESS_KEY_ID}\",\"{secret}\":\"{DEMO_SECRET_ACCESS_KEY}\",\"{token}\":\"t\",{more}}}"
    )
}

const CAMEL: [&str; 3] = ["accessKeyId", "secretAccessKey", "sessionToken"];

fn answer(request: &Seen) -> Vec<u8> {
    let mut line = request.head.split(' ');
    let (method, path) = (line.next().unwrap(), line.next().unwrap());
    let imds_token = request.header("x-aws-ec2-metadata-token");
    let expiration = "\"Code\":\"Success\",\"Expiration\":\"2099-01-01T00:00:00Z\"";
    let pascal = keys(["AccessKeyId", "SecretAccessKey", "Token"], expiration);
    match (method, path.split('?').next().unwrap()) {
        // SSO, with a renewed token only.
        ("POST", "/token") if request.body.contains("\"refreshToken\":\"sso-refresh\"") => {
            let body = "{\"accessToken\":\"renewed\",\"tokenType\":\"Bearer\",\"expiresIn\":28800,\
                        \"refreshToken\":\"sso-refresh-2\"}";
            http(200, JSON, body)
        }
        ("GET", "/federation/credentials")
            if request.header("x-amz-sso_bearer_token") == "renewed" =>
        {
            let role = keys(CAMEL, "\"expiration\":4070908800000");
            http(200, JSON, format!("{{\"roleCredentials\":{role}}}"))
        }
        // `aws login`, which proves the possession of the key.
        ("POST", "/v1/token")
            if request.body.contains("\"refreshToken\":\"login-refresh\"")
                && request.header("dpop").split('.').count() == 3 =>
        {
            let token = keys(CAMEL, "\"accountId\":\"123456789012\"");
            let body = format!(
                "{{\"accessToken\":{token},\"tokenType\":\"aws_sigv4\",\"expiresIn\":900,\"refreshToken\":\"login-refresh-2\"}}"
            );
            http(200, JSON, body)
        }
        // Instance metadata, version 2 only.
        ("PUT", "/latest/api/token") => http(
            200,
            "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n",
            "imds-token",
        ),
        ("GET", "/latest/meta-data/iam/security-credentials/") if imds_token == "imds-token" => {
            http(200, "", "instance-role")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/instance-role")
            if imds_token == "imds-token" =>
        {
            http(200, JSON, pascal)
        }
        // A container with a token in a file.
        ("GET", "/v1/credentials") if request.header("authorization") == "pod-token" => {
            http(200, JSON, pascal)
        }
        _ => http(401, "", ""),
    }
}

/// Generates a key in the form of the AWS CLI, which is the inner part of a PKCS #8 key.
fn ec_private_key() -> String {
    let key = KeyPair::generate().unwrap().serialize_der();
    let version = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = key.windows(version.len()).position(|part| part == version);
    // A tag and a length precede it.
    let encoded = BASE64_STANDARD.encode(&key[at.unwrap() - 2..]);
    let lines: Vec<_> = encoded
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN EC PRIVATE KEY-----\n{lines}\n-----END EC PRIVATE KEY-----\n")
}

/// Tokens that have expired and can be renewed.
fn write_home(home: &Path) {
    fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
    fs::create_dir_all(home.join(".aws/login/cache")).unwrap();
    let profiles = format!(
        "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n\
         [sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n\
         [profile login]\nlogin_session = {LOGIN_SESSION}\nregion = eu-central-1\n"
    );
    fs::write(home.join(".aws/config"), profiles).unwrap();
    let token = "{\"accessToken\":\"old\",\"expiresAt\":\"2020-01-01T00:00:00Z\",\"region\":\"eu-central-1\",\
                 \"startUrl\":\"https://corp.awsapps.com/start\",\"clientId\":\"c\",\"clientSecret\":\"s\",\
                 \"registrationExpiresAt\":\"2099-01-01T00:00:00Z\",\"refreshToken\":\"sso-refresh\"}";
    fs::write(home.join(SSO_CACHE), token).unwrap();
    let expired = keys(
        CAMEL,
        "\"accountId\":\"123456789012\",\"expiresAt\":\"2020-01-01T00:00:00Z\"",
    );
    let key = ec_private_key().replace('\n', "\\n");
    let token = format!(
        "{{\"accessToken\":{expired},\"tokenType\":\"aws_sigv4\",\"refreshToken\":\"login-refresh\",\
         \"clientId\":\"arn:aws:signin:::devtools/same-device\",\"dpopKey\":\"{key}\"}}"
    );
    fs::write(home.join(LOGIN_CACHE), token).unwrap();
    fs::write(home.join("pod-token"), "pod-token").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_tokens_are_renewed_and_metadata_is_read_with_tokens() {
    let (simulator, url) = simulator(Settings::default()).await;
    simulator.put_transfer(
        &connector(1),
        &transfer(1),
        files([LifeScript::completed()]),
        std::time::SystemTime::now(),
    );
    let issuer = Endpoint::answering(|_, request| Step::Answer(answer(request))).await;
    let home = tempfile::tempdir().unwrap();
    write_home(home.path());
    let at = |path: &str| home.path().join(path).display().to_string();
    let issuer_url = || issuer.url.clone();
    for (entry, environment, cache, renewed) in [
        (
            "profile: sso",
            vec![
                ("AWS_ENDPOINT_URL_SSO_OIDC", issuer_url()),
                ("AWS_ENDPOINT_URL_SSO", issuer_url()),
            ],
            SSO_CACHE,
            "sso-refresh-2",
        ),
        (
            "profile: login",
            vec![("AWS_ENDPOINT_URL_SIGNIN", issuer_url())],
            LOGIN_CACHE,
            "login-refresh-2",
        ),
        (
            "",
            vec![
                ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", issuer_url()),
            ],
            "pod-token",
            "",
        ),
        (
            "",
            vec![
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    format!("{}/v1/credentials", issuer.url),
                ),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", at("pod-token")),
            ],
            "pod-token",
            "",
        ),
        (
            "",
            vec![
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    format!("{}/v1/credentials", issuer.url),
                ),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token".to_owned()),
            ],
            "pod-token",
            "",
        ),
    ] {
        let yaml = format!(
            "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: {url}\n    {entry}\ndiscovery:\n  \
             connectors:\n    - {{}}\n"
        );
        let (folder, shown) = (home.path().to_owned(), format!("{entry} {environment:?}"));
        let ended = spawn_blocking(move || {
            let (_folder, file) = config(&yaml);
            let (connector, transfer) = (connector(1).to_string(), transfer(1).to_string());
            let flag = format!("--config.file={}", file.display());
            let mut command = program();
            command
                .env("HOME", &folder)
                .env("AWS_CONFIG_FILE", folder.join(".aws/config"))
                .envs(environment);
            output(command.args(["results", &connector, &transfer, &flag]))
        })
        .await
        .unwrap();
        let said = text(&ended.stderr);
        assert_eq!(
            ended.status.code(),
            Some(0),
            "{shown}\n{said}\n{:#?}",
            issuer.seen()
        );
        // The renewed token is written for the other tools.
        let cached = fs::read_to_string(home.path().join(cache)).unwrap();
        assert!(cached.contains(renewed), "{shown}\n{cached}");
    }
}
