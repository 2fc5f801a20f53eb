//! Pipes and devices in place of files, invisible characters, and an empty web configuration.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Running, config, output, program, text};

const CONFIG: &str = "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:9\n\
                      transfers:\n  - connector_id: c-0123456789abcdef0\n    transfer_id: t\n";
/// No command waits for a pipe.
const LIMIT: Duration = Duration::from_secs(20);

fn pipe(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

/// Runs a command that must end by itself.
fn ended(command: &mut Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{command:?} waits");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn pipes_and_devices_are_no_configuration() {
    let (folder, _) = config(CONFIG);
    let pipe = pipe(folder.path(), "pipe");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    for (path, kind) in [
        (&*pipe, "a pipe"),
        (&*link, "a pipe"),
        (Path::new("/dev/zero"), "a device"),
        (Path::new("/dev/null"), "a device"),
    ] {
        for command in ["check", "plan", "once", ""] {
            let mut program = program();
            program.args(Some(command).filter(|command| !command.is_empty()));
            program.arg(format!("--config.file={}", path.display()));
            let ended = ended(&mut program);
            assert_eq!(ended.status.code(), Some(1), "{command} {kind}");
            let said = text(&ended.stdout) + &text(&ended.stderr);
            let expected = format!(
                "{}: failed to read the file: it is {kind}, not a regular file\n  hint: pass a \
                 readable file with `--config.file`\n",
                path.display()
            );
            assert!(said.contains(&expected), "{command}: {said}");
        }
    }
}

#[test]
fn pipes_are_no_web_configuration_and_no_certificates() {
    let (folder, file) = config(CONFIG);
    let pipe = pipe(folder.path(), "pipe");
    let config = format!("--config.file={}", file.display());
    let web = folder.path().join("web.yml");
    let check = |web: &Path| {
        let web = format!("--web.config.file={}", web.display());
        let ended = ended(program().args(["check", &config, &web]));
        assert_eq!(ended.status.code(), Some(1));
        text(&ended.stdout)
    };
    let said = check(&pipe);
    let expected = "failed to read the file: it is a pipe, not a regular file\n";
    assert!(said.contains(expected), "{said}");

    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("crt"), pair.cert.pem()).unwrap();
    fs::write(folder.path().join("key"), pair.signing_key.serialize_pem()).unwrap();
    for (key, lines) in [
        ("cert_file", "  cert_file: pipe\n  key_file: key\n"),
        ("key_file", "  cert_file: crt\n  key_file: pipe\n"),
        (
            "client_ca_file",
            "  cert_file: crt\n  key_file: key\n  client_ca_file: pipe\n  \
             client_auth_type: RequireAndVerifyClientCert\n",
        ),
    ] {
        fs::write(&web, format!("tls_server_config:\n{lines}")).unwrap();
        let said = check(&web);
        let expected = format!(
            "failed to read {}: it is a pipe, not a regular file\n",
            pipe.display()
        );
        assert!(said.contains(key) && said.contains(&expected), "{said}");
    }
}

#[test]
fn unusable_authorities_of_an_account_are_found_by_check_and_at_the_start() {
    let (folder, file) = config("");
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let large = written("large.pem", "");
    let five_mib = fs::File::options().write(true).open(&large).unwrap();
    five_mib.set_len(5 << 20).unwrap();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (path, reason) in [
        (folder.path().join("none.pem"), "No such file"),
        (folder.path().to_owned(), "is a directory"),
        (
            pipe(folder.path(), "pipe"),
            "it is a pipe, not a regular file",
        ),
        ("/dev/zero".into(), "it is a device, not a regular file"),
        (large, "larger than 4 MiB"),
        (written("empty.pem", ""), "no certificate in PEM format"),
        (
            written("garbage.pem", garbage),
            "certificate 1 is invalid: ",
        ),
    ] {
        let path = path.display();
        let entry = CONFIG.replace(
            "    endpoint_url",
            &format!("    ca_file: {path}\n    endpoint_url"),
        );
        fs::write(&file, entry).unwrap();
        let flag = format!("--config.file={}", file.display());
        let expected = format!(
            "failed to read the certificate authorities in {path} (`ca_file` of the account): {reason}"
        );
        for arguments in [&["check"][..], &["check", "--output=json"], &["once"], &[]] {
            let ended = ended(program().args(arguments).arg(&flag));
            let said = text(&ended.stdout) + &text(&ended.stderr);
            assert_eq!(ended.status.code(), Some(1), "{arguments:?} {said}");
            assert!(said.contains(&expected), "{arguments:?} {said}");
            let hint = "name a file with certificates as PEM";
            assert!(said.contains(hint), "{arguments:?} {said}");
        }
        let checked = text(&ended(program().args(["check", &flag])).stdout);
        let place = format!("{}: `accounts[0].ca_file`: failed", file.display());
        assert!(checked.starts_with(&place), "{checked}");
    }
}

