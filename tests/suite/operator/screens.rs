//! What a person sees at a terminal of 120, 80 or 40 columns: tables, findings, errors; and what was typed.

use std::process::Stdio;

use crate::common::{Bench, UNKNOWN_ID, assert_failure_with, finish};
use crate::operator::terminal::terminal;
use simulator::oneprovision::Answer;
use simulator::{Effect, Fault, HostTemplate, NewDevice, Operation, PROJECT};
use unicode_width::UnicodeWidthStr;

fn run(bench: &Bench, words: &[&str]) -> Answer {
    finish(bench.explicit(words).spawn().unwrap())
}

/// What `words` print on a terminal of so many columns, and the exit code.
fn shown(bench: &Bench, words: &[&str], columns: u16) -> (String, Option<i32>) {
    let (screen, seen) = terminal(columns);
    let mut command = bench.explicit(words);
    command.stdout(screen).stderr(Stdio::null());
    let status = command.status().unwrap();
    drop(command);
    (seen.join().unwrap().replace("\r\n", "\n"), status.code())
}

/// A host with a machine, an orphan, and a machine of another provision.
fn bench() -> (Bench, String, String) {
    let bench = Bench::new().set("TERM", "dumb");
    let (_, id) = bench.deployed(7);
    let tagged = |tags: &[&str]| {
        let tags = [&["OpenNebula"], tags].concat();
        bench.simulator.add_device(NewDevice::with_tags(PROJECT, tags)).id
    };
    let orphan = tagged(&["ONE_HOST_ID=77"]);
    tagged(&["ONE_PROVISION_HOST=0aa0a0a0-1111-4222-8333-0a0a0a0a0a0a:9"]);
    (bench, id, orphan)
}

/// The lines of a list's table.
fn table(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| !line.is_empty()).collect()
}

#[test]
fn a_list_fits_the_terminal_and_loses_columns_in_the_order_that_the_manual_has() {
    let (bench, id, orphan) = bench();
    let whole = ["ID", "HOST", "NAME", "STATE", "PLAN", "PLACE", "ADDRESS", "AGE", "MARK"];
    for (columns, titles) in [
        (300, &whole[..]),
        (140, &["ID", "HOST", "NAME", "STATE", "PLAN", "ADDRESS", "AGE", "MARK"]),
        (100, &["ID", "HOST", "NAME", "STATE", "AGE", "MARK"]),
        (80, &["ID", "HOST", "NAME", "STATE", "MARK"]),
        (60, &["ID", "HOST", "MARK"]),
        (40, &["ID", "HOST", "MARK"]),
        (20, &["ID", "MARK"]),
    ] {
        let (text, code) = shown(&bench, &["list", "--all"], columns);
        assert_eq!(code, Some(1), "{text}");
        let table = table(&text);
        assert_eq!(table[0].split_whitespace().collect::<Vec<_>>(), titles, "at {columns}\n{text}");
        for line in &table {
            assert!(line.width() <= usize::from(columns), "{columns}: {line:?}");
        }
        let has_whole_ids = [&id, &orphan].iter().all(|id| table.iter().any(|line| line.starts_with(id.as_str())));
        assert_eq!(has_whole_ids, columns >= 60, "at {columns}\n{text}");
        // What is to be run is never broken.
        let command = text.lines().find(|line| line.contains(" cancel ")).unwrap();
        assert!(command.contains(&orphan), "{text}");
        let (wide, _) = shown(&bench, &["list", "--all", "--wide"], columns);
        assert_eq!(self::table(&wide)[0].split_whitespace().collect::<Vec<_>>(), whole, "{wide}");
    }
    let (text, _) = shown(&bench.set("COLUMNS", "40"), &["list", "--all"], 200);
    assert!(table(&text).iter().all(|line| line.width() <= 40), "{text}");
}

