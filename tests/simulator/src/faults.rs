//! The faults that are in force, and how often each has hit.

use std::sync::{Mutex, MutexGuard};

use crate::call::Call;
use crate::fault::{Fault, FaultId};

/// What of a request a fault can match.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) call: Call,
    pub(crate) cluster: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

/// The list of faults.
#[derive(Default)]
pub(crate) struct Faults {
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    last_id: u64,
    /// Cleared faults keep their row, so that their hits can still be read.
    all: Vec<Row>,
}

struct Row {
    id: FaultId,
    fault: Fault,
    matched: u64,
    hits: u64,
    cleared: bool,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) -> FaultId {
        let mut rows = self.rows();
        rows.last_id += 1;
        let id = FaultId(rows.last_id);
        rows.all.push(Row {
            id,
            fault,
            matched: 0,
            hits: 0,
            cleared: false,
        });
        id
    }

    pub(crate) fn clear(&self) {
        for row in &mut self.rows().all {
            row.cleared = true;
        }
    }

    /// How often a fault has hit; 0 for one that does not exist.
    pub(crate) fn hits(&self, id: FaultId) -> u64 {
        self.rows()
            .all
            .iter()
            .find(|row| row.id == id)
            .map_or(0, |row| row.hits)
    }

    /// The fault for a request, counted as a hit. Every fault that matches counts the request towards its `skip`.
    pub(crate) fn strike(&self, subject: Subject<'_>) -> Option<(FaultId, Fault)> {
        let mut struck = None;
        for row in self
            .rows()
            .all
            .iter_mut()
            .filter(|row| !row.cleared && row.matches(subject))
        {
            row.matched += 1;
            let is_due = row.matched > row.fault.skip && row.fault.times.is_none_or(|times| row.hits < times);
            if is_due && struck.is_none() {
                row.hits += 1;
                struck = Some((row.id, row.fault.clone()));
            }
        }
        struck
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().expect("nothing panics while it holds this lock")
    }
}

impl Row {
    fn matches(&self, subject: Subject<'_>) -> bool {
        fn fits(wanted: Option<&str>, actual: Option<&str>) -> bool {
            wanted.is_none() || wanted == actual
        }
        self.fault.call.is_none_or(|call| call == subject.call)
            && fits(self.fault.cluster.as_deref(), subject.cluster)
            && fits(self.fault.name.as_deref(), subject.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;

    const CREATE: Subject<'_> = Subject {
        call: Call::Create,
        cluster: Some("c"),
        name: Some("n"),
    };

    #[test]
    fn skip_and_times_count_matching_requests() {
        let faults = Faults::default();
        let id = faults.add(Fault::on(Call::Create, Answer::Hang).skip(1).times(2));
        let list = Subject {
            call: Call::List,
            name: None,
            ..CREATE
        };
        assert!(faults.strike(list).is_none());
        let struck: Vec<_> = (0..5).map(|_| faults.strike(CREATE).is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(faults.hits(id), 2);
    }

    #[test]
    fn the_first_fault_that_is_due_strikes() {
        let faults = Faults::default();
        let first = faults.add(Fault::any(Answer::Hang).times(1));
        let second = faults.add(Fault::any(Answer::Truncated).skip(1).times(1));
        let struck: Vec<_> = (0..3).map(|_| faults.strike(CREATE).map(|(id, _)| id)).collect();
        assert_eq!(struck, [Some(first), Some(second), None]);
    }

    #[test]
    fn cluster_and_name_narrow_a_fault_down() {
        let faults = Faults::default();
        faults.add(Fault::any(Answer::Hang).cluster("c").name("n"));
        assert!(
            faults
                .strike(Subject {
                    name: Some("other"),
                    ..CREATE
                })
                .is_none()
        );
        assert!(
            faults
                .strike(Subject {
                    cluster: None,
                    ..CREATE
                })
                .is_none()
        );
        assert!(faults.strike(CREATE).is_some());
        faults.clear();
        assert!(faults.strike(CREATE).is_none());
    }
}
