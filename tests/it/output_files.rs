//! `once --output.file`: what may be at its path, and what is there afterwards.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use simulator::{LifeScript, Settings, Simulator};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::program::{config, config_text, signing_program, text};
use crate::rig::{connector, files, simulator, transfer};

/// A family of every exposition.
const FAMILY: &str = "# TYPE aws_transfer_files gauge";

/// A folder with a configuration of one transfer, beside a folder for output.
struct Rig {
    config: PathBuf,
    out: TempDir,
    _config_folder: TempDir,
    _simulator: Simulator,
}

impl Rig {
    async fn new() -> Self {
        let (simulator, url) = simulator(Settings::default()).await;
        let completed = files([LifeScript::completed()]);
        simulator.put_transfer(&connector(1), &transfer(1), completed, SystemTime::now());
        let pairs = [(connector(1).to_string(), transfer(1).to_string())];
        let (folder, file) = config(&config_text(&url, &pairs));
        Self {
            config: file,
            out: tempfile::tempdir().unwrap(),
            _config_folder: folder,
            _simulator: simulator,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    /// Returns `once` behind a shell that has run `setup`.
    fn once(&self, setup: &str, target: &Path) -> Command {
        let program = signing_program();
        let mut command = Command::new("sh");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .args(["-c", &format!("{setup} \"$0\" \"$@\"")])
            .arg(program.get_program())
            .args(["once", &format!("--config.file={}", self.config.display())])
            .arg(format!("--output.file={}", target.display()));
        command
    }

    async fn write(&self, setup: &str, target: &Path) -> Output {
        let mut command = self.once(setup, target);
        spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Writes to a file, and nothing else: no other file is left, and nothing is printed.
    async fn write_file(&self, setup: &str, target: &Path) {
        let before = self.names();
        let ended = self.write(setup, target).await;
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        assert_eq!(text(&ended.stdout), "");
        let mut after = self.names();
        after.retain(|name| !before.contains(name) && self.path(name) != target);
        assert_eq!(after, [""; 0], "{}", target.display());
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.out.path()).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.map(|entry| name(entry.unwrap())).collect()
    }
}

fn is_root() -> bool {
    let own = tempfile::tempfile().unwrap().metadata().unwrap();
    own.uid() == 0
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn has_metrics(path: &Path) -> bool {
    fs::read_to_string(path).unwrap().contains(FAMILY)
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_is_written_by_each_of_its_names() {
    let rig = Rig::new().await;
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let ended = rig.write("exec", Path::new(name)).await;
        assert!(ended.status.success(), "{name}: {}", text(&ended.stderr));
        assert!(text(&ended.stdout).contains(FAMILY), "{name}");
    }
    let ended = rig.write("exec", Path::new("/dev/stderr")).await;
    assert!(text(&ended.stderr).contains(FAMILY));
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());

    // A file that the shell has opened keeps what is before and after.
    let log = rig.path("log");
    let setup = format!("exec > '{}'; echo before;", log.display());
    let ended = rig.write(&setup, Path::new("/dev/stdout")).await;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let written = fs::read_to_string(&log).unwrap();
    assert!(written.starts_with("before\n#"), "{written}");
    assert!(written.contains(FAMILY));
    assert_eq!(rig.names(), ["log"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_has_the_mode_that_the_umask_leaves() {
    let rig = Rig::new().await;
    for (umask, expected) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
        let target = rig.path(&format!("{umask}.prom"));
        rig.write_file(&format!("umask {umask}; exec"), &target)
            .await;
        assert_eq!(mode(&target), expected, "{umask}");
        assert!(has_metrics(&target));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_keeps_mode_owner_and_group() {
    let rig = Rig::new().await;
    let target = rig.path("out.prom");
    for expected in [0o644, 0o640, 0o400] {
        fs::write(&target, "OLD CONTENT\n".repeat(10_000)).unwrap();
        fs::set_permissions(&target, Permissions::from_mode(expected)).unwrap();
        if is_root() {
            chown(&target, Some(12_345), Some(23_456)).unwrap();
        }
        let old = fs::metadata(&target).unwrap();
        rig.write_file("umask 077; exec", &target).await;
        let new = fs::metadata(&target).unwrap();
        assert_eq!(mode(&target), expected, "{expected:o}");
        assert_eq!((new.uid(), new.gid()), (old.uid(), old.gid()));
        assert_ne!(new.ino(), old.ino(), "it is replaced atomically");
        assert!(has_metrics(&target));
        assert!(!fs::read_to_string(&target).unwrap().contains("OLD CONTENT"));
        fs::remove_file(&target).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_stay_links() {
    let rig = Rig::new().await;
    fs::create_dir(rig.path("a")).unwrap();
    for (link, target, real) in [
        (
            "relative",
            PathBuf::from("a/relative.prom"),
            "a/relative.prom",
        ),
        ("absolute", rig.path("a/absolute.prom"), "a/absolute.prom"),
        ("twice", PathBuf::from("relative"), "a/relative.prom"),
    ] {
        symlink(&target, rig.path(link)).unwrap();
        let is_there = rig.path(real).exists();
        rig.write_file("umask 022; exec", &rig.path(link)).await;
        assert_eq!(fs::read_link(rig.path(link)).unwrap(), target);
        assert!(has_metrics(&rig.path(real)), "{link}");
        assert_eq!(mode(&rig.path(real)), 0o644, "{link}: {is_there}");
        // An existing target is replaced, with its mode.
        fs::set_permissions(rig.path(real), Permissions::from_mode(0o640)).unwrap();
        rig.write_file("exec", &rig.path(link)).await;
        assert_eq!(mode(&rig.path(real)), 0o640, "{link}");
        fs::set_permissions(rig.path(real), Permissions::from_mode(0o644)).unwrap();
    }
    let left = fs::read_dir(rig.path("a")).unwrap().count();
    assert_eq!(left, 2, "no temporary file beside the targets");

    let (one, other) = (rig.path("one.prom"), rig.path("other.prom"));
    fs::write(&one, "OLD CONTENT\n".repeat(10_000)).unwrap();
    fs::hard_link(&one, &other).unwrap();
    rig.write_file("exec", &one).await;
    assert_eq!(fs::metadata(&one).unwrap().nlink(), 2);
    let written = fs::read_to_string(&other).unwrap();
    assert!(written.contains(FAMILY) && !written.contains("OLD CONTENT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_and_devices_stay_what_they_are() {
    let rig = Rig::new().await;
    let pipe = rig.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    symlink("pipe", rig.path("link")).unwrap();
    for name in ["pipe", "link"] {
        let reader = pipe.clone();
        let read = spawn_blocking(move || {
            let mut read = String::new();
            File::open(reader)
                .unwrap()
                .read_to_string(&mut read)
                .unwrap();
            read
        });
        rig.write_file("exec", &rig.path(name)).await;
        assert!(read.await.unwrap().contains(FAMILY), "{name}");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo(), "{name}");
    }
    assert!(fs::symlink_metadata(rig.path("link")).unwrap().is_symlink());

    let ended = rig.write("exec", Path::new("/dev/null")).await;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let null = fs::metadata("/dev/null").unwrap();
    assert!(null.file_type().is_char_device());
    // Only root may make devices, and not in every container.
    let made = Command::new("mknod")
        .arg(rig.path("full"))
        .args(["c", "1", "7"])
        .stderr(Stdio::null())
        .status();
    if made.is_ok_and(|made| made.success()) && File::open(rig.path("full")).is_ok() {
        let ended = rig.write("exec", &rig.path("full")).await;
        assert_eq!(ended.status.code(), Some(1));
        let error = text(&ended.stderr);
        assert!(error.contains("No space left on device"), "{error}");
        let full = fs::metadata(rig.path("full")).unwrap();
        assert!(full.file_type().is_char_device());
        fs::remove_file(rig.path("full")).unwrap();
    }
    let made = Command::new("mknod")
        .arg(rig.path("disk"))
        .args(["b", "7", "250"])
        .stderr(Stdio::null())
        .status();
    if made.is_ok_and(|made| made.success()) {
        let ended = rig.write("exec", &rig.path("disk")).await;
        assert_eq!(ended.status.code(), Some(1));
        let error = text(&ended.stderr);
        assert!(error.contains("disk`: it is a block device"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_a_folder_that_cannot_be_written_is_written_in_place() {
    let rig = Rig::new().await;
    let target = rig.path("out.prom");
    fs::write(&target, "OLD CONTENT\n".repeat(10_000)).unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o666)).unwrap();
    let inode = fs::metadata(&target).unwrap().ino();
    // Root may write everywhere.
    let setup = if is_root() {
        for readable in [rig.config.parent().unwrap(), rig.out.path()] {
            fs::set_permissions(readable, Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(&rig.config, Permissions::from_mode(0o644)).unwrap();
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups"
    } else {
        "exec"
    };
    fs::set_permissions(rig.out.path(), Permissions::from_mode(0o555)).unwrap();
    rig.write_file(setup, &target).await;
    assert_eq!(fs::metadata(&target).unwrap().ino(), inode);
    let written = fs::read_to_string(&target).unwrap();
    assert!(written.contains(FAMILY) && !written.contains("OLD CONTENT"));
    let ended = rig.write(setup, &rig.path("new.prom")).await;
    assert_eq!(ended.status.code(), Some(1));
    let error = text(&ended.stderr);
    assert!(error.contains("new.prom`: Permission denied"), "{error}");
    fs::set_permissions(rig.out.path(), Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_an_error_with_its_name() {
    let rig = Rig::new().await;
    fs::create_dir(rig.path("folder")).unwrap();
    symlink("loop", rig.path("loop")).unwrap();
    for (name, expected) in [
        ("folder", "Is a directory"),
        ("none/out.prom", "No such file or directory"),
        ("loop", "Too many levels of symbolic links"),
    ] {
        let ended = rig.write("exec", &rig.path(name)).await;
        assert_eq!(ended.status.code(), Some(1), "{name}");
        let error = text(&ended.stderr);
        let line = error.lines().last().unwrap_or_default();
        assert!(
            line.contains("failed to write `") && line.contains(&format!("{name}`: {expected}")),
            "{error}"
        );
    }
    // Names of leftover temporary files are not reused.
    let target = rig.path("out.prom");
    let setup = format!(
        "echo kept > '{}/.aws-transfer-exporter.'$$.0.tmp; exec",
        rig.out.path().display()
    );
    let ended = rig.write(&setup, &target).await;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert!(has_metrics(&target));
    let is_leftover = |name: &String| name.ends_with(".0.tmp");
    let leftover = rig.names().into_iter().find(is_leftover).unwrap();
    assert_eq!(fs::read_to_string(rig.path(&leftover)).unwrap(), "kept\n");
}