#[test]
fn a_list_has_the_forms_that_opennebulas_tools_have() {
    let (bench, id, orphan) = bench();
    let printed = |words: &[&str]| {
        let answer = run(&bench, &[&["list", "--all"], words].concat());
        assert_eq!(answer.status.code(), Some(1), "{answer:?}");
        answer.stdout
    };
    let csv = printed(&["--csv", "-l", "id,host,driver,mark"]);
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows[0], "ID,HOST,DRIVER,MARK");
    assert!(rows.contains(&format!("{id},7,packet,").as_str()), "{csv}");
    assert!(
        rows.contains(&format!("{orphan},77,packet,\"ORPHAN, still billed: no such host in oned\"").as_str()),
        "{csv}"
    );
    assert_eq!(rows.len(), 4);
    let mut ids: Vec<String> = printed(&["--no-header", "--list=ID"]).lines().map(str::to_owned).collect();
    let mut rows: Vec<String> = rows[1..].iter().map(|row| row.split(',').next().unwrap().to_owned()).collect();
    ids.sort();
    rows.sort();
    assert_eq!(ids, rows, "one id a line, and nothing else");
    assert_eq!(printed(&["-lMARK", "--no-header", "--csv"]).lines().count(), 3);
    // What is named is shortened, and not left out.
    let (text, _) = shown(&bench, &["list", "--all", "-l", "ID,NAME,PLACE,PLAN,MARK"], 48);
    assert_eq!(text.lines().next().unwrap().split_whitespace().count(), 5, "{text}");
    assert!(text.lines().all(|line| line.width() <= 48), "{text}");
    for (words, part) in [
        (&["list", "-l", "ID,NAEM"][..], "there is no column \"NAEM\": did you mean NAME? give some of ID,DRIVER,"),
        (&["list", "-l", ""], "there is no column \"\": give some of ID,"),
        (&["list", "--json", "--csv"], "--json has all there is to say"),
        (&["list", "--csv=yes"], "--csv takes no value: leave out what follows it"),
    ] {
        assert_failure_with(&run(&bench, words), &["list: ", part]);
    }
}

#[test]
fn an_empty_list_in_a_form_for_programs_has_no_sentence() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    let printed = |words: &[&str]| run(&bench, &[&["list", "--host", "7"], words].concat()).stdout;
    assert!(printed(&[]).starts_with("There is no machine"));
    assert_eq!(printed(&["--csv"]), "ID,HOST,NAME,STATE,PLAN,PLACE,ADDRESS,AGE,MARK\n");
    assert_eq!(printed(&["--no-header"]), "");
}

#[test]
fn wide_characters_are_counted_as_they_are_and_without_utf8_there_are_none() {
    let bench = Bench::new().set("TERM", "dumb").set("LANG", "de_CH.UTF-8");
    let template = HostTemplate { name: "\u{4e3b}\u{673a}".repeat(12), ..HostTemplate::new(7) };
    let id = bench.host(&template).deploy().unwrap().stdout;
    let (text, _) = shown(&bench, &["list", "--all"], 80);
    let row = table(&text).into_iter().find(|line| line.starts_with(&id)).unwrap().to_owned();
    assert!(row.contains("\u{4e3b}\u{673a}") && row.contains('\u{2026}') && row.width() <= 80, "{row}");
    let state = text.lines().next().unwrap().find("STATE").unwrap();
    let before: String = row.split("active").next().unwrap().to_owned();
    assert_eq!(before.width(), state, "{text}");
    for locale in ["C", "de_CH.ISO-8859-1"] {
        let bench = Bench::new().set("TERM", "dumb").set("LC_ALL", locale).set("LANG", "de_CH.UTF-8");
        let template = HostTemplate { name: "\u{4e3b}\u{673a}".repeat(12), ..HostTemplate::new(7) };
        bench.host(&template).deploy().unwrap();
        for columns in [80, 40] {
            let (text, _) = shown(&bench, &["list", "--all"], columns);
            assert!(text.is_ascii(), "{text}");
            assert!(table(&text).iter().all(|line| line.len() <= usize::from(columns)), "{text}");
        }
        assert!(run(&bench, &["check", "--host", "7"]).stdout.is_ascii());
        // JSON says the same in UTF-8, whatever the locale is (RFC 8259, 8.1).
        assert!(run(&bench, &["list", "--all", "--json"]).stdout.contains('\u{4e3b}'));
    }
}

