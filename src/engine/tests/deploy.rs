//! Deploys: orders, looks, adoption.

use super::*;
use crate::engine::scripted::What;

#[test]
fn a_deploy_of_eight_minutes_is_seen_in_at_most_96_looks_and_hardly_late() {
    let mut late = Vec::new();
    for _ in 0..25 {
        let stage = Stage::new(plain(), Manner::default());
        let id = stage.deployed();
        let looks = stage.provider.asked(What::Get);
        assert!(looks.len() <= 96, "{}", looks.len());
        assert_eq!(stage.provider.asked(What::Create).len(), 1);
        assert_eq!(stage.left(), [id]);
        assert!(stage.journal().read().is_none());
        late.push(stage.now() - seconds(480));
    }
    late.sort();
    assert!(late[12] <= seconds(6) && late[24] <= seconds(13), "{late:?}");
}