#[test]
fn a_configuration_that_becomes_a_pipe_changes_nothing() {
    let (folder, file) = config(CONFIG);
    let mut command = program();
    command.args([
        &format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0",
        "--config.auto-reload-interval=1s",
    ]);
    let exporter = Running::start(&mut command);
    let pipe = pipe(folder.path(), "pipe");
    fs::rename(pipe, &file).unwrap();
    exporter.signal("HUP");
    let line = exporter.wait_for("event=config_reload_failed", "event=config_reload_failed");
    assert!(line.contains("it is a pipe, not a regular file"), "{line}");
    exporter.terminate();
}

#[test]
fn a_named_target_file_that_is_a_pipe_is_reported() {
    let (folder, _) = config("");
    let pipe = pipe(folder.path(), "targets.yml");
    let text = format!(
        "accounts:\n  - name: a\n    region: eu-central-1\n    endpoint_url: http://127.0.0.1:9\n\
         discovery:\n  files:\n    - paths: [{}]\n",
        pipe.display()
    );
    let (_config, file) = config(&text);
    let mut command = program();
    command.args([
        &format!("--config.file={}", file.display()),
        "--web.listen-address=127.0.0.1:0",
    ]);
    let mut exporter = Running::unready(&mut command);
    let line = exporter.wait_for("event=targets_list_failed", "event=listening");
    assert!(line.contains("not a regular file"), "{line}");
    exporter.wait_for("event=listening", "event=listening");
    exporter.signal("TERM");
    assert_eq!(exporter.wait().code(), Some(0));
}

#[test]
fn an_empty_web_configuration_file_name_is_none() {
    let (_folder, file) = config(CONFIG);
    let config = format!("--config.file={}", file.display());
    let checked = output(program().args(["check", &config, "--web.config.file="]));
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    assert_eq!(text(&checked.stdout).lines().count(), 1);
    let mut command = program();
    command.args([
        &config,
        "--web.config.file=",
        "--web.listen-address=127.0.0.1:0",
    ]);
    let exporter = Running::start(&mut command);
    let address = format!("--web.listen-address={}", exporter.address);
    let healthy = output(program().args(["healthcheck", "--web.config.file=", &address]));
    assert_eq!(healthy.status.code(), Some(0), "{}", text(&healthy.stderr));
    exporter.terminate();
}

/// Invisible characters, and how a message shows them.
const INVISIBLE: [(&str, &str); 6] = [
    ("\u{202e}", "\\u{202e}"),
    ("\u{200b}", "\\u{200b}"),
    ("\u{a0}", "\\u{a0}"),
    ("\u{feff}", "\\u{feff}"),
    ("\u{1b}[31m", "\\u{1b}[31m"),
    ("\u{2028}", "\\u{2028}"),
];

#[test]
fn invisible_characters_of_the_user_are_shown_in_errors() {
    for (hidden, shown) in INVISIBLE {
        // YAML has no escape character outside of double quotes.
        let quoted = hidden.replace('\u{1b}', "\\e");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(format!("a{hidden}.yml"));
        let flag = format!("--config.file={}", file.display());
        let missing = output(program().args(["check", &flag]));
        let written = |text: &str| {
            fs::write(&file, text).unwrap();
            output(program().args(["check", &flag]))
        };
        for checked in [
            missing,
            written(&format!("\"key{quoted}\": 1\n")),
            written(&format!(
                "transfers:\n  - connector_id: \"{quoted}\"\n    transfer_id: a\n"
            )),
            written(&format!(
                "accounts:\n  - name: \"a{quoted}\"\n    region: [1]\n"
            )),
            written(&format!(
                "accounts:\n  - {{name: a, \"reg{quoted}ion\": x}}\n"
            )),
            written(&format!("collector:\n  timeout: \"1{quoted}s\"\n")),
            output(program().args([
                "results",
                "c-0123456789abcdef0",
                "t",
                &format!("--account={hidden}"),
                &flag,
            ])),
            output(program().arg(format!("--log.level={hidden}"))),
            output(program().arg(format!("--web.listen-address={hidden}"))),
            output(program().arg(format!("--{hidden}"))),
            output(program().arg(hidden)),
        ] {
            assert!(!checked.status.success());
            let said = text(&checked.stdout) + &text(&checked.stderr);
            let lines = said.replace('\n', "");
            assert!(!lines.contains(model::is_invisible), "{hidden:?}: {said:?}");
            assert!(said.contains(shown), "{hidden:?}: {said}");
        }
    }
}

#[test]
fn an_argument_that_is_not_utf_8_is_a_file_name_or_a_usage_error() {
    let bytes = |text: &[u8]| std::ffi::OsString::from_vec(text.to_vec());
    let ended = output(
        program()
            .arg("check")
            .arg(bytes(b"--config.file=a\xff.yml")),
    );
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        text(&ended.stdout).contains("no such file"),
        "{}",
        text(&ended.stdout)
    );
    let ended = output(program().arg(bytes(b"--log.level=\xff")));
    assert_eq!(ended.status.code(), Some(2));
}
