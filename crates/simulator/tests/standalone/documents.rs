//! The documentation agrees with the program.

use simulator::{ApiOperation, Scenario, shipped_scenarios};

use crate::support::{Running, program, repository};

const PAGE: &str = "docs/get-started/test-your-own-transfer-code.md";

fn page() -> String {
    std::fs::read_to_string(repository(PAGE)).unwrap()
}

#[test]
fn every_flag_command_and_scenario_is_documented() {
    let page = page();
    let help = program().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let words = help.split(|c: char| c.is_whitespace() || "[]=".contains(c));
    let flags =
        words.filter(|word| word.starts_with("--") && !["--help", "--version"].contains(word));
    let mut count = 0;
    for flag in flags {
        count += 1;
        assert!(
            page.contains(&format!("| `{flag}` |")),
            "{PAGE} lacks {flag}"
        );
    }
    assert!(count >= 8, "{help}");
    for variable in help.split("[env: ").skip(1) {
        let (name, _) = variable.split_once('=').unwrap();
        assert!(page.contains(&format!("`{name}`")), "{PAGE} lacks {name}");
    }
    for command in ["scenarios", "check", "healthcheck"] {
        assert!(
            page.contains(&format!("`transfer-simulator {command}")),
            "{command}"
        );
    }
    for name in shipped_scenarios() {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{PAGE} lacks {name}"
        );
    }
}

#[test]
fn the_documented_scenario_is_valid() {
    let page = page();
    let blocks: Vec<&str> = page.split("\n```yaml\n").skip(1).collect();
    assert_eq!(blocks.len(), 1);
    let (yaml, _) = blocks[0].split_once("\n```").unwrap();
    Scenario::from_yaml(PAGE, yaml.as_bytes()).unwrap();
}

#[test]
fn every_operation_of_transfer_family_is_documented() {
    let page = page();
    for operation in ApiOperation::ALL {
        let name = operation.as_str();
        let is_of_sqs = name.contains("Message") || name.contains("Queue");
        assert!(
            is_of_sqs || page.contains(&format!("`{name}`")),
            "{PAGE} lacks {name}"
        );
    }
}

#[test]
fn every_documented_request_is_accepted() {
    let page = page();
    let (_, section) = page.split_once("\n## Script the partner\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let simulator = Running::start(&[]);
    let rows = section.lines().filter_map(|row| {
        let parts: Vec<&str> = row.split('`').collect();
        let (method, route) = parts.get(1)?.split_once(' ')?;
        row.starts_with("| ")
            .then(|| (method, route.replace("ID", "c-0123456789abcdef0"), parts[3]))
    });
    let mut count = 0;
    for (method, route, body) in rows {
        count += 1;
        let (status, reason) = simulator.request(method, &format!("/_simulator/{route}"), body);
        assert_eq!(status, "204", "{method} {route} {body}: {reason}");
    }
    assert_eq!(count, 10);
}
