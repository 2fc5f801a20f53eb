//! Labels that follow a row's own, encoded once.

use std::sync::LazyLock;

use super::{protobuf, text};
use crate::metrics::format::Dialect;
use model::{DOCUMENTED_FAILURE_CODES, FileStatus, TransferState};

/// Labels that follow the labels of a row, in one dialect. In the text formats they include
/// everything between the row's labels and the value.
#[derive(Clone, Debug, Default)]
pub(in crate::metrics) struct ExtraLabels(pub(super) Vec<u8>);

impl ExtraLabels {
    pub(super) fn new(dialect: Dialect, labels: &[(&str, &str)]) -> Self {
        let mut extra = Self::default();
        extra.set(dialect, labels);
        extra
    }

    pub(super) fn set(&mut self, dialect: Dialect, labels: &[(&str, &str)]) {
        self.0.clear();
        if dialect == Dialect::Protobuf {
            for (name, value) in labels {
                protobuf::label(&mut self.0, name, value);
            }
            return;
        }
        for (name, value) in labels {
            self.0.push(b',');
            text::label(&mut self.0, name, value);
        }
        self.0.extend_from_slice(b"} ");
    }
}

/// Frequent labels, encoded once per dialect.
pub(in crate::metrics) struct EncodedLabels {
    pub(super) none: ExtraLabels,
    /// `status` with an empty `failure_code`, in the order of [`FileStatus::MODELLED`].
    pub(in crate::metrics) statuses: [ExtraLabels; 4],
    /// FAILED with each code, in the order of [`DOCUMENTED_FAILURE_CODES`].
    pub(in crate::metrics) codes: [ExtraLabels; 16],
    /// `state`, in the order of [`TransferState::ALL`].
    pub(in crate::metrics) states: [ExtraLabels; 5],
}

impl EncodedLabels {
    fn new(dialect: Dialect) -> Self {
        let file = |status: &str, code: &str| {
            ExtraLabels::new(dialect, &[("status", status), ("failure_code", code)])
        };
        Self {
            none: ExtraLabels::new(dialect, &[]),
            statuses: FileStatus::MODELLED.map(|status| file(status.as_str(), "")),
            codes: DOCUMENTED_FAILURE_CODES.map(|code| file(FileStatus::Failed.as_str(), code)),
            states: TransferState::ALL
                .map(|state| ExtraLabels::new(dialect, &[("state", state.as_label())])),
        }
    }

    /// Returns the labels in `dialect`. All text formats have the same.
    pub(super) fn of(dialect: Dialect) -> &'static Self {
        static TEXT: LazyLock<EncodedLabels> = LazyLock::new(|| EncodedLabels::new(Dialect::Text));
        static PROTOBUF: LazyLock<EncodedLabels> =
            LazyLock::new(|| EncodedLabels::new(Dialect::Protobuf));
        if dialect == Dialect::Protobuf {
            &PROTOBUF
        } else {
            &TEXT
        }
    }
}
