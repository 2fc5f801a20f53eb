//! What a release consists of. The release workflow and the rehearsal run the same steps.

mod chart;
mod dashboards;
mod flake;
mod formula;
mod image;
mod packages;
mod program;
mod registry;
mod report;
mod roots;
mod signature;
mod target;
mod terraform;
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::publisher::{self, PROJECT, Publisher};
use crate::{output, print, root, run};
use program::{EXPORTER, PROGRAMS, Program};
use registry::Registry;
use report::{Made, Report};
use roots::Kind;
use target::{TARGETS, Target};
use tools::{command, unavailable};

/// What happens at GitHub, or needs what no Linux machine has.
const NOT_HERE: [(&str, &str); 6] = [
    ("archives for macOS", "the workflow builds them on macOS"),
    (
        "signatures",
        "cosign signs with the identity of the workflow's run, and writes to the public log",
    ),
    ("provenance", "GitHub attests the workflow's run"),
    ("push to ghcr.io", "needs the workflow's token"),
    (
        "Artifact Hub, grafana.com, Terraform registry",
        "a maintainer registers the project there once",
    ),
    ("dnf install", "needs the packages of a Fedora or RHEL"),
];

/// A release that is made.
pub(super) struct Release {
    version: String,
    publisher: Publisher,
    /// Where artefacts are written.
    folder: PathBuf,
    /// Where everything else is written.
    work: PathBuf,
    /// A clean Debian that is there already.
    debian: Option<PathBuf>,
    /// Missing tools are reported instead of installed.
    offline: bool,
    /// The Debian package is compressed less.
    fast: bool,
}

/// Options of the rehearsal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// Folders of binaries by target.
    binaries: BTreeMap<String, PathBuf>,
    output: Option<PathBuf>,
    debian: Option<PathBuf>,
    offline: bool,
    fast: bool,
}

/// `cargo xtask release ARGUMENTS`.
///
/// # Errors
/// A step failed.
pub(crate) fn task(arguments: &[&str]) -> anyhow::Result<()> {
    match arguments {
        ["pack", target, binaries, folder] => pack(target, Path::new(binaries), Path::new(folder)),
        ["assemble", folder] => assemble(Path::new(folder)),
        ["--dry-run", options @ ..] => rehearse(Options::parse(options)?),
        _ => bail!("`release` needs --dry-run, `pack TARGET BINARIES DIR` or `assemble DIR`"),
    }
}

impl Options {
    fn parse(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            // `--name=value` and `--name value`.
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (*argument, None),
            };
            let mut value = || {
                let value = joined.or_else(|| arguments.next().copied());
                value.with_context(|| format!("{name} needs a value"))
            };
            match name {
                "--offline" => options.offline = true,
                "--fast" => options.fast = true,
                "--output" => options.output = Some(PathBuf::from(value()?)),
                "--debian" => options.debian = Some(PathBuf::from(value()?)),
                "--binaries" => {
                    let (target, folder) = value()?
                        .split_once('=')
                        .context("--binaries needs TARGET=DIR")?;
                    Target::named(target)?;
                    options
                        .binaries
                        .insert(target.to_owned(), PathBuf::from(folder));
                }
                other => bail!("unknown option: {other}"),
            }
        }
        Ok(options)
    }
}

