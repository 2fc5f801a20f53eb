//! `storage`: creates the table that several processes share, and copies state.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{Exit, shard};
use crate::store::dynamodb::{self, SharedTable, TableUrl, TableUrlError};
use crate::store::local::LocalStore;
use crate::store::{Acquisition, LeasedStore, OnThreads, Store, Unobserved};
use crate::tracker::persist::{PendingWrites, SavedState};
use model::{Shard, counted};

/// For how long a copy holds the lease of a table, unless it renews it.
const LEASE_DURATION: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct StorageArgs {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Create the table that --storage.url names, unless it exists.
    Init,
    /// Copy the state of a shard to a storage that has none.
    ///
    /// No exporter may use either of them meanwhile. The state stays where it was.
    Copy {
        /// Directory of --storage.path, or URL of --storage.url.
        #[arg(value_name = "FROM")]
        from: Place,
        /// The same, of the storage that gets the state.
        #[arg(value_name = "TO")]
        to: Place,
    },
}

/// Where state is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    Table(TableUrl),
}

impl FromStr for Place {
    type Err = TableUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            text.parse().map(Self::Table)
        } else {
            Ok(Self::Directory(text.into()))
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Table(url) => url.fmt(f),
        }
    }
}

pub(super) async fn run(
    args: StorageArgs,
    url: Option<&TableUrl>,
    shard: Shard,
) -> anyhow::Result<Exit> {
    match args.command {
        StorageCommand::Init => init(url).await,
        StorageCommand::Copy { from, to } => copy(&from, &to, shard).await,
    }
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
async fn init(url: Option<&TableUrl>) -> anyhow::Result<Exit> {
    let Some(url) = url else {
        bail!("no table to create\n  hint: name it, such as --storage.url=dynamodb://TABLE");
    };
    if dynamodb::create_table(url).await? {
        println!("created the table `{}`", url.table);
    } else {
        println!("the table `{}` exists and can be used", url.table);
    }
    Ok(Exit::Done)
}

/// An open storage, which nothing else uses.
enum Open {
    Directory(OnThreads<LocalStore>),
    Table(Box<dyn LeasedStore>),
}

impl Open {
    async fn new(place: &Place, shard: Shard) -> anyhow::Result<Self> {
        let url = match place {
            Place::Directory(path) => {
                let path = path.clone();
                let open = tokio::task::spawn_blocking(move || LocalStore::open(&path));
                let store = open.await.context("failed to open the storage")??;
                return Ok(Self::Directory(OnThreads(Arc::new(store))));
            }
            Place::Table(url) => url,
        };
        let table = SharedTable::connect(url, process_name(), LEASE_DURATION);
        let table = Box::pin(table).await?;
        let store = table.state(shard, usize::MAX, Arc::new(Unobserved));
        match store.acquire().await? {
            Acquisition::Acquired { .. } => Ok(Self::Table(Box::new(store))),
            Acquisition::HeldBy { owner, .. } => bail!(
                "the table `{}` is in use: `{owner}` owns shard {}\n  hint: stop the exporters that \
                 use it, and wait for the time of their lease",
                url.table,
                shard.index()
            ),
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::Directory(store) => store,
            Self::Table(store) => store.as_ref(),
        }
    }

    async fn close(self) {
        if let Self::Table(store) = self {
            store.release().await;
        }
    }
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
async fn copy(from: &Place, to: &Place, shard: Shard) -> anyhow::Result<Exit> {
    if from == to {
        bail!("FROM and TO are the same: {from}");
    }
    if let Place::Directory(path) = from
        && !path.join(crate::store::local::FILE_NAME).exists()
    {
        bail!("no state in {from}\n  hint: name the directory of --storage.path");
    }
    let source = Open::new(from, shard).await?;
    let target = match Open::new(to, shard).await {
        Ok(target) => target,
        Err(error) => {
            source.close().await;
            return Err(error);
        }
    };
    let copied = copy_records(source.store(), target.store(), to).await;
    source.close().await;
    target.close().await;
    let (transfers, connectors) = copied?;
    println!(
        "copied {} and {} from {from} to {to}",
        counted(transfers, "transfer"),
        counted(connectors, "connector")
    );
    Ok(Exit::Done)
}

/// Copies all records. Returns the number of transfers and connectors.
async fn copy_records(
    from: &dyn Store,
    to: &dyn Store,
    name: &Place,
) -> anyhow::Result<(usize, usize)> {
    let is_empty = |saved: &SavedState| PendingWrites::from(saved.clone()).is_empty();
    if !is_empty(&to.load().await?) {
        bail!(
            "{name} has state already\n  hint: copy to a new directory, or to another table or `prefix`"
        );
    }
    let saved = from.load().await?;
    let numbers = (saved.transfers.len(), saved.connectors.len());
    to.save(Arc::new(saved.into())).await?;
    Ok(numbers)
}

/// Returns a name for this process that no other has.
pub(super) fn process_name() -> String {
    let since_boot = dynamodb::boot_clock()().as_nanos();
    format!(
        "{}-{}-{since_boot:x}",
        shard::hostname(),
        std::process::id()
    )
}
