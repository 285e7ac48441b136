//! The simulated cloud: the parts that its requests and its administration share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clusters::Clusters;
use crate::digest::Digester;
use crate::faults::Faults;
use crate::gate::Gate;
use crate::log::Log;
use crate::settings::Settings;

/// A simulated cloud.
pub(crate) struct Cloud {
    settings: watch::Sender<Arc<Settings>>,
    pub(crate) clusters: Clusters,
    pub(crate) gate: Gate,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) digester: Digester,
    /// Ends every connection and every pending effect.
    pub(crate) shutdown: CancellationToken,
}

impl Cloud {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: watch::Sender::new(Arc::new(settings)),
            clusters: Clusters::default(),
            gate: Gate::default(),
            faults: Faults::default(),
            log: Log::new(),
            digester: Digester::new(),
            shutdown: CancellationToken::new(),
        }
    }

    /// The settings of this moment.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Changes the settings in one step.
    pub(crate) fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        self.settings.send_modify(|settings| change(Arc::make_mut(settings)));
    }
}
