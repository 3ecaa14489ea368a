//! What append works out of a hit: device, bot mark, channel.
//!
//! A first version by plain rules; the lists of user agents, bots and referrers come later
//! (docs/ARCHITECTURE.md says what is missing). Knows no file and no visit.

mod device;
mod source;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lake::hit::Hit;
use lake::limits::MAX_CACHED_USER_AGENTS;

pub use device::Device;
pub use source::Source;

/// Devices and sources of hits; shared by all batches of a process.
#[derive(Debug, Default)]
pub struct Enricher {
    devices: Mutex<HashMap<String, Arc<Device>>>,
}

impl Enricher {
    /// What a user agent says; looked at once, then remembered.
    pub fn device(&self, user_agent: Option<&str>, _client_hints: Option<&str>) -> Arc<Device> {
        let Some(user_agent) = user_agent else { return Arc::default() };
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = devices.get(user_agent) {
            return Arc::clone(device);
        }
        if devices.len() >= MAX_CACHED_USER_AGENTS {
            devices.clear();
        }
        let device = Arc::new(Device::of(user_agent));
        devices.insert(user_agent.to_owned(), Arc::clone(&device));
        device
    }

    /// What a hit's own referrer and campaign say.
    #[must_use]
    pub fn source(&self, hit: &Hit) -> Source {
        Source::of(hit)
    }
}
