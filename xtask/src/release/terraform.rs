//! The Terraform module in the registry's layout: the root module at the top, the others below
//! `modules`, and `examples`. The registry reads it from a repository `terraform-aws-transfer-exporter`.

use std::path::Path;

use anyhow::{Context, ensure};

use super::Release;
use super::report::Made;
use super::tools::{command, need};
use crate::{output, root, run};

const SOURCE: &str = "deploy/aws/terraform";
const NAME: &str = "terraform-aws-transfer-exporter";
/// Modules beside the root module.
const MODULES: [&str; 4] = ["discovery", "documents", "ecs", "shared-storage"];

/// Packs the module.
///
/// # Errors
/// A module refers to a place that the layout does not have.
pub(super) fn module(release: &Release) -> anyhow::Result<Made> {
    let folder = release.work.join(NAME);
    let tracked = output(command("git").args(["ls-files", SOURCE]))?;
    for path in tracked.lines() {
        let text = std::fs::read_to_string(Path::new(root()).join(path))?;
        let place = path.trim_start_matches(SOURCE).trim_start_matches('/');
        let (place, text) = laid_out(place, &text, &documents(release));
        write(&folder.join(place), &text)?;
    }
    write(
        &folder.join("LICENSE"),
        &std::fs::read_to_string(Path::new(root()).join("LICENSE"))?,
    )?;
    let path = release
        .folder
        .join(format!("{NAME}-{}.tar.gz", release.version));
    run(command("tar")
        .arg("-czf")
        .arg(&path)
        .arg("-C")
        .arg(&release.work)
        .arg(NAME))?;
    for file in [
        "README.md",
        "LICENSE",
        "main.tf",
        "variables.tf",
        "outputs.tf",
    ] {
        ensure!(folder.join(file).exists(), "the registry requires {file}");
    }
    Made::new(
        path,
        format!("registry's layout, {} modules", MODULES.len() + 1),
    )
    .and(resolve(&folder))
}

/// Where links out of the module lead.
fn documents(release: &Release) -> String {
    format!(
        "{}/blob/v{}",
        release.publisher.repository(),
        release.version
    )
}

/// Returns the place of a file in the layout, and its text there.
fn laid_out(place: &str, text: &str, documents: &str) -> (String, String) {
    let first = place.split('/').next().unwrap_or_default();
    let is_module = MODULES.contains(&first);
    let mut text = text
        .replace("](../../../../", &format!("]({documents}/"))
        .replace("](../../../", &format!("]({documents}/"));
    if is_module {
        text = text.replace("](../examples/", "](../../examples/");
    } else {
        for module in MODULES {
            // From the root, and from an example.
            text = text
                .replace(
                    &format!("\"./{module}\""),
                    &format!("\"./modules/{module}\""),
                )
                .replace(
                    &format!("\"../../{module}\""),
                    &format!("\"../../modules/{module}\""),
                )
                .replace(&format!("]({module}"), &format!("](modules/{module}"));
        }
    }
    let place = if is_module {
        format!("modules/{place}")
    } else {
        place.to_owned()
    };
    (place, text)
}

/// Resolves every module with Terraform, and validates the one that needs no provider.
fn resolve(folder: &Path) -> anyhow::Result<String> {
    need("terraform", "hashicorp/terraform")?;
    let terraform = |place: &Path, arguments: &[&str]| {
        output(
            command("terraform")
                .arg(format!("-chdir={}", place.display()))
                .args(arguments),
        )
        .with_context(|| format!("in {}", place.display()))
    };
    let unformatted = terraform(folder, &["fmt", "-check", "-recursive"])?;
    ensure!(unformatted.is_empty(), "not formatted: {unformatted}");
    let mut roots = vec![folder.to_path_buf()];
    for example in std::fs::read_dir(folder.join("examples"))? {
        roots.push(example?.path());
    }
    for place in &roots {
        terraform(place, &["get"])?;
    }
    let documents = folder.join("modules/documents");
    terraform(&documents, &["init", "-backend=false", "-input=false"])?;
    terraform(&documents, &["validate"])?;
    Ok(format!(
        "terraform finds the modules of {} examples",
        roots.len() - 1
    ))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::laid_out;

    #[test]
    fn modules_move_below_modules_and_references_follow() {
        let laid_out = |place, text| laid_out(place, text, "https://x.example/blob/v1");
        let expected = |place: &str, text: &str| (place.to_owned(), text.to_owned());
        assert_eq!(
            laid_out("main.tf", "source = \"./documents\""),
            expected("main.tf", "source = \"./modules/documents\"")
        );
        assert_eq!(
            laid_out("discovery/main.tf", "source = \"./documents\""),
            expected("modules/discovery/main.tf", "source = \"./documents\"")
        );
        assert_eq!(
            laid_out(
                "examples/ecs/main.tf",
                "source = \"../../ecs\"\nsource = \"../..\""
            ),
            expected(
                "examples/ecs/main.tf",
                "source = \"../../modules/ecs\"\nsource = \"../..\""
            )
        );
        assert_eq!(
            laid_out(
                "README.md",
                "[a](ecs/README.md) [b](../../../docs/x.md) [c](examples/ecs)"
            ),
            expected(
                "README.md",
                "[a](modules/ecs/README.md) [b](https://x.example/blob/v1/docs/x.md) [c](examples/ecs)"
            )
        );
        assert_eq!(
            laid_out(
                "ecs/README.md",
                "[a](../examples/ecs) [b](../discovery/README.md)"
            ),
            expected(
                "modules/ecs/README.md",
                "[a](../../examples/ecs) [b](../discovery/README.md)"
            )
        );
    }
}