impl Release {
    fn new(folder: &Path, options: Options) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let work = std::env::temp_dir().join(format!("release-{}", std::process::id()));
        std::fs::create_dir_all(&work)?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            publisher: Publisher::read()?,
            folder,
            work,
            debian: options.debian,
            offline: options.offline,
            fast: options.fast,
        })
    }

    /// The archive of a program for a target.
    fn archive(&self, program: &Program, target: Target) -> PathBuf {
        self.folder.join(format!(
            "{}-{}-{}.tar.gz",
            program.name, self.version, target.0
        ))
    }

    /// Unpacks the archive of a program for a target and returns its folder.
    fn unpack(&self, program: &Program, target: Target) -> anyhow::Result<PathBuf> {
        run(command("tar")
            .arg("-xzf")
            .arg(self.archive(program, target))
            .arg("-C")
            .arg(&self.work))?;
        Ok(self
            .work
            .join(format!("{}-{}-{}", program.name, self.version, target.0)))
    }

    /// The commit that is released.
    #[expect(clippy::unused_self, reason = "a release is of the checked out commit")]
    fn revision(&self) -> anyhow::Result<String> {
        let commit = output(Command::new("git").args(["rev-parse", "HEAD"]))?;
        Ok(commit.trim().to_owned())
    }

    /// The packages of a target, from the binaries in a folder.
    fn packages(&self, report: &mut Report, target: Target, binaries: &Path, installs: bool) {
        let tried = |kind: &Kind, made: anyhow::Result<Made>| {
            if !installs || !target.runs_here() {
                return made;
            }
            let made = made?;
            let installed = roots::install(self, kind, &made.path);
            made.and(installed)
        };
        for program in PROGRAMS {
            let binary = binaries.join(program.name);
            report.add(
                &format!("archive of {} for {}", program.name, target.0),
                tried(
                    &program.kind,
                    packages::archive(self, program, target, &binary),
                ),
            );
        }
        let binary = binaries.join(EXPORTER.name);
        report.add(
            &format!("SBOM for {}", target.0),
            packages::sbom(self, target),
        );
        if target.is_gnu() {
            report.add(
                "deb",
                tried(&Kind::Deb, packages::deb(self, target, &binary)),
            );
        }
        if target.is_musl() {
            report.add(
                "rpm",
                tried(&Kind::Rpm, packages::rpm(self, target, &binary)),
            );
        }
    }

    /// Everything that is made once, from the archives.
    fn rest(&self, report: &mut Report, registry: Option<&Registry>) {
        for program in PROGRAMS {
            let image = image::image(self, program).and_then(|made| match registry {
                Some(Registry { address, .. }) => made
                    .and(image::push(self, program, address))?
                    .and(signature::image(self, address, program.name)),
                None => Ok(made),
            });
            report.add(&format!("image of {}", program.name), image);
        }
        let chart = chart::chart(self).and_then(|made| match registry {
            Some(Registry { address, .. }) => {
                let pushed = chart::push(self, &made.path, address);
                made.and(pushed)?.and(signature::image(
                    self,
                    address,
                    &format!("charts/{PROJECT}"),
                ))
            }
            None => Ok(made),
        });
        report.add("chart", chart);
        report.add("dashboards", dashboards::dashboards(self));
        report.add("Terraform module", terraform::module(self));
        report.add("Homebrew formula", formula::formula(self));
        report.add("Nix flake", flake::flake(self));
        report.add(
            "checksums",
            self.checksums().and_then(|made| match registry {
                Some(_) => {
                    let signed = signature::file(self, &made.path);
                    made.and(signed)
                }
                None => Ok(made),
            }),
        );
    }

    /// Writes `SHA256SUMS` of every artefact.
    fn checksums(&self) -> anyhow::Result<Made> {
        let path = self.folder.join("SHA256SUMS");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.path() != path {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        let mut text = String::new();
        for name in &names {
            let checksum = report::checksum(&self.folder.join(name))?;
            text.extend([&checksum, "  ", name, "\n"]);
        }
        std::fs::write(&path, text)?;
        Ok(Made::new(path, format!("{} files", names.len())))
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.work));
    }
}

/// Makes the packages of one target.
fn pack(target: &str, binaries: &Path, folder: &Path) -> anyhow::Result<()> {
    let release = Release::new(folder, Options::default())?;
    let binaries = binaries
        .canonicalize()
        .context("the folder of the binaries is missing")?;
    let mut report = Report::default();
    release.packages(&mut report, Target::named(target)?, &binaries, false);
    complete(&report)
}

/// Makes the rest of a release from its archives.
fn assemble(folder: &Path) -> anyhow::Result<()> {
    let release = Release::new(folder, Options::default())?;
    let mut report = Report::default();
    release.rest(&mut report, None);
    complete(&report)
}

/// Requires that every artefact was made.
fn complete(report: &Report) -> anyhow::Result<()> {
    show(&report.table());
    ensure!(report.failures() == 0, "{} steps failed", report.failures());
    let missing = report.not_made();
    ensure!(missing.is_empty(), "not made: {}", missing.join("; "));
    Ok(())
}

