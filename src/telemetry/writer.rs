//! Writes lines on a thread of its own. A reader that stalls blocks that thread only: lines beyond a
//! bound are dropped and counted.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of lines that wait to be written.
const MAX_PENDING_BYTES: usize = 1 << 20;

/// How often the thread wakes to add lines of its own.
const TICK: Duration = Duration::from_secs(1);

/// Queues lines for the thread that writes them.
#[derive(Clone)]
pub(super) struct LineWriter(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    pushed: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Whole lines.
    pending: String,
    /// Bytes that the thread is writing.
    in_flight: usize,
    dropped: u64,
    /// The part of `dropped` that has been reported.
    reported: u64,
}

impl LineWriter {
    /// Starts the thread. It calls `tick` about once a second, with the number of lines that were
    /// dropped since the last call; `tick` may push lines.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        tick: impl FnMut(&Self, u64) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            pushed: Condvar::new(),
            written: Condvar::new(),
        });
        let writer = Self(shared);
        let writing = writer.clone();
        std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writing.run(out, tick))?;
        Ok(writer)
    }

    /// Queues a line with its line feed, or drops it. Never blocks on the reader.
    pub(super) fn push(&self, line: &str) {
        let mut queue = self.0.queue();
        if queue.pending.len() + queue.in_flight + line.len() > MAX_PENDING_BYTES {
            queue.dropped += 1;
        } else {
            queue.pending.push_str(line);
            drop(queue);
            self.0.pushed.notify_one();
        }
    }

    /// Returns how many lines were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.0.queue().dropped
    }

    /// Waits until everything is written, for at most `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut queue = self.0.queue();
        while !queue.pending.is_empty() || queue.in_flight > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self
                .0
                .written
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl LineWriter {
    fn run(&self, mut out: impl Write, mut tick: impl FnMut(&Self, u64)) {
        let mut ticked = Instant::now();
        loop {
            let mut queue = self.0.queue();
            if queue.pending.is_empty() && queue.unreported() == 0 {
                queue = self
                    .0
                    .pushed
                    .wait_timeout(queue, TICK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            let batch = std::mem::take(&mut queue.pending);
            queue.in_flight = batch.len();
            drop(queue);
            // There is no other place to report that the reader has gone.
            let _ = out.write_all(batch.as_bytes());
            let mut queue = self.0.queue();
            queue.in_flight = 0;
            let dropped = queue.unreported();
            queue.reported += dropped;
            drop(queue);
            if dropped > 0 || ticked.elapsed() >= TICK {
                ticked = Instant::now();
                tick(self, dropped);
            }
            self.0.written.notify_all();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn unreported(&self) -> u64 {
        self.dropped - self.reported
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Blocks each write until it gets a permission.
    struct Gate {
        permissions: mpsc::Receiver<()>,
        written: mpsc::Sender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.permissions.recv();
            let _ = self
                .written
                .send(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_blocks_no_caller_and_costs_bounded_memory() {
        let (allow, permissions) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let gate = Gate {
            permissions,
            written,
        };
        let writer = LineWriter::start(gate, |writer, dropped| {
            writer.push(&format!("dropped {dropped}\n"));
        })
        .unwrap();
        let line = format!("{}\n", "x".repeat(999));
        let start = Instant::now();
        for _ in 0..100_000 {
            writer.push(&line);
        }
        assert!(start.elapsed() < Duration::from_secs(10));
        writer.flush(Duration::from_millis(10));
        let dropped = writer.dropped();
        assert!(dropped >= 100_000 - 1_049, "{dropped}");
        assert!(writer.0.queue().pending.capacity() <= 2 * MAX_PENDING_BYTES);
        // The reader goes on: what was queued arrives whole, then the number of what was not.
        drop(allow);
        let mut text = String::new();
        while !text.contains(&format!("dropped {dropped}\n")) {
            text.push_str(&lines.recv_timeout(Duration::from_secs(10)).unwrap());
        }
        let (before, _) = text.split_once("dropped").unwrap();
        assert!(before.lines().all(|line| line.len() == 999));
        assert_eq!(before.lines().count() as u64, 100_000 - dropped);
    }

    #[test]
    fn lines_keep_their_order_and_a_flush_waits_for_them() {
        let (allow, permissions) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        drop(allow);
        let gate = Gate {
            permissions,
            written,
        };
        let writer = LineWriter::start(gate, |_, _| {}).unwrap();
        let mut expected = String::new();
        for n in 0..1_000 {
            let line = format!("{n}\n");
            writer.push(&line);
            expected.push_str(&line);
        }
        writer.flush(Duration::from_secs(10));
        assert_eq!(lines.try_iter().collect::<String>(), expected);
    }
}
