//! The current snapshot, replaced whole while requests are served.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Snapshot;

/// Where readers find the current [`Snapshot`]; empty until the first one is published.
#[derive(Debug, Default)]
pub struct Routes(ArcSwapOption<Snapshot>);

impl Routes {
    /// One immutable state to serve a whole exchange from; `None`: cannot route yet.
    pub fn load(&self) -> Option<Arc<Snapshot>> {
        self.0.load_full()
    }

    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Some(Arc::new(snapshot)));
    }
}
