//! What is simulated: three services of AWS, and of each the operations that a user of connectors meets.

use serde::{Deserialize, Serialize};

/// A service, told by the target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Transfer,
    CloudTrail,
    Sqs,
}

impl Service {
    const ALL: [Self; 3] = [Self::Transfer, Self::CloudTrail, Self::Sqs];

    /// What may stand before the operation in `X-Amz-Target`. For CloudTrail some SDKs write the namespace and others,
    /// as that for Rust, the service's name alone.
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

    /// The media type of requests and answers: AWS JSON 1.1, and 1.0 for SQS.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Transfer | Self::CloudTrail => "application/x-amz-json-1.1",
            Self::Sqs => "application/x-amz-json-1.0",
        }
    }

    /// Its name in a credential scope, and before the colon of a permission.
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
        /// What the simulator can be asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Operation {
            $($(
                #[doc = concat!("`", stringify!($operation), "`.")]
                $operation,
            )+)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$($(Self::$operation),+),+];

            /// Its name in the API.
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
    Transfer: DescribeConnector ListConnectors ListFileTransferResults StartDirectoryListing StartFileTransfer
        StartRemoteDelete StartRemoteMove TestConnection;
    CloudTrail: LookupEvents;
    Sqs: DeleteMessage DeleteMessageBatch GetQueueAttributes GetQueueUrl ReceiveMessage SendMessage;
}

impl Operation {
    /// Reads the value of `X-Amz-Target`.
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
        for &operation in Operation::ALL {
            for prefix in operation.service().target_prefixes() {
                assert_eq!(
                    Operation::from_target(&format!("{prefix}{}", operation.as_str())),
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
            assert_eq!(Operation::from_target(bad), None, "{bad}");
        }
    }
}
