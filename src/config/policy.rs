//! The least IAM policies that a plan needs: the actions that it uses, on the narrowest resources that AWS takes.
//!
//! Which actions take a resource: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awstransferfamily.html>
//! and the pages beside it for SQS, CloudTrail and STS.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::plan::{AccountPlan, EventsPlan, Plan};

/// The policies of a plan by who is to have them: an account's name, for the principal that reads that account; and
/// `<name> (assumes the role)` for the one whose credentials assume that account's role.
pub fn policies(plan: &Plan) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for account in &plan.accounts {
        let statements = Statements { plan, account }.all();
        if !statements.is_empty() {
            all.insert(account.name.to_string(), document(&statements));
        }
        if let Some(role) = &account.assume_role {
            let statement = statement(
                "AssumeTransferReadRoles",
                &json!("sts:AssumeRole"),
                [role.role_arn.clone()],
            );
            all.insert(
                format!("{} (assumes the role)", account.name),
                document(&[statement]),
            );
        }
    }
    all
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn statement(sid: &str, action: &Value, resources: impl IntoIterator<Item = String>) -> Value {
    let resources: BTreeSet<_> = resources.into_iter().collect();
    json!({ "Sid": sid, "Effect": "Allow", "Action": action, "Resource": resources })
}

struct Statements<'a> {
    plan: &'a Plan,
    account: &'a AccountPlan,
}

