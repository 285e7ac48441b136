use futures::future::join_all;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_hours(1);

fn bound(interval: Duration, burst: u32) -> RateBound {
    RateBound { interval, burst }
}

fn meter(buckets: &Buckets, key: &str, bound: impl Into<Option<RateBound>>) -> Meter {
    buckets.meter(&Principal::Key(key.to_owned()), "https://dws", bound.into())
}

async fn spent(meters: &[&Meter], requests: usize) -> Duration {
    let began = Instant::now();
    let all = (0..requests).map(|n| meters[n % meters.len()].leave(LONG));
    assert!(join_all(all).await.iter().all(Result::is_ok));
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_burst_goes_at_once_and_the_rest_at_the_rate() {
    let buckets = Buckets::default();
    let meter = meter(&buckets, "a", bound(SECOND, 3));
    assert_eq!(spent(&[&meter], 3).await, Duration::ZERO);
    assert_eq!(spent(&[&meter], 4).await, SECOND * 4);
    sleep(LONG).await;
    assert_eq!(
        spent(&[&meter], 4).await,
        SECOND,
        "a quiet time saves no more than the burst"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_bound_there_is_no_wait() {
    let buckets = Buckets::default();
    let meter = meter(&buckets, "a", None);
    assert_eq!(spent(&[&meter], 1000).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_strictest_bound_holds_for_all_that_share_a_credential() {
    let buckets = Buckets::default();
    let fast = meter(&buckets, "a", bound(SECOND / 10, 1));
    let slow = meter(&buckets, "a", bound(SECOND, 5));
    let other = meter(&buckets, "b", bound(SECOND / 10, 1));
    assert_eq!(spent(&[&fast, &slow], 4).await, SECOND * 3);
    assert_eq!(spent(&[&other], 2).await, SECOND / 10);
    drop(slow);
    sleep(LONG).await;
    assert_eq!(
        spent(&[&fast], 3).await,
        SECOND / 5,
        "a session that is gone binds nobody"
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_bucket_stops_all_of_its_sessions_and_no_other() {
    let buckets = Buckets::default();
    let [one, two] = [0, 1].map(|_| meter(&buckets, "a", None));
    let other = meter(&buckets, "b", None);
    one.close(SECOND * 30);
    one.close(SECOND);
    assert_eq!(two.leave(SECOND * 20).await, Err(ComeBack(SECOND * 30)));
    assert!(two.ticket(SECOND * 20).is_err());
    assert_eq!(spent(&[&other], 1).await, Duration::ZERO);
    assert_eq!(spent(&[&two], 1).await, SECOND * 30);
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_has_a_time_of_its_own() {
    let buckets = Buckets::default();
    let meter = meter(&buckets, "a", bound(SECOND, 1));
    let tickets: Vec<_> = (0..20).map(|_| meter.ticket(SECOND * 10)).collect();
    let let_in = tickets.iter().filter(|ticket| ticket.is_ok()).count();
    assert_eq!(let_in, 11);
    let told: Vec<_> = tickets.iter().filter_map(|ticket| ticket.as_ref().err()).collect();
    let expected: Vec<_> = (11..20).map(|n| ComeBack(SECOND * n)).collect();
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    for ticket in tickets.iter().flatten() {
        ticket.redeem();
    }
    assert!(
        meter.ticket(Duration::ZERO).is_ok(),
        "who has sent does not wait any more"
    );
    drop(tickets);
    assert!(
        meter.ticket(Duration::ZERO).is_ok(),
        "a ticket that is given back frees its place"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_gives_up_takes_nothing() {
    let buckets = Buckets::default();
    let meter = meter(&buckets, "a", bound(SECOND, 1));
    meter.leave(LONG).await.unwrap();
    for _ in 0..100 {
        let waiting = meter.leave(LONG);
        assert!(tokio::time::timeout(SECOND / 1000, waiting).await.is_err());
    }
    assert!(spent(&[&meter], 1).await <= SECOND);
}

proptest! {
    /// However calls come, no window of time has more than the burst and what the rate gives.
    #[test]
    fn no_window_has_more_than_the_bound(gaps in proptest::collection::vec(0_u64..3000, 1..60), burst in 1_u32..5) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let buckets = Buckets::default();
            let meter = meter(&buckets, "a", bound(SECOND, burst));
            let mut sent = Vec::new();
            for gap in gaps {
                sleep(Duration::from_millis(gap)).await;
                meter.leave(LONG).await.unwrap();
                sent.push(Instant::now());
            }
            for (first, at) in sent.iter().enumerate() {
                for (last, until) in sent.iter().enumerate().skip(first) {
                    let count = u32::try_from(last - first + 1).unwrap();
                    let allowed = burst + u32::try_from((*until - *at).as_secs()).unwrap();
                    assert!(count <= allowed, "{count} of {allowed}");
                }
            }
        });
    }
}
