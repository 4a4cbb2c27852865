//! The keys of a running server: what is shown becomes a [`Caller`], and what other programs change is noticed.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use athenaeum_core::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    Caller, Error, GivenKey, Register, Scope, SessionToken, local,
    register::Entry,
    secret::{self, Hash},
    sessions::Sessions,
};

/// Who may come in. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

/// Why somebody may not come in. Nothing in it tells which keys there are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A key is needed, and none was shown.
    #[error("a key is needed")]
    Missing,
    /// What was shown opens nothing: it never did, was revoked, or its time is over.
    #[error("the key does not open")]
    Wrong,
    /// The keys cannot be read, so nobody comes in.
    #[error("the keys cannot be read")]
    Unreadable(#[source] Error),
}

struct Inner {
    register: Option<Register>,
    given: Vec<Live>,
    known: Mutex<Known>,
    /// Held by the one that reads the file anew.
    reading: tokio::sync::Mutex<()>,
    /// A key is asked for; once it is, it stays so.
    required: AtomicBool,
    /// Ends what runs for those who showed no key, when one is asked for.
    unkeyed: CancellationToken,
    sessions: Sessions,
    watches: Mutex<Watches>,
}

/// What the file said when it was last looked at.
struct Known {
    keys: Arc<[Live]>,
    stamp: Option<Stamp>,
    looked_at: Option<Instant>,
    /// The file had not been changed for a while when it was read: a change after that shows in its time.
    settled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: Option<SystemTime>,
    bytes: u64,
}

/// A key, with what lives and ends with it.
#[derive(Clone)]
struct Live {
    name: Arc<str>,
    scope: Scope,
    hash: Hash,
    expires_at: Option<Timestamp>,
    revoked: bool,
    ended: CancellationToken,
    /// When its last use was noted, in microseconds; `None` for keys of the settings.
    noted: Option<Arc<AtomicI64>>,
}

#[derive(Default)]
struct Watches {
    count: usize,
    running: bool,
}

/// Keeps the file looked at while somebody waits for the end of a key.
pub(crate) struct Watch(Keys);

impl Keys {
    /// No keys, and none asked for: for programs that let only this machine in.
    pub fn none() -> Self {
        Self::new(None, Vec::new())
    }

    /// Reads the keys in `folder`, which may have none, and adds those that the settings give. Changes that other
    /// programs make are noticed while it is used.
    ///
    /// # Errors
    ///
    /// [`Error`] where there is a file that cannot be read.
    pub async fn open(folder: &Path, given: Vec<GivenKey>) -> Result<Self, Error> {
        let keys = Self::new(Some(Register::in_folder(folder)), given);
        keys.refresh().await?;
        Ok(keys)
    }

    fn new(register: Option<Register>, given: Vec<GivenKey>) -> Self {
        let required = !given.is_empty();
        let inner = Inner {
            register,
            given: given.into_iter().map(Live::given).collect(),
            known: Mutex::new(Known { keys: Arc::from([]), stamp: None, looked_at: None, settled: false }),
            reading: tokio::sync::Mutex::default(),
            required: AtomicBool::new(required),
            unkeyed: CancellationToken::new(),
            sessions: Sessions::default(),
            watches: Mutex::default(),
        };
        Self(Arc::new(inner))
    }

    /// Asks for a key from now on, whether there is one or not.
    pub fn require(&self) {
        if !self.0.required.swap(true, Ordering::Relaxed) {
            self.0.unkeyed.cancel();
        }
    }

    /// Tells whether a key is asked for: where there is one, even if it no longer opens, and after [`Keys::require`].
    pub fn are_required(&self) -> bool {
        self.0.required.load(Ordering::Relaxed)
    }

    /// Tells whether there is a key that opens.
    pub fn can_open(&self) -> bool {
        let now = Timestamp::now();
        self.all().iter().any(|key| key.opens(now)) || !self.0.given.is_empty()
    }

    /// Lets in whoever shows the right key, and everybody where none is asked for.
    ///
    /// # Errors
    ///
    /// [`Refusal`] for all others, with the same words for keys that never were and keys that no longer are.
    pub async fn admit(&self, shown: Option<&str>) -> Result<Caller, Refusal> {
        self.refresh().await.map_err(Refusal::Unreadable)?;
        if !self.are_required() {
            return Ok(self.unkeyed());
        }
        let key = self.find(shown.ok_or(Refusal::Missing)?).ok_or(Refusal::Wrong)?;
        self.note_use(&key);
        Ok(self.caller(&key))
    }

