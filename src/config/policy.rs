//! The minimal IAM policies of a plan: the actions it uses, on the narrowest resources that AWS
//! supports.
//!
//! Which actions support resources:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awstransferfamily.html>
//! and the corresponding pages of SQS, CloudTrail and STS.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::partition;
use super::plan::{AccountPlan, EventsPlan, Plan};

/// Returns the policies of a plan by principal: the name of an account for the principal that reads
/// it, and `<name> (assumes the role)` for the principal that assumes the role of the account.
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
        let read = self.readable_connectors();
        if !read.is_empty() {
            all.push(statement(
                "ReadFileTransferResults",
                &json!("transfer:ListFileTransferResults"),
                read.clone(),
            ));
        }
        let tested = self.testable_connectors(read);
        if self.plan.probe.connection.is_some() && !tested.is_empty() {
            let actions = json!(["transfer:TestConnection", "transfer:DescribeConnector"]);
            all.push(statement("TestConnections", &actions, tested));
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

    /// Returns the connectors whose results are read.
    fn readable_connectors(&self) -> BTreeSet<String> {
        let discovery = &self.plan.discovery;
        let mine = |account: &model::AccountName| *account == self.account.name;
        let mut read: BTreeSet<String> = self
            .plan
            .transfers
            .iter()
            .filter(|key| mine(&key.account))
            .map(|key| self.connector(key.connector.as_str()))
            .collect();
        // Any connector that these sources may report.
        let events = discovery.events.iter();
        for include in events
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
        if read.is_empty() {
            // What else would it be configured for: the queue of another account has its events.
            let events = discovery.events.iter();
            read.extend(events.flat_map(|source| self.included(&source.include)));
        }
        self.without_repeats(read)
    }

    /// Returns the connectors whose connection may be tested: those that are read, listed or named.
    fn testable_connectors(&self, read: BTreeSet<String>) -> BTreeSet<String> {
        let mut tested = read;
        let lists = self.plan.discovery.connectors.iter();
        for source in lists.filter(|source| source.account == self.account.name) {
            tested.extend(self.included(&source.include));
        }
        let named = self.plan.connectors.keys();
        tested.extend(named.map(|id| self.connector(id.as_str())));
        self.without_repeats(tested)
    }

    /// Returns one ARN for all connectors if it is among them.
    fn without_repeats(&self, connectors: BTreeSet<String>) -> BTreeSet<String> {
        let all = self.connector("*");
        if connectors.contains(&all) {
            BTreeSet::from([all])
        } else {
            connectors
        }
    }

    /// Returns the ARNs for globs. IAM supports `*` and `?`, but not `[...]`.
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
            self.account_id()
        )
    }

    fn queue(&self, source: &EventsPlan) -> String {
        let (host, path) = split_url(&source.queue_url);
        let named = queue_region(host);
        let region = named.or(self.account.region.as_deref()).unwrap_or("*");
        let (number, name) = path
            .trim_end_matches('/')
            .split_once('/')
            .unwrap_or(("*", path));
        format!("arn:{}:sqs:{region}:{number}:{name}", self.partition())
    }

    /// Returns the partition of the Region, else of the role, else of a queue. An account is in one
    /// partition (<https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html>).
    fn partition(&self) -> &str {
        let role = self.account.assume_role.as_ref();
        let queues = self.plan.discovery.events.iter();
        let mut queues = queues.filter(|source| source.account == self.account.name);
        let region = self.account.region.as_deref().map(partition::of_region);
        region
            .or_else(|| role?.role_arn.split(':').nth(1))
            .or_else(|| {
                queues
                    .find_map(|source| queue_region(split_url(&source.queue_url).0))
                    .map(partition::of_region)
            })
            .unwrap_or("aws")
    }

    /// Returns the AWS account ID of the configuration, from the role or from a queue URL, else
    /// `*`.
    fn account_id(&self) -> &str {
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
        let known = self.account.known_account_id();
        known.or_else(|| queue.into_iter().next()).unwrap_or("*")
    }
}

