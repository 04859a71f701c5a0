//! Power: on, off, off and on, reboot.

use super::*;
use crate::engine::{Error, power};
use crate::http::error::Kind;
use crate::provider::machine::Power;

fn with_machine(spec: Spec, manner: Manner) -> (Stage, MachineId) {
    let stage = Stage::new(spec, Manner { provisioning: seconds(10), ..manner });
    let id = stage.deployed();
    (stage, id)
}

fn asked(stage: &Stage, power: Power) -> usize {
    stage.provider.asked(What::Power(power)).len()
}

#[test]
fn off_waits_until_the_machine_is_off_and_on_until_it_is_up() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.engine().power_off(&id).unwrap();
    assert_eq!(stage.shown(&id).state, State::Off);
    stage.engine().resume(&id).unwrap();
    assert_eq!(stage.shown(&id).state, State::On);
    stage.engine().reset(&id).unwrap();
    assert_eq!(stage.shown(&id).state, State::On);
    assert_eq!((asked(&stage, Power::Off), asked(&stage, Power::On)), (2, 2));
}

#[test]
fn what_is_so_already_is_a_success() {
    let (stage, id) = with_machine(plain(), Manner::default());
    let begin = stage.now();
    stage.engine().resume(&id).unwrap();
    assert!(stage.now() - begin < seconds(2));
    stage.engine().power_off(&id).unwrap();
    let begin = stage.now();
    stage.engine().power_off(&id).unwrap();
    assert!(stage.now() - begin < seconds(2));
}

#[test]
fn where_off_is_not_shown_it_was_accepted_and_is_not_waited_for() {
    let spec = || Spec { power: shapes::BLIND, ..plain() };
    let (stage, id) = with_machine(spec(), Manner::default());
    let (begin, looks) = (stage.now(), stage.provider.asked(What::Get).len());
    stage.engine().power_off(&id).unwrap();
    assert!(stage.now() - begin < seconds(1));
    assert_eq!(stage.provider.asked(What::Get).len(), looks);
    let now = stage.now();
    let state = |at| stage.provider.world().machine(&id).unwrap().state(at);
    assert_eq!(state(now + seconds(60)), State::Off);
}

#[test]
fn where_off_is_not_shown_a_reset_waits_and_powers_on() {
    let (stage, id) = with_machine(Spec { power: shapes::BLIND, ..plain() }, Manner::default());
    let begin = stage.now();
    stage.engine().reset(&id).unwrap();
    let (off, on) = (What::Power(Power::Off), What::Power(Power::On));
    let (off, on) = (stage.provider.asked(off)[0], stage.provider.asked(on)[0]);
    assert!(on - off >= seconds(30) && stage.now() - begin < seconds(60), "{off:?} {on:?}");
    let state = stage.provider.world().machine(&id).unwrap().state(on + seconds(100));
    assert_eq!(state, State::On);
}

#[test]
fn without_power_everything_is_unsupported_before_anything_is_asked() {
    let (stage, id) = with_machine(Spec { power: shapes::NO_POWER, ..plain() }, Manner::default());
    let requests = stage.provider.world().asked.len();
    let engine = stage.engine();
    let results = [engine.resume(&id), engine.power_off(&id), engine.reset(&id), engine.reboot(&id)];
    for result in results {
        assert!(matches!(result, Err(Error::Unsupported("scripted", _))), "{result:?}");
    }
    assert!(power::supported(stage.provider, Power::On).is_err());
    assert_eq!(stage.provider.world().asked.len(), requests);
}

#[test]
fn a_reboot_is_seen_down_and_up_again() {
    let (stage, id) = with_machine(plain(), Manner { boot: seconds(200), ..Manner::default() });
    let begin = stage.now();
    stage.engine().reboot(&id).unwrap();
    assert!(stage.now() - begin >= seconds(200), "{:?}", stage.now() - begin);
    assert_eq!(asked(&stage, Power::Reboot), 1);
}

#[test]
fn a_reboot_that_was_too_short_to_be_seen_is_believed_after_a_while() {
    let (stage, id) = with_machine(plain(), Manner { boot: Duration::ZERO, ..Manner::default() });
    let begin = stage.now();
    stage.engine().reboot(&id).unwrap();
    let took = stage.now() - begin;
    assert!(took >= seconds(50) && took < seconds(75), "{took:?}");
}

