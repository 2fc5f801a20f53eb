//! Target files in a temporary folder, in paused time.

use std::fs;
use std::os::unix::fs::symlink;
use std::pin::Pin;

use super::*;
use crate::discovery::SinkError;
use crate::metrics::self_metrics::SelfMetrics;
use crate::tracker::Ingested;
use model::{ConnectorId, Fact, ListedConnectors};

/// Keeps the sets that it received: the transfers in order, and whether the set was complete.
#[derive(Default)]
struct FakeSink(Mutex<Vec<(Vec<String>, bool)>>);

impl Sink for FakeSink {
    fn ingest(&self, _: &[Fact], _: Origin) -> Vec<Ingested> {
        Vec::new()
    }

    fn replace_transfers(&self, _: Origin, transfers: BTreeSet<TransferKey>, complete: bool) {
        let names = transfers.iter().map(|key| key.transfer.to_string());
        self.0.lock().unwrap().push((names.collect(), complete));
    }

    fn set_connectors(&self, _: &AccountName, _: &ListedConnectors, _: bool) {}

    fn exclude_connectors(&self, _: &AccountName, _: &BTreeSet<ConnectorId>) {}

    fn persist(&self) -> Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + '_>> {
        Box::pin(async { Ok(()) })
    }
}

/// Target files of one or several sources, each a folder that is read every 10 s.
struct Rig {
    folder: tempfile::TempDir,
    sink: Arc<FakeSink>,
    metrics: Arc<DiscoveryMetrics>,
    files: Arc<Files>,
}

const INTERVAL: Duration = Duration::from_secs(10);

