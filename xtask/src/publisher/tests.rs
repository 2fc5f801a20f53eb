use super::{Publisher, check, places, texts};

fn acme() -> Publisher {
    Publisher::parse(
        "organisation = \"Acme-Ops\"\n\
         maintainer = \"Acme <transfer@acme.example>\"\n\
         runbooks = \"https://wiki.acme.example/runbooks\"\n",
    )
    .expect("the file is complete")
}

#[test]
fn every_place_agrees_with_the_file() {
    let publisher = Publisher::read().expect("the file is there");
    let mismatches: Vec<String> = check(&publisher)
        .expect("the repository is readable")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(mismatches, [""; 0], "`cargo xtask publisher --write`");
}

#[test]
fn writing_leaves_no_trace_of_the_former_publisher() {
    let former = Publisher::read().expect("the file is there");
    let (mut changed, mut left) = (0, Vec::new());
    for (path, text) in texts().expect("the repository is readable") {
        let written = places::write(&path, &text, &acme());
        changed += usize::from(written != text);
        assert_eq!(places::check(&path, &written, &acme()), [], "{path}");
        let repository = format!("{}/aws-transfer-exporter", former.organisation);
        // The chart also links to the page of the runbooks in the repository.
        let is_base = written.contains("/blob/main/docs/operate/runbooks.md")
            && !path.ends_with("/Chart.yaml");
        for (is_left, trace) in [
            (written.contains(&format!("com/{repository}")), &repository),
            (written.contains(&former.name), &former.name),
            (is_base, &former.runbooks),
        ] {
            if is_left {
                left.push(format!("{path}: {trace}"));
            }
        }
    }
    assert!(changed > 50, "only {changed} files were changed");
    assert_eq!(left, [""; 0], "no entry of `PLACES` finds these");
}

#[test]
fn a_place_with_another_value_is_reported_with_its_line() {
    let text = "first\nsee https://github.com/other/aws-transfer-exporter/issues\n";
    let found = places::check("docs/x.md", text, &acme());
    let reported: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(reported, ["docs/x.md:2: other instead of Acme-Ops"]);
}

#[test]
fn names_of_images_are_in_lower_case() {
    for program in ["aws-transfer-exporter", "transfer-simulator"] {
        let text = format!("ghcr.io/other/{program}:0.2.0");
        let written = places::write("docs/x.md", &text, &acme());
        assert_eq!(written, format!("ghcr.io/acme-ops/{program}:0.2.0"));
    }
}

#[test]
fn other_projects_are_left_alone() {
    let text = "https://github.com/prometheus/prometheus and ghcr.io/other/thing";
    assert_eq!(places::write("docs/x.md", text, &acme()), text);
}

#[test]
fn a_release_needs_the_repository_of_the_file_and_an_address() {
    let refused = |publisher: &Publisher, repository: &str| {
        publisher
            .check_release(repository)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(refused(&acme(), "acme-ops/aws-transfer-exporter"), None);
    assert_eq!(
        refused(&acme(), "fork/aws-transfer-exporter").as_deref(),
        Some(
            "deploy/publisher.toml has Acme-Ops/aws-transfer-exporter, the release is of \
             fork/aws-transfer-exporter"
        )
    );
    let mut nameless = acme();
    nameless.address = "maintainers@acme.invalid".to_owned();
    assert_eq!(
        refused(&nameless, "Acme-Ops/aws-transfer-exporter").as_deref(),
        Some("deploy/publisher.toml has no address of the maintainer: maintainers@acme.invalid")
    );
}

#[test]
fn an_incomplete_file_names_what_is_missing() {
    let error = |text| {
        Publisher::parse(text)
            .expect_err("it is incomplete")
            .to_string()
    };
    assert_eq!(error(""), "`maintainer = \"...\"` is missing");
    assert_eq!(
        error("maintainer = \"Acme\"\n"),
        "`maintainer` is not `NAME <ADDRESS>`"
    );
}
