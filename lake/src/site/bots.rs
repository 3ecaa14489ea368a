//! The rules of all sites by which user agents are bots': for marking history.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::stored::read_sites;
use super::{Site, SiteError};
use crate::store::StoreRef;

/// The setting `bot_user_agents` of all sites.
#[derive(Debug, Clone, Default)]
pub struct BotRules(Arc<BTreeMap<i32, Site>>);

impl BotRules {
    /// The rules in force. Those of a site whose settings are not what they should be are not
    /// known, and the log says so.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn in_force(store: &StoreRef) -> Result<Self, SiteError> {
        let mut rules = BTreeMap::new();
        for (id, site) in read_sites(store).await? {
            match site {
                Ok(site) => {
                    rules.insert(id, site);
                }
                Err(error) => tracing::error!(
                    site = id,
                    "the settings of site {id} cannot be read, and the marks of its own rules stay as they are: {error}"
                ),
            }
        }
        Ok(Self(Arc::new(rules)))
    }

    /// Whether a user agent, in the form that the table keeps, is a bot's to a site; none where the
    /// site's rules are not known.
    #[must_use]
    pub fn marks(&self, site: i32, stored_user_agent: &str) -> Option<bool> {
        Some(self.0.get(&site)?.is_bot_user_agent(stored_user_agent))
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;
    use object_store::path::Path;

    use super::*;
    use crate::site::{SiteSettings, put_site};
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_site_whose_settings_cannot_be_read_leaves_the_others_their_rules() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let settings = r#"{"id":1,"bot_user_agents":["uptime/2"]}"#;
        put_site(&store, &SiteSettings::parse(settings).unwrap(), 0, false).await.unwrap();
        let path = Path::from("settings/sites/2.json");
        store.put(&path, r#"{"settings":{"id":2,"newer":1},"zones":[]}"#.into()).await.unwrap();
        let rules = BotRules::in_force(&store).await.unwrap();
        assert_eq!(rules.marks(1, "Uptime/2"), Some(true));
        assert_eq!(rules.marks(1, ""), Some(false));
        assert_eq!(rules.marks(2, "Uptime/2"), None);
        assert_eq!(rules.marks(3, "Uptime/2"), None, "there is no such site");
    }
}