#[test]
fn check_fits_the_terminal_and_says_all_of_it() {
    let bench = Bench::new().set("TERM", "dumb");
    let template = HostTemplate::new(7).with("PLAN", "baremetal_99").with("PLNA", "x").without("OS");
    bench.host(&template);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (wide, code) = shown(&bench, &["check", "--host", "7", "--wide"], 40);
    assert_eq!(code, Some(1), "{wide}");
    assert!(wide.lines().any(|line| line.width() > 80), "{wide}");
    assert!(wide.contains("did you mean PLAN by PLNA?"), "{wide}");
    for columns in [120, 80, 40] {
        let (text, code) = shown(&bench, &["check", "--host", "7"], columns);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.lines().all(|line| line.width() <= usize::from(columns)), "at {columns}\n{text}");
        let letters = |text: &str| words(text).concat();
        assert_eq!(letters(&text), letters(&wide), "at {columns}\n{text}");
    }
    assert_eq!(words(&run(&bench, &["check", "--host", "7"]).stdout), words(&wide), "a pipe takes any line");
}

#[test]
fn on_a_terminal_an_error_is_a_sentence_and_its_causes_and_through_a_link_it_has_its_frame() {
    let bench = Bench::new().set("TERM", "dumb");
    let file = bench.host(&HostTemplate::new(7)).write_deployment_file().unwrap();
    bench.simulator.fault(Fault::new(Operation::Create, Effect::status(422)).forever());
    let seen = |program: &str, words: &[&str]| {
        let (screen, seen) = terminal(80);
        let mut command = match program {
            "" => bench.explicit(words),
            link => bench.command(link, words),
        };
        let status = command.stderr(screen).stdout(Stdio::piped()).status().unwrap();
        drop(command);
        assert_eq!(status.code(), Some(255));
        seen.join().unwrap().replace("\r\n", "\n")
    };
    let text = seen("", &["deploy", &file, "TODO"]);
    assert!(text.starts_with("pm-packet deploy: packet gives no machine for host 7 ("), "{text}");
    assert!(!text.contains("ERROR MESSAGE"), "{text}");
    assert!(text.lines().skip(1).all(|line| line.starts_with("  ")), "{text}");
    let framed = seen("deploy", &[&file, "TODO"]);
    assert!(framed.starts_with("ERROR MESSAGE --8<------\ndeploy: packet gives no machine"), "{framed}");
    let text = seen("", &["chekc", &file]);
    assert!(text.starts_with("pm-packet: there is no action \"chekc\": did you mean check? "), "{text}");
    let coloured = Bench::new().set("TERM", "xterm");
    let (screen, seen) = terminal(80);
    let mut command = coloured.explicit(&["frobnicate"]);
    command.stderr(screen).status().unwrap();
    drop(command);
    assert!(seen.join().unwrap().starts_with("\x1b[31mpm-packet:\x1b[0m there is no action"));
}

#[test]
fn options_are_taken_in_every_form_and_a_slip_is_told_with_what_was_meant() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    for words in [
        &["check", "--host=7"][..],
        &["check", "--host", "7", "--driver=packet"],
        &["--driver", "packet", "check", "--host", "7"],
        &["poll", "--driver", "packet", &id, "TODO", "7", "TODO"],
        &["poll", &id, "--", "TODO", "7", "TODO"],
        &["version"],
        &["help"],
        &["help", "check"],
        &["help", "--help"],
        &["help", "help"],
        &["help", "version"],
        &["version", "x"],
        &["check", "--help", "--host"],
    ] {
        let answer = run(&bench, words);
        assert!(answer.is_success() && !answer.stdout.is_empty(), "{words:?}: {answer:?}");
    }
    assert_eq!(run(&bench, &["help", "check"]).stdout, run(&bench, &["check", "-h"]).stdout);
    assert_eq!(run(&bench, &["version"]).stdout, run(&bench, &["-V"]).stdout);
    for (words, part) in [
        (
            &["check", "--hots", "7"][..],
            "check: there is no option --hots: did you mean --host? see `pm-packet check --help`",
        ),
        (&["check", "-x"], "check: there is no option -x: see `pm-packet check --help`"),
        (&["check", "--host"], "check: --host lacks its value"),
        (&["check", "--host=7", "--host", "8"], "check: --host stands twice: give it once"),
        (&["check", "a", "b"], "check: \"b\" is one argument too many"),
        (&["--drivr", "packet", "check"], "there is no option --drivr: did you mean --driver? see `pm-packet --help`"),
        (&["--driver"], "--driver lacks its value: see `pm-packet --help`"),
        (&["help", "pol"], "there is no action \"pol\": did you mean poll? "),
        (&["--driver", "pakcet", "poll", &id], "poll: there is no provider \"pakcet\": did you mean packet? "),
        (&["list", "--driver=pakcet"], "list: there is no provider \"pakcet\": did you mean packet? "),
        (&["cancel", &id, "-5"], "cancel: there is no option -5"),
    ] {
        assert_failure_with(&run(&bench, words), &[part]);
    }
}

