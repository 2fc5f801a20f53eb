//! The simulated services and their operations.

use serde::{Deserialize, Serialize};

/// An AWS service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Transfer,
    CloudTrail,
    Sqs,
}

impl Service {
    const ALL: [Self; 3] = [Self::Transfer, Self::CloudTrail, Self::Sqs];

    /// Returns the prefixes of `X-Amz-Target`. For CloudTrail, some SDKs send the namespace, others
    /// (such as the one for Rust) only the service name.
    fn target_prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Transfer => &["TransferService."],
            Self::CloudTrail => &[
                "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.",
                "CloudTrail_20131101.",
            ],
            Self::Sqs => &["AmazonSQS."],
        }
    }

    /// Returns the media type: AWS JSON 1.1, or 1.0 for SQS.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Transfer | Self::CloudTrail => "application/x-amz-json-1.1",
            Self::Sqs => "application/x-amz-json-1.0",
        }
    }

    /// Returns the name in a credential scope and in IAM actions.
    pub(crate) fn signing_name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::CloudTrail => "cloudtrail",
            Self::Sqs => "sqs",
        }
    }
}

macro_rules! operations {
    ($($service:ident: $($operation:ident)+;)+) => {
        /// A supported operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ApiOperation {
            $($(
                #[doc = concat!("`", stringify!($operation), "`.")]
                $operation,
            )+)+
        }

        impl ApiOperation {
            /// All operations.
            pub const ALL: &[Self] = &[$($(Self::$operation),+),+];

            /// Returns the name in the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$operation => stringify!($operation),)+)+
                }
            }

            pub(crate) fn service(self) -> Service {
                match self {
                    $($(Self::$operation)|+ => Service::$service,)+
                }
            }
        }
    };
}

operations! {
    Transfer: CreateConnector DeleteConnector DescribeConnector ListConnectors ListFileTransferResults
        StartDirectoryListing StartFileTransfer StartRemoteDelete StartRemoteMove TestConnection UpdateConnector;
    CloudTrail: LookupEvents;
    Sqs: DeleteMessage DeleteMessageBatch GetQueueAttributes GetQueueUrl ReceiveMessage SendMessage;
}

impl ApiOperation {
    /// Parses the value of `X-Amz-Target`.
    pub(crate) fn from_target(target: &str) -> Option<Self> {
        Service::ALL.into_iter().find_map(|service| {
            let name = service
                .target_prefixes()
                .iter()
                .find_map(|prefix| target.strip_prefix(prefix))?;
            Self::ALL
                .iter()
                .copied()
                .find(|operation| operation.service() == service && operation.as_str() == name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_the_service_and_one_of_its_operations() {
        for &operation in ApiOperation::ALL {
            for prefix in operation.service().target_prefixes() {
                assert_eq!(
                    ApiOperation::from_target(&format!("{prefix}{}", operation.as_str())),
                    Some(operation)
                );
            }
        }
        for bad in [
            "",
            "ListConnectors",
            "TransferService.",
            "TransferService.CreateServer",
            "TransferService.LookupEvents",
            "AmazonSQS.ListConnectors",
            "Other.ListConnectors",
        ] {
            assert_eq!(ApiOperation::from_target(bad), None, "{bad}");
        }
    }
}