/// Returns the host, with its port, and the path of a URL.
fn split_url(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

/// Returns the Region that the host of a queue's URL names.
fn queue_region(host: &str) -> Option<&str> {
    let labels: Vec<_> = host.split(['.', ':']).collect();
    labels.windows(2).find_map(|pair| match pair {
        ["sqs" | "sqs-fips", region] | [region, "queue"] if region.contains('-') => Some(*region),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigFile, Plan};
    use super::*;

    fn policies_of(text: &str) -> BTreeMap<String, Value> {
        policies(&Plan::resolve(ConfigFile::read("t.yml", text, &|_| None)).unwrap())
    }

    fn policy_file(name: &str) -> Value {
        let path = format!("{}/deploy/aws/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    const ROLE: &str = "accounts:\n  - name: prod\n    region: eu-central-1\n    assume_role:\n      role_arn: \
        arn:aws:iam::123456789012:role/transfer-read\n";
    const TRANSFERS: &str = "transfers:\n  - connector_id: c-0123456789abcdef1\n    transfer_id: a\n  - connector_id: \
        c-0123456789abcdef0\n    transfer_ids: [b, c]\n";

    #[test]
    fn policies_equal_those_in_deploy_aws() {
        let made = policies_of(&format!("{ROLE}{TRANSFERS}"));
        assert_eq!(made["prod"], policy_file("policy.json"));
        let probing = "probe: {connection: {enabled: true}}\n";
        let with_probes = &policies_of(&format!("{ROLE}{TRANSFERS}{probing}"))["prod"];
        assert_eq!(
            with_probes["Statement"][1],
            policy_file("policy-connections.json")["Statement"][0]
        );
        assert_eq!(
            made["prod (assumes the role)"],
            policy_file("policy-assume-role.json")
        );
        let made = policies_of(&format!(
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
                policy_file(&format!("policy-discovery-{name}.json"))["Statement"]
                    .as_array()
                    .unwrap()
                    .clone()
            })
            // The configuration does not name the dead-letter queue.
            .filter(|statement| statement["Sid"] != "CountDeadLetters");
        assert_eq!(statements, expected.collect::<Vec<_>>());
    }

    #[test]
    fn an_account_is_read_by_the_queue_of_another() {
        let text = "accounts:\n  - name: a\n    region: eu-central-1\n  - name: b\n    region: eu-west-1\n  - name: c\n    \
            region: eu-west-1\ntransfers:\n  - account: c\n    connector_id: c-0123456789abcdef0\n    transfer_id: t\n\
            discovery:\n  events:\n    - account: a\n      queue_url: \
            https://sqs.eu-central-1.amazonaws.com/123456789012/q\n      include: [c-01*]\n";
        let made = policies_of(text);
        let read = |account: &str| made[account]["Statement"][0]["Resource"].clone();
        assert_eq!(
            read("b"),
            json!(["arn:aws:transfer:eu-west-1:*:connector/c-01*"])
        );
        assert_eq!(
            read("c"),
            json!(["arn:aws:transfer:eu-west-1:*:connector/c-0123456789abcdef0"])
        );
    }

    #[test]
    fn listed_and_named_connectors_can_be_tested() {
        let text = format!(
            "{ROLE}{TRANSFERS}connectors:\n  - {{id: c-0123456789abcdef3, name: acme}}\nprobe: {{connection: {{enabled: true}}}}\n"
        );
        let tested = |text: &str| {
            let made = policies_of(text);
            let statements = made["prod"]["Statement"].as_array().unwrap();
            let of_tests = statements.iter().find(|it| it["Sid"] == "TestConnections");
            let arns = of_tests.unwrap()["Resource"].as_array().unwrap().clone();
            let id = |arn: &Value| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            arns.iter().map(id).collect::<Vec<_>>()
        };
        assert_eq!(
            tested(&text),
            [
                "c-0123456789abcdef0",
                "c-0123456789abcdef1",
                "c-0123456789abcdef3"
            ]
        );
        let listed = "discovery:\n  connectors:\n    - include: [c-02*]\n";
        assert!(tested(&format!("{text}{listed}")).contains(&"c-02*".to_owned()));
    }

    #[test]
    fn resources_are_as_narrow_as_the_configuration_allows() {
        let queue = "discovery:\n  events:\n    - queue_url: https://sqs.cn-north-1.amazonaws.com.cn/210987654321/q\n";
        for (case, text, arn) in [
            (
                "unknown account ID",
                format!("accounts:\n  - name: a\n    region: us-gov-west-1\n{TRANSFERS}"),
                "arn:aws-us-gov:transfer:us-gov-west-1:*:connector/c-0123456789abcdef0",
            ),
            (
                "partition of the European Sovereign Cloud",
                format!("accounts:\n  - name: a\n    region: eusc-de-east-1\n{TRANSFERS}"),
                "arn:aws-eusc:transfer:eusc-de-east-1:*:connector/c-0123456789abcdef0",
            ),
            (
                "partition and account ID from the queue",
                format!("{TRANSFERS}{queue}"),
                "arn:aws-cn:transfer:*:210987654321:connector/*",
            ),
            (
                "unknown Region",
                TRANSFERS.to_owned(),
                "arn:aws:transfer:*:*:connector/c-0123456789abcdef0",
            ),
            (
                "account ID from the queue, any connector from events",
                format!("accounts:\n  - name: a\n    region: cn-north-1\n{TRANSFERS}{queue}"),
                "arn:aws-cn:transfer:cn-north-1:210987654321:connector/*",
            ),
            (
                "glob supported by IAM",
                format!("{ROLE}discovery:\n  cloudtrail:\n    - include: [c-01*]\n"),
                "arn:aws:transfer:eu-central-1:123456789012:connector/c-01*",
            ),
            (
                "glob not supported by IAM",
                format!("{ROLE}discovery:\n  cloudtrail:\n    - include: ['c-[01]*']\n"),
                "arn:aws:transfer:eu-central-1:123456789012:connector/*",
            ),
        ] {
            let made = policies_of(&text);
            let first = &made.values().next().unwrap()["Statement"][0];
            assert_eq!(first["Resource"][0], arn, "{case}");
        }
    }
}