#[test]
fn a_misspelt_attribute_is_told_with_the_one_that_was_meant() {
    let bench = Bench::new();
    let template = HostTemplate::new(7).without("PLAN").with("PLNA", "baremetal_0");
    let answer = bench.host(&template).deploy().unwrap();
    let lacks = "PROVISION lacks the mandatory attributes PLAN: did you mean PLAN by PLNA? add them";
    assert_failure_with(&answer, &[lacks]);
    let template = HostTemplate::new(8).without("PACKET_TOKEN").with("PAKCET_TOKEN", "x");
    let host = bench.host(&template);
    let lacks = "PROVISION lacks the mandatory attributes PACKET_TOKEN: did you mean PACKET_TOKEN by PAKCET_TOKEN? add";
    assert_failure_with(&host.deploy().unwrap(), &[lacks]);
    let answer = run(&bench, &["poll", UNKNOWN_ID, "node", "8", "node"]);
    assert_failure_with(&answer, &["there is no PACKET_TOKEN: did you mean PACKET_TOKEN by PAKCET_TOKEN? put it"]);
}

#[test]
fn a_misspelt_attribute_that_nobody_needs_is_warned_of_by_deploy() {
    let bench = Bench::new();
    let template = HostTemplate::new(7).with("USERDTA", "x").with("RACK_ROW", "7");
    let answer = bench.host(&template).deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(answer.stderr, "WARNING: packet does not read USERDTA: did you mean USERDATA?\n");
}

#[test]
fn d_logs_as_that_of_oneprovision_does() {
    let bench = Bench::new();
    bench.deployed(7);
    let logged = |words: &[&str]| {
        let answer = run(&bench, words);
        assert!(answer.is_success(), "{answer:?}");
        (answer.stderr.matches(" INFO  : ").count(), answer.stderr.matches(" DEBUG : ").count())
    };
    assert_eq!(logged(&["check", "--host", "7"]), (0, 0));
    for words in [&["-d", "check", "--host", "7"][..], &["check", "--host", "7", "--verbose"]] {
        let (decisions, requests) = logged(words);
        assert!(decisions > 1 && requests == 0, "{words:?}");
    }
    for words in [&["-D", "check", "--host", "7"][..], &["check", "--debug", "--host", "7", "-d"]] {
        let (decisions, requests) = logged(words);
        assert!(decisions > 1 && requests > 1, "{words:?}");
    }
}

#[test]
fn a_variable_that_says_how_things_look_never_fails_an_action() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for variable in ["LANG", "LC_ALL", "COLUMNS", "TERM", "NO_COLOR"] {
        let mut command = bench.command("poll", &[&id, "TODO", "7", "TODO"]);
        let answer = finish(command.env(variable, odd).spawn().unwrap());
        assert!(answer.is_success(), "{variable}: {answer:?}");
    }
}

#[test]
fn the_log_has_the_local_time() {
    let bench = Bench::new();
    // Zones as POSIX writes them: west of Greenwich counts up.
    let minute_of_day = |zone: &str| {
        let mut command = bench.explicit(&["-d", "list"]);
        let answer = finish(command.env("TZ", zone).spawn().unwrap());
        let clock = answer.stderr.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let parts: Vec<i32> = clock.split(':').map(|part| part.parse().unwrap()).collect();
        parts[0] * 60 + parts[1]
    };
    let here = minute_of_day("UTC0");
    for (zone, ahead) in [("AAA-5:30", 330), ("BBB8", -480)] {
        let difference = (minute_of_day(zone) - here - ahead).rem_euclid(24 * 60);
        assert!(difference <= 1, "{zone}: {difference} minutes off");
    }
}

#[test]
fn why_an_answer_cannot_be_printed_is_told_in_the_systems_words_alone() {
    let bench = Bench::new();
    for words in [&["version"][..], &["help"], &["list", "--all"], &["list", "--all", "--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = bench.explicit(words);
        let answer = finish(command.stdout(full).spawn().unwrap());
        assert_failure_with(&answer, &["the answer cannot be printed: keep stdout open"]);
        assert!(answer.stderr.contains("\nNo space left on device\n"), "{answer:?}");
    }
}
