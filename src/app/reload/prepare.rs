//! A reload in two steps: prepare everything that can fail, then commit.

use std::sync::Arc;

use super::changes::Changes;
use crate::app::App;
use crate::app::accounts::ClientBuilder;
use crate::app::runtime::Runtime;
use crate::app::sources::{self, TargetFiles};
use crate::app::web_config;
use crate::config::{ConfigHash, Plan};
use crate::discovery::files::Files;
use crate::flows::connector_groups;
use crate::web::EffectiveWebConfig;
use model::ConnectorId;

/// A runtime that is ready to be committed. Dropping it leaves no trace.
pub(in crate::app) struct Prepared {
    runtime: Runtime,
    target_files: TargetFiles,
    web_config: Option<EffectiveWebConfig>,
    config_hash: Option<ConfigHash>,
}

impl App {
    /// Replaces the configuration and the web configuration, both or neither. `config_hash`
    /// identifies the content of the configuration file. A web configuration that lowers protection
    /// stays as it was unless the reload is `explicit`: requested by a signal or a request.
    ///
    /// # Errors
    /// The settings of an account cannot be used, or the web configuration is invalid. Nothing has
    /// changed then.
    pub async fn reload_config(
        &self,
        plan: Plan,
        config_hash: Option<ConfigHash>,
        explicit: bool,
    ) -> anyhow::Result<Changes> {
        let web_config = match &self.options.web_config {
            Some(state) => web_config::stage(state, &self.metrics.http, explicit).await?,
            None => None,
        };
        let _changing = self.changing.lock().await;
        let prepared = Box::pin(self.prepare_runtime(plan)).await?;
        let changes = self.commit(Prepared {
            web_config,
            config_hash,
            ..prepared
        });
        self.metrics.config.record_reload(true, self.clock.now());
        Ok(changes)
    }

    /// Builds clients and reads target files. Files come last, since reading them cannot fail: no
    /// source reports a file of a plan that is then rejected.
    pub(in crate::app) async fn prepare_runtime(&self, plan: Plan) -> anyhow::Result<Prepared> {
        let total = self.options.sharding.total();
        check_flows(&plan, total)?;
        let previous = self.runtime.load_full();
        let credentials = self.options.credentials;
        let accounts = ClientBuilder::new(&plan, credentials, &self.metrics.api, &self.clock)
            .build(&previous)
            .await?;
        let context = self.source_context();
        let groups = match total {
            1 => Arc::default(),
            _ => Arc::new(connector_groups(&plan.flows)),
        };
        let target_files = context
            .read_files(&previous, &plan, &accounts, &groups)
            .await;
        Ok(Prepared {
            runtime: Runtime {
                plan,
                accounts,
                groups,
                files: target_files.files(),
            },
            target_files,
            web_config: None,
            config_hash: None,
        })
    }

    /// Activates a prepared runtime. Cannot fail and does not wait, so no state is half applied.
    /// Polls in flight continue with the clients that they started with.
    pub(in crate::app) fn commit(&self, prepared: Prepared) -> Changes {
        let runtime = Arc::new(prepared.runtime);
        let previous = self.runtime.load_full();
        let changes = Changes::between(&previous.plan, &runtime.plan);
        let mut sources = sources::lock(&self.sources);
        for client in runtime.accounts.values() {
            client.apply_limits(&runtime.plan.collector, self.shards.share());
        }
        // Derived from the runtime: the collectors' maps of clients and the trackers' labels.
        self.shards.set_groups(&runtime.groups);
        for state in self.shards.all() {
            if let Some(lease) = &state.lease {
                lease.load_at_most(runtime.plan.limits.transfers);
            }
        }
        for (state, collector) in self.shards.owned() {
            collector.configure(runtime.targets(state.shard));
        }
        self.runtime.store(Arc::clone(&runtime));
        for account in previous.accounts_not_in(&runtime) {
            self.metrics.api.remove_account(account);
        }
        let context = self.source_context();
        let is_kept = |old: &Arc<Files>| {
            let new = runtime.files.as_ref();
            new.is_some_and(|new| Arc::ptr_eq(old, new))
        };
        if let Some(replaced) = previous.files.as_ref().filter(|old| !is_kept(old)) {
            replaced.retire();
        }
        prepared.target_files.publish(context.sink().as_ref());
        sources.switch(&runtime, &context);
        drop(sources);
        if self.membership.is_some() && !self.shards.is_any_owned() {
            // Nothing reads the files again until the process owns a shard: their gauges would be
            // of this read for as long.
            let files = [&previous.files, &runtime.files].into_iter().flatten();
            for labels in files.flat_map(|files| files.labels()) {
                self.metrics.discovery.remove_source(labels);
            }
        }
        if let (Some(state), Some(staged)) = (&self.options.web_config, prepared.web_config) {
            state.apply(Some(staged), Some(&self.metrics.http));
        }
        if let Some(hash) = prepared.config_hash {
            self.metrics.config.set_hash(hash.as_gauge());
        }
        changes
    }
}

/// Refuses flows of connectors that a process which is one of several shards cannot list: it could not
/// know whether it has all their files.
fn check_flows(plan: &Plan, shards: u32) -> anyhow::Result<()> {
    if shards == 1 {
        return Ok(());
    }
    for flow in &plan.flows {
        let mut connectors = flow.title.connectors.iter();
        if let Some(other) = connectors.find(|text| text.parse::<ConnectorId>().is_err()) {
            anyhow::bail!(
                "flows: connector `{other}` of `{}` is not an ID\n  \
                 hint: list the connectors by ID, so that the shards know which of them has the files; there are {shards} shards",
                flow.title.name
            );
        }
    }
    Ok(())
}