    /// Begins a session for whoever shows the right key, for browsers to show instead.
    ///
    /// # Errors
    ///
    /// As [`Keys::admit`]. [`Refusal::Unreadable`] also where the system gives no randomness.
    pub async fn begin_session(&self, shown: &str) -> Result<SessionToken, Refusal> {
        self.refresh().await.map_err(Refusal::Unreadable)?;
        let key = self.find(shown).ok_or(Refusal::Wrong)?;
        self.note_use(&key);
        self.0.sessions.begin(key.hash, &key.ended).map_err(Refusal::Unreadable)
    }

    /// Lets in whoever shows a session's token, while the key that it was begun with opens.
    ///
    /// # Errors
    ///
    /// As [`Keys::admit`].
    pub async fn admit_session(&self, shown: &str) -> Result<Caller, Refusal> {
        self.refresh().await.map_err(Refusal::Unreadable)?;
        if !self.are_required() {
            return Ok(self.unkeyed());
        }
        let (hash, session) = self.0.sessions.find(shown).ok_or(Refusal::Wrong)?;
        let now = Timestamp::now();
        let all = self.all();
        let key = all.iter().chain(&self.0.given).find(|key| key.hash == session.key && key.opens(now));
        let key = key.ok_or(Refusal::Wrong)?;
        self.note_use(key);
        Ok(Caller { session: Some(hash), ended: session.ended, ..self.caller(key) })
    }

    /// Ends the session that `caller` came by, and what runs for it.
    pub fn end_session(&self, caller: &Caller) {
        if let Some(session) = &caller.session {
            self.0.sessions.end(session);
        }
    }

    /// Finds the key that opens and is this one, looking at all of them whichever it is.
    fn find(&self, shown: &str) -> Option<Live> {
        if shown.len() > SHOWN_BYTES_MAX {
            return None;
        }
        let (shown, now, all) = (secret::hash(shown), Timestamp::now(), self.all());
        let mut found = None;
        for key in all.iter().chain(&self.0.given) {
            if secret::equal(&key.hash, &shown) {
                found = Some(key);
            }
        }
        found.filter(|key| key.opens(now)).cloned()
    }

    fn all(&self) -> Arc<[Live]> {
        Arc::clone(&self.known().keys)
    }

    fn unkeyed(&self) -> Caller {
        let keys = self.0.register.is_some().then(|| self.clone());
        Caller { ended: self.0.unkeyed.clone(), keys, ..Caller::local() }
    }

    fn caller(&self, key: &Live) -> Caller {
        Caller {
            scope: key.scope.clone(),
            key: Some(Arc::clone(&key.name)),
            session: None,
            ended: key.ended.clone(),
            keys: Some(self.clone()),
        }
    }

    /// Notes when a key was last used, at most once a minute, and without anybody waiting for it.
    fn note_use(&self, key: &Live) {
        let (Some(register), Some(noted)) = (&self.0.register, &key.noted) else { return };
        let (now, before) = (Timestamp::now(), noted.load(Ordering::Relaxed));
        if now.as_micros().abs_diff(before) < NOTED_MICROS_MIN {
            return;
        }
        let first = noted.compare_exchange(before, now.as_micros(), Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            let (register, hash) = (register.clone(), key.hash);
            tokio::spawn(async move {
                if let Err(error) = register.touch(&hash, now).await {
                    tracing::debug!(%error, "cannot note that a key was used");
                }
            });
        }
    }

    /// Reads the file anew where it has changed. Looks at most every [`LOOK`].
    async fn refresh(&self) -> Result<(), Error> {
        let Some(register) = &self.0.register else { return Ok(()) };
        if self.looked_recently() {
            return Ok(());
        }
        let _reading = self.0.reading.lock().await;
        if self.looked_recently() {
            return Ok(());
        }
        let stamp = Stamp::of(register.path())?;
        let as_known = {
            let known = self.known();
            known.looked_at.is_some() && known.stamp == stamp && known.settled
        };
        let now = SystemTime::now();
        if !as_known {
            let entries = register.entries().await?;
            let keys = self.replace(entries);
            let mut known = self.known();
            known.keys = keys;
            known.stamp = stamp;
            let quiet = |changed| now.duration_since(changed).is_ok_and(|quiet| quiet > SETTLED);
            known.settled = stamp.is_none_or(|stamp| stamp.changed.is_some_and(quiet));
        }
        self.known().looked_at = Some(Instant::now());
        self.end_expired();
        Ok(())
    }

