//! A cloud in memory: data sources, jobs, and lists that lag behind. It knows the truth, and does what the schedule of faults says.

use std::collections::VecDeque;
use std::time::Duration;

use super::schedule::{DeleteFault, Effect, Fate, PostFault, Schedule, UpdateFault};
use super::source::Source;
use crate::reconcile::plan::{
    Accepted, CreateRequest, DataSourceType, Failure, FailureKind, Item, Job, JobState, Missing, Rejection, RetryWait,
};

struct Work {
    id: String,
    ends: Duration,
    result: Result<JobState, ()>,
}

/// The cloud.
pub struct Cloud {
    pub sources: Vec<Source>,
    pub posts: usize,
    pub deletes: usize,
    pub updates: usize,
    /// Requests for a restart that did not end in a definite rejection.
    pub reboots: usize,
    jobs: Vec<Work>,
    pub busy_until: Duration,
    next: usize,
    duplicates: bool,
    lags: VecDeque<Duration>,
    posts_faults: VecDeque<PostFault>,
    fates: VecDeque<Fate>,
    pub delete_faults: VecDeque<DeleteFault>,
    pub update_faults: VecDeque<UpdateFault>,
    list_faults: VecDeque<bool>,
    job_faults: VecDeque<bool>,
}

/// An answer, and how long it took.
pub type Answer<T> = (Result<T, Failure>, Duration);

/// How long a call takes that nothing delays.
pub const QUICK: Duration = Duration::from_millis(100);

/// How long the job of an update or a delete takes.
pub const TAKES: Duration = Duration::from_secs(8);

/// The DWS cluster runs another operation.
pub fn busy() -> Failure {
    failure(FailureKind::RetryAfter {
        wait: RetryWait::Busy,
        delay: None,
    })
}

/// A failure with longer texts than any field of the status.
pub fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        // Longer than any field of the status: whoever forgets to cut it is found out.
        code: Some("DWS.".to_owned() + &"9".repeat(300)),
        status: Some(500),
        message: "m".repeat(2000),
        request_id: Some("r".repeat(300)),
    }
}

fn transient() -> Failure {
    failure(FailureKind::RetryAfter {
        wait: RetryWait::Transient,
        delay: None,
    })
}

impl Cloud {
    pub fn new(schedule: &Schedule) -> Self {
        Cloud {
            sources: Vec::new(),
            posts: 0,
            deletes: 0,
            updates: 0,
            reboots: 0,
            jobs: Vec::new(),
            busy_until: Duration::ZERO,
            next: 0,
            duplicates: schedule.duplicates,
            lags: schedule.lags.clone().into(),
            posts_faults: schedule.posts.clone().into(),
            fates: schedule.fates.clone().into(),
            delete_faults: schedule.deletes.clone().into(),
            update_faults: schedule.updates.clone().into(),
            list_faults: schedule.lists.clone().into(),
            job_faults: schedule.jobs.clone().into(),
        }
    }

    fn id(&mut self, what: &str) -> String {
        self.next += 1;
        format!("{what}-{}", self.next)
    }

    fn exists(&self, cluster: &str, name: &str, at: Duration) -> bool {
        self.sources.iter().any(|source| {
            source.cluster == cluster
                && source.name.eq_ignore_ascii_case(name)
                && source.created <= at
                && source.gone.is_none_or(|gone| gone > at)
        })
    }

    /// Puts somebody's data source into the cloud.
    pub fn insert(&mut self, cluster: &str, request: &CreateRequest, at: Duration) -> String {
        let id = self.id("source");
        let lag = self.lags.pop_front().unwrap_or_default();
        self.sources.push(Source {
            id: id.clone(),
            cluster: cluster.to_owned(),
            type_: request.type_,
            name: request.data_source_name.clone(),
            user_name: request.user_name.clone(),
            connect_info: request.connect_info.clone(),
            description: request.description.clone(),
            created: at,
            ready: Some(at),
            failed: None,
            leaving: None,
            gone: None,
            lag,
        });
        id
    }

    /// Somebody else takes a name, if that is possible.
    pub fn occupy(&mut self, cluster: &str, request: &CreateRequest, now: Duration) {
        self.apply(cluster, request, now, Effect::Now);
    }

    fn apply(&mut self, cluster: &str, request: &CreateRequest, now: Duration, effect: Effect) {
        let at = match effect {
            Effect::None => return,
            Effect::Now => now,
            Effect::Late(after) => now + after,
        };
        if self.duplicates || !self.exists(cluster, &request.data_source_name, at) {
            self.insert(cluster, request, at);
            if let (Effect::Late(_), Some(source)) = (effect, self.sources.last_mut()) {
                // The window for late effects is about when they show.
                source.lag = Duration::ZERO;
            }
        }
    }

