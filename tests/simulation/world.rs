//! The state that outlives a process: AWS, the queues, the store, the operators' configuration, the
//! clocks, and the oracle that observes all of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::{
    Clock, ConnectorId, FailureCode, FileResult, FileStatus, Finished, Now, Shard, TransferId,
};
use tokio::sync::Notify;

use crate::oracle::Oracle;
use crate::peers::Peers;
use crate::plan::{
    ApiFault, FileScript, Ms, QUEUES, Restart, Scenario, Stop, StoreFault, TransferScript, clock,
};
use crate::store::Stored;
use crate::targets::TargetFile;

/// Seconds from the epoch to the beginning of the world.
pub(crate) const EPOCH: u64 = 1_790_000_000;

pub(crate) const REGION: &str = "eu-central-1";
const CODES: [&str; 3] = ["CONNECTION_ERROR", "TIMEOUT_ERROR", "WRITE_FILE_ERROR"];

/// A promise that the exporter broke.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// The promise; the shrinker keeps it.
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
}

pub(crate) struct World {
    state: Mutex<State>,
    /// Notified when the process is to be killed or the run is to stop.
    pub(crate) stop: Notify,
    /// The monotonic clock at the beginning of the world.
    instant: Instant,
}

pub(crate) struct State {
    pub(crate) scenario: Arc<Scenario>,
    /// When the present process started, on the clock of the world and on Tokio's.
    base: Ms,
    origin: Option<tokio::time::Instant>,
    /// Number of the present process; the ports of earlier ones never answer.
    pub(crate) life: u64,
    wall_steps: i64,
    pub(crate) plan: PlanState,
    /// Account, fault, from, until.
    pub(crate) api_faults: Vec<(usize, ApiFault, Ms, Ms)>,
    pub(crate) trail_fault: Ms,
    pub(crate) queue_faults: [bool; QUEUES],
    pub(crate) store_fault: Option<(StoreFault, Ms)>,
    pub(crate) messages: Vec<MessageState>,
    pub(crate) receipts: u64,
    /// The target file of each account.
    pub(crate) targets: Vec<TargetFile>,
    pub(crate) stored: Stored,
    /// A restart that waits for its moment.
    pub(crate) armed: Option<Restart>,
    /// The restart that is due now.
    pub(crate) killed: Option<Restart>,
    pub(crate) oracle: Oracle,
    /// The processes of the other shards.
    pub(crate) peers: Peers,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) violation: Option<Violation>,
}

/// The configuration file and the flags.
#[derive(Clone, Debug)]
pub(crate) struct PlanState {
    /// The name of each AWS account, if it is configured.
    pub(crate) names: Vec<Option<String>>,
    pub(crate) configured: BTreeSet<usize>,
    pub(crate) queues: BTreeSet<usize>,
    pub(crate) trail: bool,
    pub(crate) shard: Shard,
}

/// A message in its queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageState {
    pub(crate) hidden_until: Ms,
    pub(crate) receipt: u64,
    pub(crate) receives: u32,
    pub(crate) deleted: bool,
}

