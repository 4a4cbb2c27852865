use std::{fmt, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{Keys, Scope, local};

/// Who asks: whose belongings they may reach, and until when. Cheap to clone.
#[derive(Clone)]
pub struct Caller {
    pub(crate) scope: Scope,
    pub(crate) key: Option<Arc<str>>,
    /// The session that a browser holds, to be ended by [`Keys::end_session`].
    pub(crate) session: Option<[u8; 32]>,
    pub(crate) ended: CancellationToken,
    /// Looks after `ended` while somebody waits for it.
    pub(crate) keys: Option<Keys>,
}

impl Caller {
    /// Whoever runs this program, as [`local`] is their scope: nobody can revoke that.
    pub fn local() -> Self {
        Self { scope: local(), key: None, session: None, ended: CancellationToken::new(), keys: None }
    }

    /// Whoever shows the key of another tenant, so that isolation can be tested before tenants can be created.
    #[cfg(feature = "testing")]
    pub fn for_test(scope: Scope, key: &str) -> Self {
        Self { scope, key: Some(Arc::from(key)), ..Self::local() }
    }

    /// Returns whose belongings this caller may reach.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the name of the key that was shown; `None` where none is asked for.
    pub fn key_name(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Completes when this caller may go on no longer: the key was revoked or forgotten, its time is over, the session
    /// was ended, or a key is asked for from now on and none was shown. At most two seconds later than that.
    ///
    /// What streams to a caller, or does anything for long, selects on this.
    pub fn revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        let (ended, keys) = (self.ended.clone(), self.keys.clone());
        async move {
            let _watch = keys.as_ref().map(Keys::watch);
            ended.cancelled_owned().await;
        }
    }

    /// Tells whether [`Caller::revoked`] has completed, as far as is known by now.
    pub fn is_revoked(&self) -> bool {
        self.ended.is_cancelled()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Caller");
        shown.field("scope", &self.scope).field("key", &self.key).finish_non_exhaustive()
    }
}
