//! Build information.

use prometheus::GaugeVec;

use super::registrar::{InstrumentError, Registrar};
use crate::metrics::families;

pub(super) fn register(registrar: &Registrar) -> Result<(), InstrumentError> {
    let info: GaugeVec = registrar.create(&families::BUILD_INFO)?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("RUSTC_VERSION")])
        .set(1.0);
    Ok(())
}