impl World {
    pub(crate) fn new(scenario: &Arc<Scenario>, base: Ms, traced: bool) -> Arc<Self> {
        let setup = &scenario.setup;
        let plan = PlanState {
            names: (0..setup.accounts).map(|n| Some(first_name(n))).collect(),
            configured: setup.configured.iter().copied().collect(),
            queues: setup.queues.iter().copied().collect(),
            trail: setup.trail,
            shard: Shard::ONLY,
        };
        Arc::new(Self {
            state: Mutex::new(State {
                base,
                origin: None,
                life: 0,
                wall_steps: setup.wall_offset,
                plan,
                api_faults: Vec::new(),
                trail_fault: 0,
                queue_faults: [false; QUEUES],
                store_fault: None,
                messages: vec![MessageState::default(); scenario.messages.len()],
                receipts: 0,
                targets: (0..setup.accounts)
                    .map(|account| TargetFile::new(scenario.of_account(&setup.listed, account)))
                    .collect(),
                stored: Stored::default(),
                armed: None,
                killed: None,
                oracle: Oracle::new(Arc::clone(scenario)),
                peers: Peers::default(),
                trace: traced.then(Vec::new),
                violation: None,
                scenario: Arc::clone(scenario),
            }),
            stop: Notify::new(),
            instant: Instant::now() + Duration::from_secs(1_000),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a process has ended: nothing that it does has an effect.
    pub(crate) fn has_ended(&self, life: u64) -> bool {
        self.state().life != life
    }

    /// Kills the process if a restart waits for this moment. Returns whether it did.
    pub(crate) fn kill_if(&self, is_due: impl Fn(Stop) -> bool) -> bool {
        let mut state = self.state();
        let Some(restart) = state.armed.take_if(|armed| is_due(armed.stop)) else {
            return false;
        };
        state.note(|| format!("killed: {:?}", restart.stop));
        self.kill(&mut state, restart);
        true
    }

    /// Kills the process now.
    pub(crate) fn kill(&self, state: &mut State, restart: Restart) {
        state.life += 1;
        state.killed = Some(restart);
        self.stop.notify_one();
    }

    /// Records a broken promise and ends the run.
    pub(crate) fn fail(&self, state: &mut State, violation: Violation) {
        state.note(|| format!("VIOLATION: {}: {}", violation.kind, violation.detail));
        state.violation.get_or_insert(violation);
        self.stop.notify_one();
    }

    /// Records the result of a check.
    pub(crate) fn check(&self, state: &mut State, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.fail(state, violation);
        }
    }
}

impl State {
    /// A process starts on a new runtime, `down` after the last one ended.
    pub(crate) fn start_life(&mut self, down: Ms) {
        self.base += down;
        self.origin = Some(tokio::time::Instant::now());
    }

    /// The process and its runtime end.
    pub(crate) fn end_life(&mut self) {
        self.base = self.now();
        self.origin = None;
    }

    /// Returns the present moment.
    pub(crate) fn now(&self) -> Ms {
        let elapsed = self
            .origin
            .map_or(Duration::ZERO, |origin| origin.elapsed());
        self.base + millis(elapsed)
    }

    /// Returns the wall clock of the exporter's machine, on the scale of the world.
    pub(crate) fn wall(&self) -> i64 {
        let now = self.now().cast_signed();
        let since = (self.now() - crate::plan::BEGIN.min(self.now())).cast_signed();
        now + self.wall_steps + since / 1_000 * self.scenario.setup.drift / 1_000
    }

    pub(crate) fn step_wall(&mut self, by: i64) {
        self.wall_steps += by;
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace.is_some() {
            let line = format!("{:>16} {}", clock(self.now()), line());
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    /// Returns the fault of an account's API, if there is one now.
    pub(crate) fn api_fault(&self, account: usize) -> Option<ApiFault> {
        let now = self.now();
        let mut faults = self.api_faults.iter().rev();
        faults
            .find(|(of, _, from, until)| *of == account && (*from..*until).contains(&now))
            .map(|(_, fault, ..)| *fault)
    }

    /// Returns the accounts whose API has had a fault since `since`.
    pub(crate) fn faulty_since(&self, since: Ms) -> BTreeSet<usize> {
        let faults = self.api_faults.iter().filter(|(.., until)| *until >= since);
        faults.map(|(account, ..)| *account).collect()
    }
}

/// The clock of the process.
pub(crate) fn process_clock(world: &Arc<World>) -> Arc<dyn Clock> {
    let world = Arc::clone(world);
    Arc::new(move || {
        let state = world.state();
        Now {
            instant: world.instant + Duration::from_millis(state.now()),
            wall: system_time(state.wall()),
        }
    })
}

fn millis(duration: Duration) -> Ms {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a moment as a wall clock's time.
pub(crate) fn system_time(at: i64) -> SystemTime {
    let epoch = UNIX_EPOCH + Duration::from_secs(EPOCH);
    if at >= 0 {
        epoch + Duration::from_millis(at.unsigned_abs())
    } else {
        epoch - Duration::from_millis(at.unsigned_abs())
    }
}

/// Returns a wall clock's time as a moment.
pub(crate) fn moment(time: SystemTime) -> i64 {
    let epoch = UNIX_EPOCH + Duration::from_secs(EPOCH);
    match time.duration_since(epoch) {
        Ok(since) => millis(since).cast_signed(),
        Err(error) => -millis(error.duration()).cast_signed(),
    }
}

/// Returns the name under which an account is configured at first.
pub(crate) fn first_name(account: usize) -> String {
    format!("account-{account}")
}

pub(crate) fn connector_id(account: usize, connector: usize) -> ConnectorId {
    format!("c-{account:08x}{connector:09x}").parse().unwrap()
}

pub(crate) fn transfer_id(transfer: usize) -> TransferId {
    format!("t-{transfer}").parse().unwrap()
}

/// Returns the number of a transfer.
pub(crate) fn transfer_number(id: &str) -> Option<usize> {
    id.strip_prefix("t-")?.parse().ok()
}

pub(crate) fn failure_code(index: usize) -> &'static str {
    CODES[index % CODES.len()]
}

/// Returns how a file ends.
pub(crate) fn end_of(failure: Option<usize>) -> Finished {
    match failure {
        None => Finished::Completed,
        Some(code) => Finished::Failed(FailureCode::new(failure_code(code))),
    }
}

/// Returns the path of a file in the API.
pub(crate) fn path_of(file: &FileScript) -> String {
    format!("/out/{}", file.path)
}

/// Returns the rows that AWS would return now, each with the id of its file.
pub(crate) fn rows(transfer: &TransferScript, now: Ms) -> Vec<(usize, FileResult)> {
    let files = transfer.files.iter().filter(|file| file.visible <= now);
    let mut rows: Vec<_> = files
        .map(|file| {
            let ended = now >= file.ends;
            let status = match file.failure {
                _ if !ended && now < file.begins => FileStatus::Queued,
                _ if !ended => FileStatus::InProgress,
                None => FileStatus::Completed,
                Some(_) => FileStatus::Failed,
            };
            let code = file.failure.filter(|_| ended);
            let result = FileResult {
                path: path_of(file),
                status,
                failure_code: code.and_then(|code| FailureCode::new(failure_code(code))),
                failure_message: code.map(|_| "no".into()),
            };
            (file.id, result)
        })
        .collect();
    if transfer.reversed {
        rows.reverse();
    }
    rows
}