    pub fn create(
        &mut self,
        cluster: &str,
        request: &CreateRequest,
        now: Duration,
        deadline: Duration,
    ) -> Answer<Accepted> {
        self.posts += 1;
        let fault = self.posts_faults.pop_front().unwrap_or(PostFault::Fine);
        let unknown = |answered| Err(failure(FailureKind::UnknownOutcome { answered, delay: None }));
        let refused = |wait| Err(failure(FailureKind::RetryAfter { wait, delay: None }));
        let rejected = |reason| Err(failure(FailureKind::Rejected { reason }));
        let answer: Answer<Accepted> = match fault {
            PostFault::Busy => (refused(RetryWait::Busy), QUICK),
            PostFault::Throttled => (refused(RetryWait::Throttled), QUICK),
            PostFault::Invalid => (rejected(Rejection::Invalid), QUICK),
            PostFault::Fenced => (Err(failure(FailureKind::Fenced)), Duration::ZERO),
            PostFault::ServerError(effect) => {
                self.apply(cluster, request, now, effect);
                (unknown(true), QUICK)
            }
            PostFault::Cut(waited, effect) => {
                let effect = match effect {
                    Effect::Now => Effect::Late(waited),
                    Effect::Late(after) => Effect::Late(after.max(waited)),
                    Effect::None => Effect::None,
                };
                self.apply(cluster, request, now, effect);
                (unknown(false), waited + QUICK)
            }
            PostFault::Hang(effect) => {
                self.apply(cluster, request, now, effect);
                (unknown(false), deadline)
            }
            PostFault::Fine if now < self.busy_until => (refused(RetryWait::Busy), QUICK),
            PostFault::Fine if !self.duplicates && self.exists(cluster, &request.data_source_name, now) => {
                (rejected(Rejection::Exists), QUICK)
            }
            PostFault::Fine => (Ok(self.accept(cluster, request, now)), QUICK),
        };
        let spent = answer.0.as_ref().map_or_else(
            |failure| matches!(failure.kind, FailureKind::UnknownOutcome { .. }),
            |_| true,
        );
        self.reboots += usize::from(request.reboot && spent);
        answer
    }

    fn accept(&mut self, cluster: &str, request: &CreateRequest, now: Duration) -> Accepted {
        let id = self.insert(cluster, request, now);
        let job_id = self.id("job");
        let fate = self
            .fates
            .pop_front()
            .unwrap_or(Fate::Succeeds(Duration::from_secs(10)));
        let source = self.sources.last_mut().expect("just inserted");
        let (ends, result) = match fate {
            Fate::Succeeds(after) => {
                source.ready = Some(now + after);
                (now + after, Ok(JobState::Succeeded))
            }
            Fate::Fails { after, record } => {
                source.ready = None;
                source.failed = Some(now + after);
                source.gone = (!record).then_some(now + after);
                (now + after, Ok(JobState::Failed))
            }
            Fate::NeverEnds => {
                source.ready = None;
                (Duration::MAX, Ok(JobState::Succeeded))
            }
            Fate::Forgotten(after) => {
                source.ready = Some(now + after);
                (now + after, Err(()))
            }
        };
        self.busy_until = if ends == Duration::MAX { now } else { ends };
        self.jobs.push(Work {
            id: job_id.clone(),
            ends,
            result,
        });
        Accepted { id, job_id }
    }

    /// Begins a job that ends then, with this result; an error is a job that the cloud forgets.
    pub fn work(&mut self, ends: Duration, result: Result<JobState, ()>) -> String {
        let id = self.id("job");
        self.busy_until = self.busy_until.max(ends);
        self.jobs.push(Work {
            id: id.clone(),
            ends,
            result,
        });
        id
    }

    /// Begins the deletion of a data source.
    pub fn begin_leaving(&mut self, id: &str, now: Duration, gone: Duration) {
        let lives = |source: &&mut Source| source.id == id && source.lives(now);
        for source in self.sources.iter_mut().filter(lives) {
            source.leaving = Some(now);
            source.gone = Some(gone);
        }
    }

    /// Whether a data source is there that is not gone yet.
    pub fn holds(&self, id: &str, now: Duration) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| source.id == id && source.gone.is_none_or(|gone| gone > now))
    }

    pub fn list(&mut self, cluster: &str, type_: DataSourceType, now: Duration) -> Answer<Vec<Item>> {
        if self.list_faults.pop_front().unwrap_or_default() {
            return (Err(transient()), QUICK);
        }
        let listed = |source: &&Source| {
            source.cluster == cluster
                && source.type_ == type_
                && source.created + source.lag <= now
                && source.gone.is_none_or(|gone| gone + source.lag > now)
        };
        let items = self.sources.iter().filter(listed).map(|source| source.item(now));
        (Ok(items.collect()), QUICK)
    }

    pub fn job(&mut self, id: &str, now: Duration) -> Answer<Job> {
        if self.job_faults.pop_front().unwrap_or_default() {
            return (Err(transient()), QUICK);
        }
        let gone = FailureKind::Gone {
            what: Missing::Something,
        };
        let Some(work) = self.jobs.iter().find(|work| work.id == id) else {
            return (Err(failure(gone)), QUICK);
        };
        let state = match &work.result {
            Err(()) => return (Err(failure(gone)), QUICK),
            Ok(state) if work.ends <= now => state.clone(),
            Ok(_) => JobState::Running,
        };
        let failed = state == JobState::Failed;
        let job = Job {
            state,
            progress: Some("4".repeat(300)),
            failed_code: failed.then(|| "c".repeat(300)),
            failed_detail: failed.then(|| "d".repeat(2000)),
        };
        (Ok(job), QUICK)
    }
}
