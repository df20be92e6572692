//! Nights of some thousand items, with processes that die; and beside webhooks, against a Plaid that counts.

use simulator::night::{Mix, PlanFigures, mix, plan};

#[test]
fn every_item_is_queued_at_least_once_and_counted_once_however_many_processes_die() {
    for (items, deaths, seed) in [(0, 0, 1), (1, 900, 2), (64_000, 0, 3), (70_001, 300, 4), (150_007, 700, 5)]
    {
        let PlanFigures { queued, sent, sent_again, misplaced, deaths: died, .. } =
            plan(items, deaths, seed).unwrap();
        assert_eq!(
            (queued, sent, misplaced),
            (items.into(), items.into(), 0),
            "{items} items, {deaths} deaths"
        );
        assert!(deaths > 0 || (sent_again, died) == (0, 0), "nothing is sent twice without need");
        assert!(deaths < 300 || died > 0, "nobody died");
    }
}

#[test]
fn no_webhook_meets_a_limit_beside_the_night_and_each_item_is_counted_once() {
    let items = 20_000;
    let figures = mix(Mix::of_items(items)).unwrap();
    assert_eq!(figures.counts.items(), u64::from(items), "{figures:?}");
    assert_eq!((figures.webhook_refused, figures.night_refused), (0, 0), "{figures:?}");
    assert!(figures.counts.fresh > u64::from(items) / 4, "{figures:?}");
    assert!(figures.counts.failed > 0 && figures.parked == 0, "{figures:?}");
    assert!(figures.webhooks > 500 && figures.webhook_calls > 0, "{figures:?}");
    assert!(figures.longest_wait_s < 120, "{figures:?}");
    // What is fresh costs no call; what a dead process had asked for is asked for again.
    assert!(
        figures.night_calls <= figures.counts.succeeded + figures.counts.failed + 10 * figures.deaths,
        "{figures:?}"
    );
}

/// 20 workers, a storm of webhooks and a night beside each other: the count of calls stays below the limit, and people
/// do not wait for webhooks or the night.
#[test]
fn people_meet_no_limit_and_no_queue_beside_a_storm_and_a_night() {
    let storm = Mix { webhooks_a_minute: 1_200, people_a_minute: 60, fresh: 0, ..Mix::of_items(4_000) };
    for seed in [1, 2, 3] {
        let figures = mix(Mix { seed, ..storm }).unwrap();
        assert_eq!((figures.webhook_refused, figures.night_refused), (0, 0), "{figures:?}");
        assert_eq!(figures.counts.items(), 4_000, "{figures:?}");
        assert!(
            figures.people > 50 && figures.put_off == 0 && figures.longest_person_wait_ms < 5_000,
            "{figures:?}"
        );
        let syncs = figures.webhook_calls + figures.night_calls;
        assert!(figures.leases * 20 <= syncs, "at most 0.05 writes a sync: {figures:?}");
    }
}

#[test]
fn a_limit_that_is_lower_than_we_are_told_holds_the_night_and_loses_nothing() {
    let items = 10_000;
    let lower = Mix { client_syncs_a_minute: 1_200, ..Mix::of_items(items) };
    let figures = mix(lower).unwrap();
    assert_eq!(figures.counts.items(), u64::from(items), "{figures:?}");
    assert!(figures.night_refused > 0, "{figures:?}");
    // Each of the workers meets the limit with a message of ten at most, and then all are held for a minute.
    assert!(figures.night_refused <= 100 * (figures.minutes + 1), "{figures:?}");
    assert_eq!(figures.parked, 0, "{figures:?}");
}

/// That the model can show it: a night that takes what webhooks need.
#[test]
fn a_night_that_takes_everything_is_noticed_by_webhooks() {
    let greedy = Mix { told_syncs_a_minute: 4_500, night_syncs_a_minute: 4_000, ..Mix::of_items(20_000) };
    let figures = mix(Mix { night_workers: 40, ..greedy }).unwrap();
    assert!(figures.webhook_refused > 0, "{figures:?}");
}
