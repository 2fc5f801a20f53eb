//! Captures the log records of failed files on this thread.

use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::world::{World, transfer_number};

/// Passes log records of this thread to the oracle until the guard is dropped.
pub(crate) fn capture(world: &Arc<World>) -> DefaultGuard {
    tracing::subscriber::set_default(Capture {
        world: Arc::clone(world),
    })
}

struct Capture {
    world: Arc<World>,
}

#[derive(Default)]
struct Fields {
    event: String,
    account: String,
    transfer: String,
    path: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        self.record_str(field, &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "event" => value.clone_into(&mut self.event),
            "aws_account" => value.clone_into(&mut self.account),
            "transfer_id" => value.clone_into(&mut self.transfer),
            "file_path" => value.clone_into(&mut self.path),
            _ => {}
        }
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.event == "file_failed"
            && let Some(number) = transfer_number(&fields.transfer)
        {
            let mut state = self.world.state();
            state.note(|| {
                format!(
                    "log: {} of {}/{} failed",
                    fields.path, fields.account, fields.transfer
                )
            });
            state.oracle.logged(&fields.account, number, fields.path);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
