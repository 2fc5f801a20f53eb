//! Flags of sharding.

use clap::{Args, CommandFactory};

use super::Cli;
use crate::app::Sharding;
use model::Shard;

#[derive(Debug, Args)]
#[command(next_help_heading = "Sharding")]
pub(super) struct ShardFlags {
    /// Index of this exporter among --shard.total, from 0. `from-hostname` uses the number at the
    /// end of the host name, as in the pods of a StatefulSet. `auto` shares all shards evenly with the
    /// other exporters of --storage.url.
    #[arg(
        long = "shard.index",
        value_name = "NUMBER",
        default_value = "0",
        global = true,
        value_parser = shard_index
    )]
    index: ShardIndex,
    /// Number of exporters that share the transfers, each with its own --shard.index.
    #[arg(
        long = "shard.total",
        value_name = "NUMBER",
        default_value_t = 1,
        global = true,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(Shard::MAX))
    )]
    total: u32,
}

/// Value of `--shard.index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShardIndex {
    Number(u32),
    FromHostname,
    Auto,
}

impl ShardFlags {
    /// Returns the shards.
    ///
    /// # Errors
    /// As [`ShardFlags::shard`], or they are to be shared and the storage is not.
    pub(super) fn sharding(&self, is_storage_shared: bool) -> Result<Sharding, clap::Error> {
        match self.index {
            ShardIndex::Auto if is_storage_shared => Ok(Sharding::Automatic { total: self.total }),
            ShardIndex::Auto => Err(usage(
                "--shard.index=auto needs --storage.url, by which the exporters share the shards"
                    .to_owned(),
            )),
            ShardIndex::Number(_) | ShardIndex::FromHostname => self.shard().map(Into::into),
        }
    }

    /// Returns the shard.
    ///
    /// # Errors
    /// The index is not below the total, or the host name does not end with a number, or no single shard
    /// is named. These are usage errors.
    pub(super) fn shard(&self) -> Result<Shard, clap::Error> {
        let index = match self.index {
            ShardIndex::Auto => {
                return Err(usage(
                    "--shard.index=auto names no shard: pass the number of one".to_owned(),
                ));
            }
            ShardIndex::Number(index) => index,
            ShardIndex::FromHostname => {
                let name = hostname();
                ordinal(&name).ok_or_else(|| {
                    usage(format!(
                        "--shard.index=from-hostname: host name `{name}` does not end with `-` \
                         and a number"
                    ))
                })?
            }
        };
        Shard::new(index, self.total).map_err(|error| {
            usage(format!(
                "--shard.index={index} --shard.total={}: {error}",
                self.total
            ))
        })
    }
}

fn usage(message: String) -> clap::Error {
    Cli::command().error(clap::error::ErrorKind::ValueValidation, message)
}

fn shard_index(text: &str) -> Result<ShardIndex, String> {
    match text {
        "auto" => return Ok(ShardIndex::Auto),
        "from-hostname" => return Ok(ShardIndex::FromHostname),
        _ => {}
    }
    text.parse()
        .map(ShardIndex::Number)
        .map_err(|_| "expected a number from 0, `from-hostname` or `auto`".to_owned())
}

/// Returns the kernel's host name. In a pod it is the pod's name.
pub(super) fn hostname() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    kernel
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Returns the number after the last `-`, as in the pod names of a stateful set.
fn ordinal(hostname: &str) -> Option<u32> {
    let (_, ordinal) = hostname.split('.').next()?.rsplit_once('-')?;
    ordinal
        .parse()
        .ok()
        .filter(|_| ordinal.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_index_is_a_number_or_from_hostname_or_auto() {
        assert_eq!(shard_index("2"), Ok(ShardIndex::Number(2)));
        assert_eq!(shard_index("auto"), Ok(ShardIndex::Auto));
        assert_eq!(shard_index("from-hostname"), Ok(ShardIndex::FromHostname));
        for bad in ["", "-1", "1.5", "x", "hostname"] {
            assert!(shard_index(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ordinal_is_the_number_after_the_last_dash() {
        for (name, expected) in [
            ("exporter-0", Some(0)),
            ("aws-transfer-exporter-12", Some(12)),
            ("a-3.headless.ns.svc", Some(3)),
        ] {
            assert_eq!(ordinal(name), expected, "{name}");
        }
        for bad in [
            "",
            "exporter",
            "exporter-",
            "exporter-1a",
            "exporter-+1",
            "exporter0",
        ] {
            assert_eq!(ordinal(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_index_beyond_the_total_is_a_usage_error() {
        let shard = |index, total| {
            ShardFlags {
                index: ShardIndex::Number(index),
                total,
            }
            .shard()
        };
        assert_eq!(shard(1, 2).unwrap(), Shard::new(1, 2).unwrap());
        assert_eq!(shard(2, 2).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn automatic_shards_need_shared_storage() {
        let flags = ShardFlags {
            index: ShardIndex::Auto,
            total: 5,
        };
        let shared = flags.sharding(true).unwrap();
        assert_eq!(shared, Sharding::Automatic { total: 5 });
        assert_eq!(flags.sharding(false).unwrap_err().exit_code(), 2);
        assert_eq!(flags.shard().unwrap_err().exit_code(), 2);
    }
}
