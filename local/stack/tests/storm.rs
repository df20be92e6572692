//! Webhooks by the hundred, each three times and in any order: every item ends equal to its bank's ledger.

use stack::storm;

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_three_times_over_and_out_of_order_end_equal_to_the_ledger() {
    let storm = storm::run(storm::Size { items: 20, webhooks: 100, copies: 3 }).await.unwrap();
    assert_eq!(storm.equal, 20, "{storm:?}");
    let delivered = u64::try_from(storm.delivered).unwrap();
    assert!(storm.delivered >= 300, "{storm:?}");
    assert!(storm.syncs * 2 < delivered, "far fewer syncs than webhooks: {storm:?}");
}