impl Statements<'_> {
    fn all(&self) -> Vec<Value> {
        let discovery = &self.plan.discovery;
        let mut all = Vec::new();
        let read = self.read();
        if !read.is_empty() {
            all.push(statement(
                "ReadFileTransferResults",
                &json!("transfer:ListFileTransferResults"),
                read,
            ));
        }
        let listed: Vec<_> = discovery
            .connectors
            .iter()
            .filter(|of| of.account == self.account.name)
            .collect();
        if !listed.is_empty() {
            all.push(statement(
                "ListConnectors",
                &json!("transfer:ListConnectors"),
                ["*".to_owned()],
            ));
            let described = listed
                .iter()
                .flat_map(|source| self.included(&source.include));
            all.push(statement(
                "DescribeConnectors",
                &json!("transfer:DescribeConnector"),
                described,
            ));
        }
        if discovery
            .cloudtrail
            .iter()
            .any(|source| source.account == self.account.name)
        {
            all.push(statement(
                "LookUpStartedTransfers",
                &json!("cloudtrail:LookupEvents"),
                ["*".to_owned()],
            ));
        }
        let queues: Vec<_> = discovery
            .events
            .iter()
            .filter(|of| of.account == self.account.name)
            .collect();
        if !queues.is_empty() {
            let actions = json!([
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes"
            ]);
            all.push(statement(
                "ReceiveTransferEvents",
                &actions,
                queues.iter().map(|queue| self.queue(queue)),
            ));
        }
        all
    }

    /// The connectors whose results may be read.
    fn read(&self) -> BTreeSet<String> {
        let discovery = &self.plan.discovery;
        let mine = |account: &model::AccountName| *account == self.account.name;
        let mut read: BTreeSet<String> = self
            .plan
            .transfers
            .iter()
            .filter(|key| mine(&key.account))
            .map(|key| self.connector(key.connector.as_str()))
            .collect();
        // Whatever these may tell.
        for include in discovery
            .events
            .iter()
            .filter(|source| mine(&source.account))
            .map(|source| &source.include)
            .chain(
                discovery
                    .cloudtrail
                    .iter()
                    .filter(|source| mine(&source.account))
                    .map(|source| &source.include),
            )
        {
            read.extend(self.included(include));
        }
        if discovery
            .files
            .iter()
            .any(|files| files.account.as_ref().is_none_or(mine))
        {
            read.insert(self.connector("*"));
        }
        let all = self.connector("*");
        if read.contains(&all) {
            BTreeSet::from([all])
        } else {
            read
        }
    }

    /// IAM knows `*` and `?`, and no `[...]`.
    fn included(&self, globs: &[String]) -> BTreeSet<String> {
        if globs.is_empty()
            || globs
                .iter()
                .any(|glob| glob.contains(['[', ']']) || glob == "*" || glob == "c-*")
        {
            return BTreeSet::from([self.connector("*")]);
        }
        globs.iter().map(|glob| self.connector(glob)).collect()
    }

    fn connector(&self, id: &str) -> String {
        let region = self.account.region.as_deref().unwrap_or("*");
        format!(
            "arn:{}:transfer:{region}:{}:connector/{id}",
            self.partition(),
            self.number()
        )
    }

    fn queue(&self, source: &EventsPlan) -> String {
        let rest = source
            .queue_url
            .split_once("://")
            .map_or("", |(_, rest)| rest);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let labels: Vec<_> = host.split(['.', ':']).collect();
        let named = labels.windows(2).find_map(|pair| match pair {
            ["sqs" | "sqs-fips", region] | [region, "queue"] if region.contains('-') => {
                Some(*region)
            }
            _ => None,
        });
        let region = named.or(self.account.region.as_deref()).unwrap_or("*");
        let (number, name) = path
            .trim_end_matches('/')
            .split_once('/')
            .unwrap_or(("*", path));
        format!("arn:{}:sqs:{region}:{number}:{name}", self.partition())
    }

    /// From the Region (<https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html>), else the role.
    fn partition(&self) -> &str {
        let role = self
            .account
            .assume_role
            .as_ref()
            .and_then(|role| role.role_arn.split(':').nth(1));
        match self.account.region.as_deref() {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => role.unwrap_or("aws"),
        }
    }

    /// The AWS account's number, where the role or a queue tells it.
    fn number(&self) -> &str {
        let role = self
            .account
            .assume_role
            .as_ref()
            .and_then(|role| role.role_arn.split(':').nth(4));
        let queues = self
            .plan
            .discovery
            .events
            .iter()
            .filter(|source| source.account == self.account.name);
        let queue = queues.filter_map(|source| {
            let path = source.queue_url.split_once("://")?.1.split_once('/')?.1;
            path.split('/')
                .next()
                .filter(|number| number.len() == 12 && number.bytes().all(|b| b.is_ascii_digit()))
        });
        role.or_else(|| queue.into_iter().next()).unwrap_or("*")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigFile, Plan};
    use super::*;

    fn of(text: &str) -> BTreeMap<String, Value> {
        policies(&Plan::resolve(ConfigFile::read("t.yml", text, &|_| None)).unwrap())
    }

    fn file(name: &str) -> Value {
        let path = format!("{}/deploy/aws/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    const ROLE: &str = "accounts:\n  - name: prod\n    region: eu-central-1\n    assume_role:\n      role_arn: \
        arn:aws:iam::123456789012:role/transfer-read\n";
    const TRANSFERS: &str = "transfers:\n  - connector_id: c-0123456789abcdef1\n    transfer_id: a\n  - connector_id: \
        c-0123456789abcdef0\n    transfer_ids: [b, c]\n";

    #[test]
    fn the_policies_are_those_of_deploy_aws() {
        let made = of(&format!("{ROLE}{TRANSFERS}"));
        assert_eq!(made["prod"], file("policy.json"));
        assert_eq!(
            made["prod (assumes the role)"],
            file("policy-assume-role.json")
        );
        let made = of(&format!(
            "{ROLE}discovery:\n  cloudtrail:\n    - {{}}\n  connectors:\n    - include: [c-0123456789abcdef0, \
             c-0123456789abcdef1]\n  events:\n    - queue_url: \
             https://sqs.eu-central-1.amazonaws.com/123456789012/transfer-events\n"
        ));
        let statements: Vec<_> = made["prod"]["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .skip(1)
            .cloned()
            .collect();
        let expected = ["connectors", "cloudtrail", "queue"]
            .into_iter()
            .flat_map(|name| {
                file(&format!("policy-discovery-{name}.json"))["Statement"]
                    .as_array()
                    .unwrap()
                    .clone()
            });
        assert_eq!(statements, expected.collect::<Vec<_>>());
    }

    #[test]
    fn resources_are_as_narrow_as_the_configuration_tells() {
        let queue = "discovery:\n  events:\n    - queue_url: https://sqs.cn-north-1.amazonaws.com.cn/210987654321/q\n";
        for (says, text, arn) in [
            (
                "Nothing tells the number.",
                format!("accounts:\n  - name: a\n    region: us-gov-west-1\n{TRANSFERS}"),
                "arn:aws-us-gov:transfer:us-gov-west-1:*:connector/c-0123456789abcdef0",
            ),
            (
                "Nothing tells the Region.",
                TRANSFERS.to_owned(),
                "arn:aws:transfer:*:*:connector/c-0123456789abcdef0",
            ),
            (
                "The queue tells the number, and events any connector.",
                format!("accounts:\n  - name: a\n    region: cn-north-1\n{TRANSFERS}{queue}"),
                "arn:aws-cn:transfer:cn-north-1:210987654321:connector/*",
            ),
            (
                "Globs that IAM knows.",
                format!("{ROLE}discovery:\n  cloudtrail:\n    - include: [c-01*]\n"),
                "arn:aws:transfer:eu-central-1:123456789012:connector/c-01*",
            ),
            (
                "A glob that IAM does not know.",
                format!("{ROLE}discovery:\n  cloudtrail:\n    - include: ['c-[01]*']\n"),
                "arn:aws:transfer:eu-central-1:123456789012:connector/*",
            ),
        ] {
            let made = of(&text);
            let first = &made.values().next().unwrap()["Statement"][0];
            assert_eq!(first["Resource"][0], arn, "{says}");
        }
    }
}