/// Makes everything that this machine can make, and installs it.
fn rehearse(options: Options) -> anyhow::Result<()> {
    let folder = options
        .output
        .clone()
        .unwrap_or_else(|| Path::new(root()).join("target/release-rehearsal"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    let binaries = options.binaries.clone();
    let release = Release::new(&folder, options)?;
    let mut report = Report::default();
    report.add("names of the publisher", names(&release));
    report.add("release notes", notes(&release));
    for target in TARGETS
        .into_iter()
        .filter(|target| target.is_gnu() || target.is_musl())
    {
        print(target.0);
        match folder_of_binaries(&release, target, &binaries) {
            Ok(folder) => release.packages(&mut report, target, &folder, true),
            Err(error) => report.add(&format!("packages for {}", target.0), Err(error)),
        }
    }
    let registry = match Registry::start(&release) {
        Ok(registry) => Some(registry),
        Err(error) => {
            report.add("push to a registry of the loopback", Err(error));
            None
        }
    };
    release.rest(&mut report, registry.as_ref());
    for (artefact, reason) in NOT_HERE {
        report.add(artefact, Err(unavailable(reason)));
    }
    show(&report.table());
    ensure!(report.failures() == 0, "{} steps failed", report.failures());
    print(&format!(
        "the artefacts are in {}",
        release.folder.display()
    ));
    Ok(())
}

/// Checks that every place has the names of the publisher.
fn names(release: &Release) -> anyhow::Result<Made> {
    publisher::report()?;
    let path = Path::new(root()).join(publisher::FILE);
    let mut made = Made::new(path, "every place agrees");
    let repository = format!("{}/{PROJECT}", release.publisher.organisation);
    if let Err(error) = release.publisher.check_release(&repository) {
        made.unchecked
            .push(format!("a release is refused: {error}"));
    }
    Ok(made)
}

/// Extracts the release notes, and checks the versions.
fn notes(release: &Release) -> anyhow::Result<Made> {
    let script = Path::new(root()).join(".github/release-notes");
    let text = output(command(script).arg(format!("v{}", release.version)))?;
    let path = release.work.join("release-notes.md");
    std::fs::write(&path, text)?;
    Ok(Made::new(
        path,
        "tag, Cargo.toml, Cargo.lock and CHANGELOG.md agree",
    ))
}

/// Returns the folder of a target's binaries: the one that was given, or that of new ones.
fn folder_of_binaries(
    release: &Release,
    target: Target,
    given: &BTreeMap<String, PathBuf>,
) -> anyhow::Result<PathBuf> {
    if let Some(path) = given.get(target.0) {
        return path
            .canonicalize()
            .with_context(|| format!("{} is missing", path.display()));
    }
    if !given.is_empty() || release.offline {
        return Err(unavailable("no binaries were given for it"));
    }
    build(target)
}

/// Compiles the programs for a target. Without its standard library this machine cannot.
fn build(target: Target) -> anyhow::Result<PathBuf> {
    let libraries =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", target.0]))?;
    if !Path::new(libraries.trim()).exists() {
        run(Command::new("rustup").args(["target", "add", target.0]))
            .map_err(|error| unavailable(format!("its standard library cannot be had: {error}")))?;
    }
    for program in PROGRAMS {
        run(compiler(target)?
            .args(["--release", "--locked", "--target", target.0])
            .args(["--package", program.package])
            .env("CARGO_PROFILE_RELEASE_LTO", "fat"))?;
    }
    let folder = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(Path::new(root())
        .join(folder)
        .join(target.0)
        .join("release"))
}

/// Returns the command that compiles for a target.
fn compiler(target: Target) -> anyhow::Result<Command> {
    let mut cargo = Command::new("cargo");
    if target.is_musl() || !target.runs_here() {
        // zig is a C compiler and linker for every target.
        if tools::need("cargo-zigbuild", "").is_ok() {
            cargo.arg("zigbuild");
        } else if target.is_musl() && target.runs_here() {
            tools::need("musl-gcc", "Debian: musl-tools")?;
            cargo
                .arg("build")
                .env(format!("CC_{}", target.0.replace('-', "_")), "musl-gcc");
        } else {
            return Err(unavailable(
                "cargo-zigbuild is missing, which compiles for other machines",
            ));
        }
    } else {
        cargo.arg("build");
    }
    Ok(cargo)
}

#[expect(clippy::print_stdout, reason = "the table is what the task is for")]
fn show(table: &str) {
    println!("{table}");
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_take_their_value_after_a_space_or_an_equals_sign() {
        let target = "x86_64-unknown-linux-gnu";
        let pair = format!("{target}=a/b");
        let joined = format!("--binaries={pair}");
        let expected = Options {
            binaries: [(target.to_owned(), "a/b".into())].into(),
            debian: Some("d".into()),
            offline: true,
            fast: true,
            ..Options::default()
        };
        for arguments in [
            vec!["--binaries", &pair, "--debian", "d", "--offline", "--fast"],
            vec![&joined, "--debian=d", "--offline", "--fast"],
        ] {
            let options = Options::parse(&arguments).expect("they are valid");
            assert_eq!(options, expected);
        }
    }

    #[test]
    fn mistakes_name_the_option() {
        let error = |arguments: &[&str]| {
            Options::parse(arguments)
                .expect_err("it is a mistake")
                .to_string()
        };
        assert_eq!(error(&["--output"]), "--output needs a value");
        assert_eq!(error(&["--dry"]), "unknown option: --dry");
        assert_eq!(error(&["--binaries", "x"]), "--binaries needs TARGET=DIR");
        assert_eq!(
            error(&["--binaries", "vax=x"]),
            "not a target of the release: vax"
        );
    }
}
