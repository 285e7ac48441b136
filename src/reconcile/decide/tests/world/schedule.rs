//! What goes wrong in a world, and when.

use std::time::Duration;

use proptest::prelude::*;

/// When a lost request takes effect.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    None,
    Now,
    Late(Duration),
}

/// What becomes of a create request.
#[derive(Clone, Copy, Debug)]
pub enum PostFault {
    Fine,
    Busy,
    Throttled,
    Invalid,
    Fenced,
    /// DWS answers with an error.
    ServerError(Effect),
    /// The request waits this long for its turn and a login; then the connection breaks.
    Cut(Duration, Effect),
    /// Nobody answers up to the deadline.
    Hang(Effect),
}

/// What becomes of the job of an accepted create.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Succeeds(Duration),
    Fails {
        after: Duration,
        /// Whether a failed data source stays.
        record: bool,
    },
    NeverEnds,
    /// The cloud does not know the job, but the data source comes.
    Forgotten(Duration),
}

/// What becomes of a delete request.
#[derive(Clone, Copy, Debug)]
pub enum DeleteFault {
    Fine,
    Busy,
    Invalid,
    Lost { applied: bool },
    JobFails,
    JobForgotten,
    NoJob,
}

/// What becomes of an update request.
#[derive(Clone, Copy, Debug)]
pub enum UpdateFault {
    Fine,
    Busy,
    Fenced,
    Invalid,
    Lost {
        applied: bool,
    },
    /// The cloud calls it a success and changes nothing.
    Unchanged,
    JobFails,
}

/// What becomes of a write to the status.
#[derive(Clone, Copy, Debug)]
pub enum StatusFault {
    Fine,
    Lost,
    AnswerLost,
}

/// What somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Another name, if the API server takes it.
    Rename(u8),
    /// Another DWS cluster, if the API server takes it.
    Move(u8),
    /// Another agency.
    Agency(u8),
    /// Whether a replacement needs nobody's consent.
    ReplaceAlways(bool),
    /// Whoever may approve the plan that the status shows does.
    Approve,
    /// Whether the operator only reads.
    Observe(bool),
    /// A request for a look.
    Reconcile(u8),
    /// A request for a restart.
    Reboot(u8),
    /// A request to renew the agency's credentials.
    Refresh(u8),
    /// Somebody gives the recorded data source another agency in the cloud.
    DriftInCloud,
    Delete,
    StripAnnotation,
    RestoreAnnotation,
    StripFinalizer,
    WipeStatus,
    /// The recorded data source is deleted in the cloud.
    DeleteInCloud,
    /// Somebody else makes a data source of the same name.
    Occupy,
    /// The provider cannot be used for so many seconds.
    ProviderDown(u16),
    /// The provider cannot be read for so many seconds.
    ProviderUnread(u16),
    /// A pause begins or ends.
    Pause(bool),
    /// The object may go by force, for this reason.
    ForceDelete(&'static str),
    /// The definition of the kind is deleted, and with it the object.
    RemoveDefinition,
}

/// A world's misfortunes. When they are used up, everything goes well.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub posts: Vec<PostFault>,
    pub fates: Vec<Fate>,
    pub deletes: Vec<DeleteFault>,
    pub updates: Vec<UpdateFault>,
    pub lists: Vec<bool>,
    pub jobs: Vec<bool>,
    pub lags: Vec<Duration>,
    pub statuses: Vec<StatusFault>,
    /// The numbers of the writes at which the process dies, and whether the write takes effect before.
    pub crashes: Vec<(usize, bool)>,
    pub events: Vec<(Duration, Event)>,
    pub duplicates: bool,
    pub reboot: bool,
    pub marker: bool,
    pub jitter: u32,
}

impl Schedule {
    /// Nothing goes wrong.
    pub fn calm() -> Self {
        Schedule {
            posts: Vec::new(),
            fates: Vec::new(),
            deletes: Vec::new(),
            updates: Vec::new(),
            lists: Vec::new(),
            jobs: Vec::new(),
            lags: Vec::new(),
            statuses: Vec::new(),
            crashes: Vec::new(),
            events: Vec::new(),
            duplicates: false,
            reboot: false,
            marker: true,
            jitter: 500,
        }
    }

    /// Whether somebody tampers with what the operator wrote.
    pub fn tampers(&self) -> bool {
        self.events.iter().any(|(_, event)| {
            matches!(
                event,
                Event::StripAnnotation | Event::RestoreAnnotation | Event::StripFinalizer | Event::WipeStatus
            )
        })
    }

    pub fn has(&self, wanted: Event) -> bool {
        self.events.iter().any(|(_, event)| *event == wanted)
    }
}

fn seconds(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most * 10).prop_map(|tenths| Duration::from_millis(tenths * 100))
}

fn effects() -> impl Strategy<Value = Effect> {
    prop_oneof![
        3 => Just(Effect::None),
        3 => Just(Effect::Now),
        // Up to the end of the window for late effects: ten minutes after the deadline, which is 20 s after the write began.
        2 => seconds(619).prop_map(Effect::Late),
    ]
}

/// What DWS answers for is over within a minute.
fn answered_effects() -> impl Strategy<Value = Effect> {
    prop_oneof![3 => Just(Effect::None), 2 => Just(Effect::Now), 1 => seconds(30).prop_map(Effect::Late)]
}