#[test]
fn a_reboot_whose_answer_shows_it_down_is_not_waited_down() {
    let manner = Manner { tells_power: true, boot: seconds(1), ..Manner::default() };
    let (stage, id) = with_machine(plain(), manner);
    let begin = stage.now();
    stage.engine().reboot(&id).unwrap();
    assert!(stage.now() - begin < seconds(5), "{:?}", stage.now() - begin);
}

#[test]
fn where_a_reboot_is_not_shown_it_is_not_waited_down() {
    let (stage, id) = with_machine(Spec { power: shapes::BLIND, ..plain() }, Manner::default());
    let begin = stage.now();
    stage.engine().reboot(&id).unwrap();
    assert!(stage.now() - begin < seconds(5), "{:?}", stage.now() - begin);
}

#[test]
fn a_change_whose_answer_is_lost_is_asked_for_again_and_ends_well() {
    type Run = fn(&Engine, &MachineId) -> Result<(), Error>;
    let runs: [(Run, Power); 3] =
        [(Engine::power_off, Power::Off), (Engine::reset, Power::Off), (Engine::reboot, Power::Reboot)];
    for (run, power) in runs {
        for fault in [Fault::Lost, Fault::Hang, Fault::Error(Kind::RateLimited)] {
            let (stage, id) = with_machine(plain(), Manner::default());
            stage.provider.strike(What::Power(power), 0..1, fault);
            run(&stage.engine(), &id).unwrap_or_else(|error| panic!("{power} {fault:?}: {error}"));
        }
    }
}

#[test]
fn a_change_that_is_refused_while_the_machine_is_busy_is_asked_for_again() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.lead(&id, &[(State::Starting, seconds(100)), (State::On, seconds(0))]);
    stage.engine().power_off(&id).unwrap();
    assert_eq!(stage.shown(&id).state, State::Off);
}

#[test]
fn a_reboot_of_a_machine_that_is_off_is_refused() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.lead(&id, &[(State::Off, seconds(0))]);
    let begin = stage.now();
    assert!(stage.engine().reboot(&id).is_err());
    assert!(stage.now() - begin < seconds(5));
}

#[test]
fn power_never_deletes_and_says_that_a_machine_is_gone() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.engine().cancel(&id, None).unwrap();
    let deletions = stage.provider.asked(What::Delete).len();
    for run in [Engine::resume, Engine::power_off, Engine::reset, Engine::reboot] {
        let result = run(&stage.engine(), &id);
        assert!(matches!(result, Err(Error::Vanished(_))), "{result:?}");
    }
    assert_eq!(stage.provider.asked(What::Delete).len(), deletions);
}

#[test]
fn a_machine_that_does_not_boot_is_told_of_and_kept() {
    let (stage, id) = with_machine(plain(), Manner { boot: seconds(9000), ..Manner::default() });
    stage.engine().power_off(&id).unwrap();
    let begin = stage.now();
    let error = stage.engine().resume(&id).unwrap_err().to_string();
    assert!(error.contains("not active after"), "{error}");
    assert!(stage.now() - begin <= seconds(1801));
    assert_eq!(stage.left(), [id]);
}

#[test]
fn a_change_of_power_that_was_accepted_and_failed_ends_the_wait_with_its_reason() {
    let manner = Manner { fails_power: Some("the BMC does not answer"), ..Manner::default() };
    let (stage, id) = with_machine(plain(), manner);
    let begin = stage.now();
    let error = stage.engine().power_off(&id).unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    assert!(error.to_string().contains("on (the BMC does not answer)"), "{error}");
    assert!(stage.now() - begin < seconds(10));
    assert_eq!(asked(&stage, Power::Off), 1);
}

#[test]
fn a_machine_that_is_installed_and_left_off_is_powered_on_before_it_is_handed_over() {
    let (stage, id) = with_machine(plain(), Manner { is_left_off: true, ..Manner::default() });
    assert_eq!(stage.shown(&id).state, State::On);
    assert_eq!(asked(&stage, Power::On), 1);
}