    /// Makes the new list, in which keys that were known go on, and ends those that are gone.
    fn replace(&self, entries: Vec<Entry>) -> Arc<[Live]> {
        let before = self.all();
        let keys: Arc<[Live]> = entries
            .into_iter()
            .map(|entry| Live::kept(&entry, before.iter().find(|known| known.hash == entry.hash)))
            .collect();
        if !keys.is_empty() {
            self.require();
        }
        for gone in before.iter().filter(|known| !keys.iter().any(|key| key.hash == known.hash)) {
            gone.ended.cancel();
        }
        for revoked in keys.iter().filter(|key| key.revoked) {
            revoked.ended.cancel();
        }
        keys
    }

    fn end_expired(&self) {
        let now = Timestamp::now();
        for key in self.all().iter().filter(|key| !key.opens(now)) {
            key.ended.cancel();
        }
    }

    fn looked_recently(&self) -> bool {
        self.known().looked_at.is_some_and(|at| at.elapsed() < LOOK)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the file every second until what is returned is dropped.
    pub(crate) fn watch(&self) -> Watch {
        let mut watches = self.watches();
        watches.count += 1;
        if !watches.running {
            watches.running = true;
            tokio::spawn(self.clone().look_on());
        }
        Watch(self.clone())
    }

    /// One task for all who wait; it ends when nobody does.
    async fn look_on(self) {
        loop {
            tokio::time::sleep(WATCH).await;
            {
                let mut watches = self.watches();
                if watches.count == 0 {
                    watches.running = false;
                    return;
                }
            }
            if let Err(error) = self.refresh().await {
                tracing::error!(%error, "cannot see whether keys were revoked");
            }
        }
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.0.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watches().count -= 1;
    }
}

impl Live {
    fn given(key: GivenKey) -> Self {
        Self {
            name: key.name,
            scope: local(),
            hash: key.hash,
            expires_at: None,
            revoked: false,
            ended: CancellationToken::new(),
            noted: None,
        }
    }

    /// A key of the file, with what lives by it where it was known `before`.
    fn kept(entry: &Entry, before: Option<&Self>) -> Self {
        let Entry { key, hash, scope } = entry;
        let last_used = key.last_used_at.map_or(0, Timestamp::as_micros);
        Self {
            name: key.name.as_str().into(),
            scope: scope.clone(),
            hash: *hash,
            expires_at: key.expires_at,
            revoked: key.revoked_at.is_some(),
            ended: before.map(|before| before.ended.clone()).unwrap_or_default(),
            noted: match before.and_then(|before| before.noted.clone()) {
                Some(noted) => Some(noted),
                None => Some(Arc::new(AtomicI64::new(last_used))),
            },
        }
    }

    fn opens(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| end > now)
    }
}

impl Stamp {
    /// Returns `None` where there is no file.
    fn of(path: &Path) -> Result<Option<Self>, Error> {
        match std::fs::metadata(path) {
            Ok(file) => Ok(Some(Self { changed: file.modified().ok(), bytes: file.len() })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { doing: "read", path: path.to_owned(), source }),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Keys");
        shown.field("required", &self.are_required()).field("can_open", &self.can_open()).finish()
    }
}

/// How old the knowledge of the file may be when somebody shows a key.
const LOOK: Duration = Duration::from_millis(250);

/// How often the file is looked at for those who wait for the end of a key.
const WATCH: Duration = Duration::from_secs(1);

/// Two changes within the file system's grain have the same time. What was read so soon after a change is read again.
const SETTLED: Duration = Duration::from_secs(2);

/// Longer than any key; what is longer is not worth hashing.
const SHOWN_BYTES_MAX: usize = 1_024;

const NOTED_MICROS_MIN: u64 = 60_000_000;