fn posts() -> impl Strategy<Value = PostFault> {
    prop_oneof![
        4 => Just(PostFault::Fine),
        1 => Just(PostFault::Busy),
        1 => Just(PostFault::Throttled),
        1 => Just(PostFault::Invalid),
        1 => Just(PostFault::Fenced),
        2 => answered_effects().prop_map(PostFault::ServerError),
        2 => (seconds(10), effects()).prop_map(|(waited, effect)| PostFault::Cut(waited, effect)),
        2 => effects().prop_map(PostFault::Hang),
    ]
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => seconds(300).prop_map(Fate::Succeeds),
        2 => (seconds(60), any::<bool>()).prop_map(|(after, record)| Fate::Fails { after, record }),
        1 => Just(Fate::NeverEnds),
        1 => seconds(60).prop_map(Fate::Forgotten),
    ]
}

fn deletes() -> impl Strategy<Value = DeleteFault> {
    prop_oneof![
        4 => Just(DeleteFault::Fine),
        1 => Just(DeleteFault::Busy),
        1 => Just(DeleteFault::Invalid),
        2 => any::<bool>().prop_map(|applied| DeleteFault::Lost { applied }),
        1 => Just(DeleteFault::JobFails),
        1 => Just(DeleteFault::JobForgotten),
        1 => Just(DeleteFault::NoJob),
    ]
}

fn updates() -> impl Strategy<Value = UpdateFault> {
    prop_oneof![
        4 => Just(UpdateFault::Fine),
        1 => Just(UpdateFault::Busy),
        1 => Just(UpdateFault::Fenced),
        1 => Just(UpdateFault::Invalid),
        2 => any::<bool>().prop_map(|applied| UpdateFault::Lost { applied }),
        1 => Just(UpdateFault::Unchanged),
        1 => Just(UpdateFault::JobFails),
    ]
}

fn statuses() -> impl Strategy<Value = StatusFault> {
    prop_oneof![
        5 => Just(StatusFault::Fine),
        1 => Just(StatusFault::Lost),
        1 => Just(StatusFault::AnswerLost),
    ]
}

fn events(tampering: bool) -> impl Strategy<Value = (Duration, Event)> {
    let honest = prop_oneof![
        3 => (0_u8..3).prop_map(Event::Rename),
        1 => (0_u8..2).prop_map(Event::Move),
        4 => Just(Event::Delete),
        1 => Just(Event::DeleteInCloud),
        1 => (1_u16..900).prop_map(Event::ProviderDown),
        1 => (1_u16..900).prop_map(Event::ProviderUnread),
        1 => Just(Event::Occupy),
        2 => (0_u8..3).prop_map(Event::Agency),
        2 => any::<bool>().prop_map(Event::ReplaceAlways),
        2 => Just(Event::Approve),
        1 => any::<bool>().prop_map(Event::Observe),
        1 => (0_u8..3).prop_map(Event::Reconcile),
        2 => (0_u8..3).prop_map(Event::Reboot),
        1 => (0_u8..3).prop_map(Event::Refresh),
        1 => Just(Event::DriftInCloud),
        3 => any::<bool>().prop_map(Event::Pause),
        1 => prop::sample::select(vec!["", "the cluster is gone"]).prop_map(Event::ForceDelete),
        1 => Just(Event::RemoveDefinition),
    ];
    let hostile = prop_oneof![
        Just(Event::StripAnnotation),
        Just(Event::RestoreAnnotation),
        Just(Event::StripFinalizer),
        Just(Event::WipeStatus),
    ];
    let event = if tampering {
        prop_oneof![1 => honest, 2 => hostile].boxed()
    } else {
        honest.boxed()
    };
    (seconds(1800), event)
}

/// Random schedules, with or without tampering.
pub fn schedules(tampering: bool, marker: bool) -> impl Strategy<Value = Schedule> {
    let lags = prop::collection::vec(prop_oneof![Just(Duration::ZERO), seconds(119)], 0..6);
    let faults = (
        prop::collection::vec(posts(), 0..5),
        prop::collection::vec(fates(), 0..4),
        prop::collection::vec(deletes(), 0..4),
        prop::collection::vec(prop::bool::weighted(0.3), 0..12),
        prop::collection::vec(prop::bool::weighted(0.3), 0..8),
        lags,
        prop::collection::vec(statuses(), 0..12),
        prop::collection::vec(updates(), 0..4),
    );
    let rest = (
        prop::collection::vec((0_usize..24, any::<bool>()), 0..4),
        prop::collection::vec(events(tampering), 0..6),
        any::<bool>(),
        any::<bool>(),
        0_u32..1000,
    );
    (faults, rest).prop_map(
        move |(
            (posts, fates, deletes, lists, jobs, lags, statuses, updates),
            (crashes, events, duplicates, reboot, jitter),
        )| {
            let mut schedule = Schedule {
                posts,
                fates,
                deletes,
                updates,
                lists,
                jobs,
                lags,
                statuses,
                crashes,
                events,
                duplicates,
                reboot,
                marker,
                jitter,
            };
            schedule.events.sort_by_key(|(at, _)| *at);
            schedule
        },
    )
}
