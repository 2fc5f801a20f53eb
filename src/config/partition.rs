//! Partitions of AWS: which Regions they have, and how their names end.
//!
//! The table follows the partition data of the AWS SDKs, `partitions.json`, which also covers Regions
//! that do not exist yet. A test compares it with the endpoints of the SDK, and one in
//! `tests/deploy/aws` with botocore.

/// A partition.
#[derive(Debug, PartialEq, Eq)]
struct Partition {
    id: &'static str,
    /// The start of its Regions, up to the first part that varies.
    regions: &'static str,
}

/// All partitions but `aws`, which has every other Region.
const PARTITIONS: [Partition; 7] = [
    Partition {
        id: "aws-cn",
        regions: "cn-",
    },
    Partition {
        id: "aws-us-gov",
        regions: "us-gov-",
    },
    Partition {
        id: "aws-eusc",
        regions: "eusc-",
    },
    Partition {
        id: "aws-iso",
        regions: "us-iso-",
    },
    Partition {
        id: "aws-iso-b",
        regions: "us-isob-",
    },
    Partition {
        id: "aws-iso-e",
        regions: "eu-isoe-",
    },
    Partition {
        id: "aws-iso-f",
        regions: "us-isof-",
    },
];

/// Returns the partition of a Region, as ARNs spell it.
pub(super) fn of_region(region: &str) -> &'static str {
    PARTITIONS
        .iter()
        .find(|partition| region.starts_with(partition.regions))
        .map_or("aws", |partition| partition.id)
}

#[cfg(test)]
mod tests {
    use aws_sdk_transfer::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    use super::*;

    /// The domain of each partition's endpoints, as AWS documents it.
    const DOMAINS: [(&str, &str); 8] = [
        ("aws", "amazonaws.com"),
        ("aws-us-gov", "amazonaws.com"),
        ("aws-cn", "amazonaws.com.cn"),
        ("aws-eusc", "amazonaws.eu"),
        ("aws-iso", "c2s.ic.gov"),
        ("aws-iso-b", "sc2s.sgov.gov"),
        ("aws-iso-e", "cloud.adc-e.uk"),
        ("aws-iso-f", "csp.hci.ic.gov"),
    ];

    #[tokio::test]
    async fn each_region_is_in_the_partition_whose_domain_the_sdk_uses() {
        for region in [
            "eu-central-1",
            "us-east-1",
            "il-central-1",
            "mx-central-1",
            "ap-southeast-7",
            "us-gov-east-1",
            "us-gov-west-1",
            "cn-north-1",
            "cn-northwest-1",
            "eusc-de-east-1",
            "us-iso-east-1",
            "us-iso-west-1",
            "us-isob-east-1",
            "us-isob-west-1",
            "eu-isoe-west-1",
            "us-isof-east-1",
            "us-isof-south-1",
        ] {
            let params = Params::builder().region(region).build().unwrap();
            let endpoint = DefaultResolver::new()
                .resolve_endpoint(&params)
                .await
                .unwrap();
            let domain = DOMAINS
                .iter()
                .find(|(partition, _)| *partition == of_region(region));
            let (_, domain) = domain.unwrap();
            assert_eq!(
                endpoint.url(),
                format!("https://transfer.{region}.{domain}")
            );
        }
    }
}