impl Rig {
    fn new(folders: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plan = |name: &&str| {
            fs::create_dir(folder.path().join(name)).unwrap();
            FilesPlan {
                account: Some(AccountName::new("prod")),
                paths: vec![folder.path().join(name).join("*.yml").display().to_string()],
                refresh_interval: INTERVAL,
            }
        };
        let plans: Vec<_> = folders.iter().map(plan).collect();
        let accounts = [AccountPlan {
            name: AccountName::new("prod"),
            ..AccountPlan::default()
        }];
        let clock: Arc<dyn Clock> = Arc::new(|| Now {
            instant: tokio::time::Instant::now().into_std(),
            wall: std::time::SystemTime::UNIX_EPOCH,
        });
        let (sink, metrics) = (
            Arc::new(FakeSink::default()),
            SelfMetrics::new().unwrap().discovery,
        );
        let files = Files::new(
            &plans,
            &accounts,
            &BTreeMap::new(),
            Arc::new(LocalFileSystem),
            Arc::clone(&sink) as Arc<dyn Sink>,
            &metrics,
            clock,
        );
        Self {
            folder,
            sink,
            metrics,
            files: Arc::new(files),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, transfers: &[&str]) {
        fs::write(self.path(name), list_of(transfers)).unwrap();
    }

    /// Starts the sources, once their files were read as at the start of the exporter.
    async fn start(&self) {
        self.files.read_all().await;
        tokio::spawn(Arc::clone(&self.files).run());
    }

    /// Waits for one cycle, with both reads and what follows them.
    async fn cycle(&self) {
        tokio::time::sleep(INTERVAL + 2 * SETTLE_TIME).await;
    }

    /// Returns the latest set that the sink received.
    fn latest(&self) -> (Vec<String>, bool) {
        self.sink.0.lock().unwrap().last().cloned().unwrap()
    }

    fn received(&self) -> usize {
        self.sink.0.lock().unwrap().len()
    }

    /// Returns whether the last poll of each source succeeded.
    fn up(&self) -> Vec<bool> {
        self.metrics.last_polls().into_values().collect()
    }
}

fn list_of(transfers: &[&str]) -> String {
    format!(
        "- {{connector_id: c-0123456789abcdef0, transfer_ids: [{}]}}\n",
        transfers.join(", ")
    )
}

fn set(transfers: &[&str], complete: bool) -> (Vec<String>, bool) {
    let transfers = transfers.iter().map(ToString::to_string);
    (transfers.collect(), complete)
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_file_is_applied_once() {
    let rig = Rig::new(&["a"]);
    rig.write("a/x.yml", &["t1", "t2"]);
    rig.start().await;
    assert_eq!(rig.latest(), set(&["t1", "t2"], true));
    rig.cycle().await;
    rig.cycle().await;
    assert_eq!((rig.received(), rig.up()), (1, vec![true]));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_outlives_its_plan_has_no_effect() {
    let rig = Rig::new(&["a"]);
    rig.write("a/x.yml", &["t1"]);
    let files = Arc::clone(&rig.files);
    let reading = tokio::spawn(async move { files.read_all().await });
    tokio::time::sleep(FIRST_PAUSE / 2).await;
    rig.files.retire();
    reading.await.unwrap();
    assert_eq!((rig.received(), rig.up()), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_applied_after_two_reads_alike() {
    let rig = Rig::new(&["a"]);
    rig.write("a/x.yml", &["t1", "t2"]);
    rig.start().await;
    tokio::time::sleep(INTERVAL / 2).await;
    // The first half of a file, until after the next read.
    rig.write("a/x.yml", &["t2"]);
    tokio::time::sleep(INTERVAL / 2 + SETTLE_TIME / 2).await;
    rig.write("a/x.yml", &["t1", "t2", "t3"]);
    tokio::time::sleep(SETTLE_TIME).await;
    assert_eq!((rig.received(), rig.up()), (1, vec![true]));
    rig.cycle().await;
    assert_eq!(
        (rig.latest(), rig.received()),
        (set(&["t1", "t2", "t3"], true), 2)
    );
    rig.write("a/x.yml", &["t3"]);
    rig.cycle().await;
    assert_eq!(rig.latest(), set(&["t3"], true), "a valid list removes");
    fs::write(rig.path("a/x.yml"), "[]").unwrap();
    rig.cycle().await;
    assert_eq!(rig.latest(), set(&[], true), "so does an empty one");
}

#[tokio::test(start_paused = true)]
async fn at_the_start_a_file_is_read_until_two_reads_are_alike() {
    let rig = Rig::new(&["a"]);
    rig.write("a/x.yml", &["t1"]);
    let files = Arc::clone(&rig.files);
    let reading = tokio::spawn(async move { files.read_all().await });
    tokio::time::sleep(FIRST_PAUSE / 2).await;
    rig.write("a/x.yml", &["t1", "t2"]);
    reading.await.unwrap();
    assert_eq!(
        (rig.latest(), rig.received()),
        (set(&["t1", "t2"], true), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn faulty_files_keep_their_transfers() {
    let rig = Rig::new(&["a"]);
    rig.write("a/x.yml", &["t1"]);
    rig.write("a/y.yml", &["t2"]);
    rig.start().await;
    let faults: [&dyn Fn(&Path); 5] = [
        &|path| fs::write(path, "").unwrap(),
        &|path| fs::write(path, "- connector_id: c-1\n").unwrap(),
        &|path| fs::write(path, [0xff, 0xfe]).unwrap(),
        &|path| fs::write(path, "- [").unwrap(),
        &|path| {
            fs::remove_file(path).unwrap();
            symlink(path, path).unwrap();
        },
    ];
    for damage in faults {
        damage(&rig.path("a/x.yml"));
        rig.write("a/y.yml", &["t2", "t3"]);
        rig.cycle().await;
        rig.cycle().await;
        assert_eq!(rig.up(), [false]);
        assert_eq!(rig.latest(), set(&["t1", "t2", "t3"], true));
    }
    fs::remove_file(rig.path("a/x.yml")).unwrap();
    rig.write("a/x.yml", &["t4"]);
    rig.cycle().await;
    assert_eq!(
        (rig.latest(), rig.up()),
        (set(&["t2", "t3", "t4"], true), vec![true])
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_is_gone_if_its_folder_was_listed_without_it() {
    let rig = Rig::new(&["a"]);
    rig.write("a/x.yml", &["t1"]);
    rig.write("a/y.yml", &["t2"]);
    rig.start().await;
    fs::remove_file(rig.path("a/x.yml")).unwrap();
    rig.cycle().await;
    assert_eq!((rig.latest(), rig.up()), (set(&["t2"], true), vec![true]));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_absent_for_a_moment_is_not_gone() {
    let rig = Rig::new(&["a"]);
    rig.write("a/x.yml", &["t1"]);
    rig.start().await;
    fs::rename(rig.path("a/x.yml"), rig.path("x")).unwrap();
    tokio::time::sleep(INTERVAL + SETTLE_TIME / 2).await;
    fs::rename(rig.path("x"), rig.path("a/x.yml")).unwrap();
    rig.cycle().await;
    assert_eq!((rig.received(), rig.up()), (1, vec![true]));
}

/// Two reads of a changed file differed, so that nothing of it was judged; then it is removed.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_removed_after_reads_that_differed_is_gone() {
    let rig = Rig::new(&["a"]);
    rig.write("a/1.yml", &["t-1"]);
    rig.start().await;
    rig.write("a/1.yml", &["t-2"]);
    tokio::time::sleep(INTERVAL + SETTLE_TIME / 2).await;
    rig.write("a/1.yml", &["t-3"]);
    tokio::time::sleep(SETTLE_TIME).await;
    assert_eq!(rig.latest(), set(&["t-1"], true), "not judged");
    fs::remove_file(rig.path("a/1.yml")).unwrap();
    rig.cycle().await;
    assert_eq!(rig.latest(), set(&[], true));
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_listed_keeps_its_files() {
    let rig = Rig::new(&["a", "b"]);
    rig.write("a/x.yml", &["t1"]);
    rig.write("b/x.yml", &["t2"]);
    rig.start().await;
    let folder = rig.path("a");
    let faults: [&dyn Fn(); 3] = [&|| {}, &|| fs::write(&folder, "").unwrap(), &|| {
        symlink(&folder, &folder).unwrap();
    }];
    for damage in faults {
        fs::rename(&folder, rig.path("moved")).unwrap();
        damage();
        rig.write("b/x.yml", &["t2", "t3"]);
        rig.cycle().await;
        rig.cycle().await;
        assert_eq!(
            (rig.latest(), rig.up()),
            (set(&["t1", "t2", "t3"], true), vec![false, true])
        );
        let _ = fs::remove_file(&folder);
        fs::rename(rig.path("moved"), &folder).unwrap();
        rig.cycle().await;
        assert_eq!(rig.up(), [true, true]);
    }
    assert_eq!(rig.latest(), set(&["t1", "t2", "t3"], true));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_until_every_file_was_read() {
    let rig = Rig::new(&["a", "b"]);
    rig.write("a/x.yml", &["t1"]);
    fs::write(rig.path("b/x.yml"), "").unwrap();
    rig.start().await;
    assert_eq!(
        (rig.latest(), rig.up()),
        (set(&["t1"], false), vec![true, false])
    );
    fs::write(rig.path("b/x.yml"), "[]").unwrap();
    rig.cycle().await;
    assert_eq!(
        (rig.latest(), rig.up()),
        (set(&["t1"], true), vec![true, true])
    );
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_missing_at_the_start_removes_nothing() {
    let rig = Rig::new(&["a"]);
    fs::remove_dir(rig.path("a")).unwrap();
    rig.start().await;
    assert_eq!((rig.latest(), rig.up()), (set(&[], false), vec![false]));
    fs::create_dir(rig.path("a")).unwrap();
    rig.cycle().await;
    assert_eq!((rig.latest(), rig.up()), (set(&[], true), vec![true]));
}
