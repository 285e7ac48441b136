//! Nothing that the cloud answers, or whoever stands in its place, floods or blocks the operator.

use dws_operator::api::Reason;
use dws_simulator::{Answer, Body, Call, Fault};

use crate::world::{World, cluster, message, obs, on_cluster};

/// Whatever the cloud writes into an error, the message is one printable line with at most 256 characters of it.
#[tokio::test(flavor = "multi_thread")]
async fn error_texts_come_out_short_and_printable() {
    let world = World::new("injection").await;
    world.with_provider().await;
    let texts = [
        format!("Z{}", "Z".repeat(10_000)),
        format!("\u{1b}[31mred\u{1b}[0m\r\n\0\u{7f}\u{9b}2J{}", "Z".repeat(300)),
        "\u{202e}gnp.exe \u{200b}\u{2028}next line".to_owned(),
    ];
    for (n, text) in texts.iter().enumerate() {
        world
            .cloud
            .add_fault(Fault::on(Call::Create, Answer::error(400, "DWS.0001", text)).cluster(&cluster(n)));
    }
    let operator = world.operator().start().await;
    for n in 0..texts.len() {
        world.create(&on_cluster(n, obs(&format!("lake-{n}")))).await;
    }
    for n in 0..texts.len() {
        let object = world.stalled(&format!("lake-{n}"), Reason::InvalidSpec).await;
        let message = message(&object);
        let (_, said) = message
            .split_once("DWS.0001: ")
            .expect("the code, then the cloud's words");
        assert!(said.chars().count() <= 256, "{}", said.chars().count());
        let odd = |c: char| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!message.contains(odd), "{message:?}");
    }
    assert!(!operator.log().contains('\u{1b}'));
}

/// Bodies that are huge, endless, deep or claim to be compressed cost their own cluster a retry and the others nothing.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_hurt_nobody_else() {
    const OTHERS: usize = 5;
    let world = World::new("injection").await;
    world.with_provider().await;
    let text = |text: String| Body::Text {
        content_type: "application/json".to_owned(),
        text,
    };
    let bodies = [
        Answer::with_body(200, Body::Oversized(50 << 20)),
        Answer::with_body(200, Body::Endless),
        Answer::with_body(200, text("[".repeat(500_000))),
        Answer::with_body(200, text("{\"data_sources\":".repeat(30_000))),
        Answer::with_body(200, text("\u{1f}\u{8b}\u{8}".to_owned())).header("Content-Encoding", "gzip"),
    ];
    let count = bodies.len();
    for (n, answer) in bodies.into_iter().enumerate() {
        world
            .cloud
            .add_fault(Fault::on(Call::List, answer).cluster(&cluster(n)));
    }
    let operator = world.operator().start().await;
    for n in 0..count {
        world.create(&on_cluster(n, obs(&format!("hostile-{n}")))).await;
    }
    for n in 0..count {
        world.reconciling(&format!("hostile-{n}"), Reason::Retrying).await;
    }
    for n in 0..OTHERS {
        world.create(&on_cluster(100 + n, obs(&format!("other-{n}")))).await;
    }
    for n in 0..OTHERS {
        world.ready(&format!("other-{n}")).await;
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", operator.pid())).expect("the operator runs");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the peak of its memory");
    let kilobytes: u64 = peak.trim().trim_end_matches("kB").trim().parse().expect("a number");
    assert!(kilobytes < 150_000, "{kilobytes} kB");
    world.cloud.clear_faults();
    for n in 0..count {
        world.ready(&format!("hostile-{n}")).await;
    }
    assert_eq!(world.effective(Call::Create), count + OTHERS);
}
