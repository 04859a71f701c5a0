//! `install.sh`, run on scratch folders: what it leaves in the tree, and what it refuses to touch.
//!
//! The binary that is installed here is a small script, and so are the tools that a test wants to fail. The
//! tests hold for root and for any other user.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pm_packet::provider::PROVIDERS;

const ACTIONS: [&str; 6] = ["cancel", "deploy", "poll", "reboot", "reset", "shutdown"];
/// The completions: what they are here, and where they are installed.
const COMPLETIONS: [(&str, &str); 3] = [
    ("completions/pm-packet.bash", "share/bash-completion/completions/pm-packet"),
    ("completions/_pm-packet", "share/zsh/site-functions/_pm-packet"),
    ("completions/pm-packet.fish", "share/fish/vendor_completions.d/pm-packet.fish"),
];
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");
/// What stands in for the binary: it is asked for its version before it is installed.
const FAKE: &str = "case $* in --version) echo pm-packet 9.9.9 ;; *) echo \"$0 $*\" ;; esac";

// --- Where a test works ---------------------------------------------------------------------------------

/// A folder of one test: `one` is the installation, `tools` comes first on PATH, `tmp` is TMPDIR.
struct Scratch {
    root: PathBuf,
}

impl Scratch {
    fn new(test: &str) -> Self {
        let name = format!("pm-packet-install-{}-{test}", std::process::id());
        let root = std::env::temp_dir().canonicalize().unwrap().join(name);
        let scratch = Self { root };
        for folder in ["one", "tools", "tmp"] {
            fs::create_dir_all(scratch.path(folder)).unwrap();
            set_mode(&scratch.path(folder), 0o755);
        }
        set_mode(&scratch.root, 0o755);
        scratch.script("fake", FAKE);
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn pm(&self, name: &str) -> PathBuf {
        self.path("one/var/remotes/pm").join(name)
    }

    /// Writes an executable. Another process writes it: a descriptor of ours that is open for writing could be
    /// inherited by what another test starts at that moment, and a file that anyone writes cannot be run.
    fn script(&self, name: &str, body: &str) {
        let mut install = Command::new("install")
            .args(["-m", "755", "/dev/stdin"])
            .arg(self.path(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("#!/bin/sh\n{body}\n");
        install.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(install.wait().unwrap().success());
    }

    /// A cargo that says it is VERSION, notes how it is called, and has built FAKE programs.
    fn cargo(&self, version: &str, programs: &[&str]) {
        let mut body = format!(
            "if [ \"$1\" = --version ]; then echo 'cargo {version} (0123abcd 2000-01-01)'; exit; fi\n\
             echo \"$PWD: $*\" >> '{}'\n\
             echo '{{\"reason\":\"compiler-artifact\",\"executable\":null}}'\n",
            self.text("cargo.log")
        );
        for program in programs {
            body += &format!("echo '{{\"fresh\":true,\"executable\":\"{}\"}}'\n", self.text(program));
        }
        self.script("tools/cargo", &body);
    }

    fn command(&self, installer: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(installer);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{}:{}", self.text("tools"), path()))
            .env("HOME", &self.root)
            .env("TMPDIR", self.path("tmp"))
            .env("LC_ALL", "C")
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(&installer(), arguments))
    }

    /// Installs the fake binary into `one`, with further arguments.
    fn install(&self, arguments: &[&str]) -> Run {
        self.run(&[&["-d", "one", "-b", "fake"], arguments].concat())
    }

    fn remove(&self, arguments: &[&str]) -> Run {
        self.run(&[&["-d", "one", "-r"], arguments].concat())
    }

    /// Asserts that `one` holds the installation of these drivers and `others`, and that no temporary file is
    /// left anywhere.
    #[track_caller]
    fn assert_installed(&self, drivers: &[&str], others: &[(&str, &str)]) {
        let mut expected: BTreeMap<String, String> =
            others.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect();
        if !drivers.is_empty() {
            let binary = fs::read_to_string(self.path("fake")).unwrap();
            expected.insert("var/remotes/pm/pm-packet".into(), format!("755 {binary}"));
            let target = self.text("one/var/remotes/pm/pm-packet");
            expected.insert("bin/pm-packet".into(), format!("-> {target}"));
            let manual = fs::read_to_string(Path::new(REPOSITORY).join("man/pm-packet.1")).unwrap();
            expected.insert("share/man/man1/pm-packet.1".into(), format!("644 {manual}"));
            for (source, place) in COMPLETIONS {
                let completion = fs::read_to_string(Path::new(REPOSITORY).join(source)).unwrap();
                expected.insert(place.into(), format!("644 {completion}"));
            }
            let mut names = drivers.to_vec();
            names.sort_unstable();
            expected.insert("var/remotes/pm/pm-packet.drivers".into(), format!("644 {}\n", names.join("\n")));
        }
        for driver in drivers {
            for action in ACTIONS {
                let name = format!("var/remotes/pm/{driver}/{action}");
                expected.insert(name, "-> ../pm-packet".into());
            }
        }
        assert_eq!(tree(&self.path("one")), expected);
        assert_eq!(tree(&self.path("tmp")), BTreeMap::new());
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.root);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// How a run ended, and what it said.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    #[track_caller]
    fn succeeded(&self) -> &Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self
    }

    /// Asserts that it failed and that these words stand on stderr, the first of them in its first line.
    #[track_caller]
    fn failed(&self, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        let first = self.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("install.sh: "), "{}", self.stderr);
        assert!(first.contains(words[0]), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word} in {}", self.stderr);
        }
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn installer() -> PathBuf {
    Path::new(REPOSITORY).join("install.sh")
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What stands in FOLDER: links as their targets, files as mode and content, folders only where empty, and the
/// empty folders of an installation not at all.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_symlink() {
                found.insert(name, format!("-> {}", path.read_link().unwrap().display()));
            } else if metadata.is_file() {
                let content = fs::read_to_string(&path).unwrap();
                found.insert(name, format!("{:o} {content}", metadata.mode() & 0o7777));
            } else {
                let frame = ["bin", "var", "var/remotes", "var/remotes/pm"];
                if fs::read_dir(&path).unwrap().next().is_none() && !frame.contains(&&*name) {
                    found.insert(name.clone(), "empty".into());
                }
                walk(root, &path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// Inode and time of change of all that stands in FOLDER.
fn identities(folder: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let listing = Command::new("find").arg(folder).output().unwrap();
    String::from_utf8(listing.stdout)
        .unwrap()
        .lines()
        .map(|name| {
            let metadata = fs::symlink_metadata(name).unwrap();
            let identity = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
            (name.to_owned(), identity)
        })
        .collect()
}

/// A stock driver as OpenNebula's package leaves it.
fn stock(scratch: &Scratch, driver: &str) {
    fs::create_dir_all(scratch.pm(driver)).unwrap();
    fs::write(scratch.pm(driver).join("deploy"), "stock\n").unwrap();
    set_mode(&scratch.pm(driver).join("deploy"), 0o750);
}

/// The names of all drivers, sorted.
fn drivers() -> Vec<&'static str> {
    let mut names: Vec<&str> = PROVIDERS.iter().map(|one| one.spec().name).collect();
    names.sort_unstable();
    names
}

// --- Installing and removing ----------------------------------------------------------------------------

#[test]
fn the_repository_holds_the_links_as_they_are_installed() {
    let links: BTreeMap<String, String> = drivers()
        .into_iter()
        .flat_map(|driver| ACTIONS.map(|action| format!("{driver}/{action}")))
        .map(|name| (name, "-> ../pm-packet".to_owned()))
        .collect();
    assert_eq!(tree(&Path::new(REPOSITORY).join("remotes/pm")), links);
}

#[test]
fn a_fresh_installation() {
    let scratch = Scratch::new("fresh");
    let run = scratch.install(&[]);
    run.succeeded();
    scratch.assert_installed(&["packet"], &[]);
    for place in ["bin/pm-packet", "var/remotes/pm/packet/deploy"] {
        let program = scratch.path("one").join(place);
        let answer = Run::of(Command::new(&program).arg("FILE"));
        assert_eq!(answer.succeeded().stdout, format!("{} FILE\n", program.display()));
        let folder = scratch.path("one").join(place);
        let folder = folder.parent().unwrap().metadata().unwrap();
        assert_eq!(folder.mode() & 0o777, 0o755);
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let scratch = Scratch::new("twice");
    scratch.install(&["-D", "packet", "-D", "dummy"]).succeeded();
    let before = identities(&scratch.path("one"));
    let second = scratch.install(&["-D", "dummy", "-D", "packet", "-D", "packet"]);
    assert!(second.succeeded().stdout.starts_with("nothing to do: "));
    assert_eq!(identities(&scratch.path("one")), before);
    scratch.assert_installed(&["packet", "dummy"], &[]);
}

#[test]
fn a_new_binary_does_not_disturb_a_running_driver() {
    let scratch = Scratch::new("upgrade");
    scratch.install(&[]).succeeded();
    let mut running = fs::File::open(scratch.pm("pm-packet")).unwrap();
    let links = identities(&scratch.pm("packet"));
    scratch.script("fake", "echo pm-packet 9.9.10");
    let run = scratch.install(&[]);
    let program = scratch.text("one/var/remotes/pm/pm-packet");
    assert_eq!(run.succeeded().stdout, format!("installed {program}\n"));
    let mut text = String::new();
    running.read_to_string(&mut text).unwrap();
    assert!(!text.contains("9.9.10"), "{text}");
    assert_eq!(identities(&scratch.pm("packet")), links);
    scratch.assert_installed(&["packet"], &[]);
}

#[test]
fn what_was_damaged_is_mended() {
    let scratch = Scratch::new("damaged");
    scratch.install(&[]).succeeded();
    set_mode(&scratch.pm("pm-packet"), 0o600);
    fs::remove_file(scratch.pm("packet/poll")).unwrap();
    fs::remove_file(scratch.path("one/bin/pm-packet")).unwrap();
    symlink("/elsewhere/var/remotes/pm/pm-packet", scratch.path("one/bin/pm-packet")).unwrap();
    scratch.install(&[]).succeeded();
    scratch.assert_installed(&["packet"], &[]);
}

#[test]
fn what_stood_there_is_kept_whole_and_put_back() {
    let scratch = Scratch::new("stock");
    type Setup = fn(&Scratch);
    let cases: [(&str, &str, &str, Setup); 5] = [
        ("packet/deploy", "packet/deploy.stock", "750 stock\n", |scratch| stock(scratch, "packet")),
        ("packet/poll", "packet/poll.stock", "-> /opt/poll", |scratch| {
            fs::create_dir(scratch.pm("packet")).unwrap();
            symlink("/opt/poll", scratch.pm("packet/poll")).unwrap();
        }),
        ("packet/library.rb", "packet/library.rb", "644 mine", |scratch| {
            fs::create_dir(scratch.pm("packet")).unwrap();
            fs::write(scratch.pm("packet/library.rb"), "mine").unwrap();
            set_mode(&scratch.pm("packet/library.rb"), 0o644);
        }),
        ("packet", "packet.stock", "644 a file", |scratch| {
            fs::write(scratch.pm("packet"), "a file").unwrap();
            set_mode(&scratch.pm("packet"), 0o644);
        }),
        ("packet", "packet.stock", "-> /nowhere", |scratch| {
            symlink("/nowhere", scratch.pm("packet")).unwrap();
        }),
    ];
    for (place, kept, content, set_up) in cases {
        fs::create_dir_all(scratch.pm("")).unwrap();
        set_up(&scratch);
        let kept = format!("var/remotes/pm/{kept}");
        for _ in 0..2 {
            scratch.install(&[]).succeeded();
            scratch.assert_installed(&["packet"], &[(&kept, content)]);
        }
        let restored = format!("var/remotes/pm/{place}");
        for _ in 0..2 {
            scratch.remove(&[]).succeeded();
            scratch.assert_installed(&[], &[(&restored, content)]);
        }
        fs::remove_dir_all(scratch.path("one")).unwrap();
    }
}

#[test]
fn removing_twice_or_what_was_never_installed_changes_nothing() {
    let scratch = Scratch::new("nothing");
    let before = identities(&scratch.path("one"));
    let run = scratch.remove(&[]);
    assert!(run.succeeded().stdout.starts_with("nothing to remove: "));
    assert_eq!(identities(&scratch.path("one")), before);
    scratch.install(&[]).succeeded();
    scratch.remove(&[]).succeeded();
    let run = scratch.remove(&[]);
    assert!(run.succeeded().stdout.starts_with("nothing to remove: "));
    scratch.assert_installed(&[], &[]);
}

#[test]
fn the_binary_goes_with_the_last_driver() {
    let scratch = Scratch::new("drivers");
    stock(&scratch, "dummy");
    scratch.install(&["-D", "dummy", "-D", "packet"]).succeeded();
    let kept = ("var/remotes/pm/dummy/deploy.stock", "750 stock\n");
    let restored = ("var/remotes/pm/dummy/deploy", "750 stock\n");
    scratch.assert_installed(&["dummy", "packet"], &[kept]);
    scratch.remove(&["-D", "dummy"]).succeeded();
    scratch.assert_installed(&["packet"], &[restored]);
    scratch.remove(&["-D", "dummy", "-D", "packet"]).succeeded();
    scratch.assert_installed(&[], &[restored]);
}

#[test]
fn only_the_drivers_that_are_named_are_installed() {
    let scratch = Scratch::new("named");
    stock(&scratch, "packet");
    scratch.install(&["-D", "dummy"]).succeeded();
    let untouched = ("var/remotes/pm/packet/deploy", "750 stock\n");
    scratch.assert_installed(&["dummy"], &[untouched]);
    let run = scratch.remove(&[]);
    assert!(run.succeeded().stdout.contains("it is not ours"));
    scratch.assert_installed(&["dummy"], &[untouched]);
}

#[test]
fn a_removal_that_was_cut_short_is_completed() {
    let scratch = Scratch::new("cut-short");
    stock(&scratch, "packet");
    scratch.install(&[]).succeeded();
    fs::rename(scratch.pm("packet/deploy.stock"), scratch.pm("packet/deploy")).unwrap();
    fs::remove_file(scratch.pm("packet/poll")).unwrap();
    fs::write(scratch.pm("packet/.pm-packet.4711"), "what a run that was killed left").unwrap();
    scratch.remove(&[]).succeeded();
    scratch.assert_installed(&[], &[("var/remotes/pm/packet/deploy", "750 stock\n")]);
}

#[test]
fn files_among_our_links_are_never_lost() {
    let scratch = Scratch::new("mixed");
    scratch.install(&[]).succeeded();
    fs::write(scratch.pm("packet/.notes"), "mine").unwrap();
    set_mode(&scratch.pm("packet/.notes"), 0o644);
    let notes = ("var/remotes/pm/packet/.notes", "644 mine");
    scratch.install(&[]).succeeded();
    scratch.assert_installed(&["packet"], &[notes]);
    scratch.remove(&[]).succeeded();
    scratch.assert_installed(&[], &[notes]);
}

// --- Upgrades of OpenNebula, and from 0.1.0 -------------------------------------------------------------

/// What an upgrade of OpenNebula's package does where dpkg was told of no diversion, and what rpm does: its
/// scripts, of this version, replace our links.
fn upgrade_of_stock(scratch: &Scratch, version: &str) {
    for action in ACTIONS {
        let new = scratch.pm(&format!("packet/{action};1"));
        fs::create_dir_all(scratch.pm("packet")).unwrap();
        fs::write(&new, format!("{version}\n")).unwrap();
        set_mode(&new, 0o750);
        fs::rename(&new, scratch.pm(&format!("packet/{action}"))).unwrap();
    }
}

/// The scripts of a stock driver of this version, by the name that each action has.
fn scripts(version: &str, suffix: &str) -> Vec<(String, String)> {
    let name = |action| format!("var/remotes/pm/packet/{action}{suffix}");
    ACTIONS.map(|action| (name(action), format!("750 {version}\n"))).to_vec()
}

#[track_caller]
fn assert_installed_with(scratch: &Scratch, drivers: &[&str], others: &[(String, String)]) {
    let others: Vec<(&str, &str)> = others.iter().map(|(name, content)| (&**name, &**content)).collect();
    scratch.assert_installed(drivers, &others);
}

#[test]
fn running_it_again_after_an_upgrade_of_opennebula_mends_the_links_and_keeps_the_newest_scripts() {
    let scratch = Scratch::new("upgrade-of-stock");
    upgrade_of_stock(&scratch, "5.8");
    scratch.install(&[]).succeeded();
    for version in ["5.10", "5.12"] {
        upgrade_of_stock(&scratch, version);
        let status = scratch.run(&["--status", "-d", "one"]);
        assert_eq!(status.code, Some(1), "{}", status.stderr);
        assert!(status.stdout.contains("packet: NOT OURS any more: cancel deploy poll"), "{}", status.stdout);
        assert!(status.stdout.contains("Run install.sh again"), "{}", status.stdout);
        // Whichever driver is named, all that was installed is mended.
        scratch.install(&["-D", "dummy"]).succeeded();
        assert_installed_with(&scratch, &["packet", "dummy"], &scripts(version, ".stock"));
        let status = scratch.run(&["--status", "-d", "one"]);
        let shown = &status.succeeded().stdout;
        assert!(shown.starts_with("pm-packet 9.9.9 in "), "{shown}");
        assert!(shown.contains("  dummy: ours\n  packet: ours (ACTION.stock beside it"), "{shown}");
    }
    scratch.remove(&["-D", "packet", "-D", "dummy"]).succeeded();
    assert_installed_with(&scratch, &[], &scripts("5.12", ""));
}

#[test]
fn an_upgrade_of_opennebula_before_the_removal_is_what_stays() {
    let scratch = Scratch::new("upgrade-then-removal");
    upgrade_of_stock(&scratch, "5.10");
    scratch.install(&[]).succeeded();
    upgrade_of_stock(&scratch, "5.12");
    scratch.remove(&[]).succeeded();
    assert_installed_with(&scratch, &[], &scripts("5.12", ""));
}

/// An installation as 0.1.0 left it: the stock driver's folder was moved away whole, and there was no list.
fn installation_of_0_1_0(scratch: &Scratch) {
    upgrade_of_stock(scratch, "5.10");
    fs::write(scratch.pm("packet/library.rb"), "stock").unwrap();
    set_mode(&scratch.pm("packet/library.rb"), 0o640);
    fs::rename(scratch.pm("packet"), scratch.pm("packet.stock")).unwrap();
    fs::create_dir(scratch.pm("packet")).unwrap();
    for action in ACTIONS {
        symlink("../pm-packet", scratch.pm("packet").join(action)).unwrap();
    }
    scratch.script("one/var/remotes/pm/pm-packet", "echo pm-packet 0.1.0");
}

#[test]
fn what_0_1_0_kept_stays_and_comes_back() {
    let scratch = Scratch::new("from-0.1.0");
    let library = |folder: &str| (format!("var/remotes/pm/{folder}/library.rb"), "640 stock".to_owned());
    let in_folder = |version: &str| -> Vec<(String, String)> {
        let moved = |(name, content): (String, String)| (name.replace("/packet/", "/packet.stock/"), content);
        scripts(version, "").into_iter().map(moved).chain([library("packet.stock")]).collect()
    };
    let restored = |version: &str| [scripts(version, ""), vec![library("packet")]].concat();

    installation_of_0_1_0(&scratch);
    assert!(scratch.run(&["--status", "-d", "one"]).succeeded().stdout.starts_with("pm-packet 0.1.0 in"));
    for _ in 0..2 {
        scratch.install(&[]).succeeded();
        assert_installed_with(&scratch, &["packet"], &in_folder("5.10"));
    }
    scratch.remove(&[]).succeeded();
    assert_installed_with(&scratch, &[], &restored("5.10"));
    fs::remove_dir_all(scratch.path("one/var")).unwrap();

    // OpenNebula was upgraded in between: today's scripts come back, and what only the older ones had.
    installation_of_0_1_0(&scratch);
    upgrade_of_stock(&scratch, "5.12");
    assert_eq!(scratch.run(&["--status", "-d", "one"]).code, Some(1));
    scratch.install(&[]).succeeded();
    assert_installed_with(&scratch, &["packet"], &[in_folder("5.10"), scripts("5.12", ".stock")].concat());
    scratch.remove(&[]).succeeded();
    assert_installed_with(&scratch, &[], &restored("5.12"));
    fs::remove_dir_all(scratch.path("one/var")).unwrap();

    // And -r of this version takes an installation of 0.1.0 away.
    installation_of_0_1_0(&scratch);
    scratch.remove(&[]).succeeded();
    assert_installed_with(&scratch, &[], &restored("5.10"));
}

#[test]
fn folders_with_blanks_and_quotes() {
    let scratch = Scratch::new("blanks");
    for name in ["a folder", "-it's \"one\" $HOME;*", "not/yet/there"] {
        fs::remove_dir_all(scratch.path("one")).unwrap();
        let folder = scratch.path(name);
        let absolute = folder.to_str().unwrap();
        scratch.run(&["-d", absolute, "-b", "fake", "-D", "packet", "-D", "dummy"]).succeeded();
        let again = scratch.run(&["-d", &format!("{name}//"), "-b", "./fake"]);
        assert!(again.succeeded().stdout.starts_with("nothing to do: "));
        let program = folder.join("bin/pm-packet");
        Run::of(&mut Command::new(&program)).succeeded();
        fs::rename(&folder, scratch.path("one")).unwrap();
        fs::remove_file(scratch.path("one/bin/pm-packet")).unwrap();
        scratch.install(&[]).succeeded();
        scratch.assert_installed(&["packet", "dummy"], &[]);
        fs::rename(scratch.path("one"), &folder).unwrap();
        scratch.run(&["-r", "-d", name, "-D", "packet", "-D", "dummy"]).succeeded();
        assert_eq!(tree(&folder), BTreeMap::new());
        fs::rename(&folder, scratch.path("one")).unwrap();
    }
}

#[test]
fn the_hook_of_host_high_availability() {
    let scratch = Scratch::new("fence");
    let hook = "one/var/remotes/hooks/ft/fence_host.sh";
    fs::create_dir_all(scratch.path("one/var/remotes/hooks/ft")).unwrap();
    scratch.script(hook, "exit 1");
    let place = |name: &str| format!("var/remotes/hooks/ft/fence_host.sh{name}");
    let script = |name: &str| (place(name), "755 #!/bin/sh\nexit 1\n".to_owned());
    let link = (place(""), "-> ../../pm/pm-packet".to_owned());
    let list = |names: &str| ("var/remotes/pm/pm-packet.drivers".to_owned(), format!("644 {names}\n"));
    let hook_alone = |scratch: &Scratch| {
        let mut found = tree(&scratch.path("one"));
        found.retain(|name, _| name.contains("hooks") || name.contains(".drivers") || name.contains("packet/"));
        found
    };
    let expected = BTreeMap::from([script(".stock"), link.clone(), list("fence")]);
    for _ in 0..2 {
        scratch.run(&["--fence", "-d", "one", "-b", "fake"]).succeeded();
        assert_eq!(hook_alone(&scratch), expected);
    }
    let answer = Run::of(Command::new(scratch.path(hook)).arg("HOST"));
    assert!(answer.succeeded().stdout.contains("fence_host.sh HOST"), "{}", answer.stdout);
    // The drivers come and go without it.
    scratch.install(&[]).succeeded();
    assert!(scratch.run(&["--status", "-d", "one"]).succeeded().stdout.contains("fence_host.sh is ours"));
    scratch.remove(&[]).succeeded();
    assert_eq!(hook_alone(&scratch), expected);
    Run::of(&mut Command::new(scratch.path(hook))).succeeded();
    // An upgrade of OpenNebula puts its own there.
    scratch.script("new", "exit 2");
    fs::rename(scratch.path("new"), scratch.path(hook)).unwrap();
    assert!(scratch.run(&["--status", "-d", "one"]).stdout.contains("fence_host.sh is NOT OURS any more"));
    scratch.install(&[]).succeeded();
    assert!(tree(&scratch.path("one"))[&place(".stock")].contains("exit 2"));
    scratch.run(&["-r", "--fence", "-d", "one"]).succeeded();
    assert!(tree(&scratch.path("one"))[&place("")].contains("exit 2"));
    scratch.assert_installed(&["packet"], &[(&place(""), "755 #!/bin/sh\nexit 2\n")]);
    let untouched = scratch.run(&["--fence", "-r", "-d", "one"]);
    assert!(untouched.succeeded().stdout.contains("it is not ours"), "{}", untouched.stdout);
    scratch.run(&["--fence", "-D", "packet", "-d", "one"]).failed(&["--fence takes no -D"]);
}

// --- Refusing -------------------------------------------------------------------------------------------

#[test]
fn the_help() {
    let scratch = Scratch::new("help");
    for option in ["-h", "--help"] {
        let run = scratch.run(&[option]);
        let text = &run.succeeded().stdout;
        assert!(text.starts_with("Usage: ./install.sh "), "{text}");
        assert!(text.lines().count() <= 32, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        for option in ["-d", "-u", "-g", "-D", "-b", "-r", "-h", "--fence", "--status", "--demo"] {
            assert!(text.contains(&format!("\n  {option} ")), "{option}");
        }
    }
}

#[test]
fn wrong_arguments_touch_nothing() {
    let scratch = Scratch::new("arguments");
    stock(&scratch, "packet");
    let before = identities(&scratch.path("one"));
    let drivers = drivers().join(" ");
    let cases: [(&[&str], &str, &str); 19] = [
        (&["-x"], "no option -x", "-h lists the options"),
        (&["--frobnicate"], "no option --", "-h lists the options"),
        (&["-d"], "-d needs a value", "-h"),
        // The system's folders would be meant: even then, nothing may be installed there by a test.
        (&["-d", "", "-b", "nosuch"], "-d needs a value", "-h"),
        (&["-u", ""], "-u needs a value", "-h"),
        (&["-b", ""], "-b needs a value", "-h"),
        (&["one"], "'one' is not expected", "-h"),
        (&["-D", "nosuch"], "no driver 'nosuch'", &drivers),
        (&["-D", ""], "no driver ''", &drivers),
        (&["-D", "."], "no driver '.'", &drivers),
        (&["-D", ".."], "no driver '..'", &drivers),
        (&["-D", "../pm/packet"], "no driver '../pm", &drivers),
        (&["-D", "dummy packet"], "no driver 'dummy p", &drivers),
        (&["-D", "-packet"], "no driver '-packet'", &drivers),
        (&["-D", "dummy\npacket"], "no driver 'dummy", &drivers),
        (&["-D", "packet\n"], "no driver 'packet", &drivers),
        (&["-b", "nosuch"], "no file nosuch", "-b"),
        (&["-b", "tmp"], "no file tmp", "-b"),
        (&["-r"], "-r takes only -d and -D", "-h"),
    ];
    for (arguments, first, remedy) in cases {
        scratch.install(arguments).failed(&[first, remedy]);
        assert_eq!(identities(&scratch.path("one")), before, "{arguments:?}");
    }
    let run = scratch.run(&["--demo", "-d", "one"]);
    run.failed(&["--demo stands alone"]);
    for arguments in [["--status", "-b", "fake"].as_slice(), &["--status", "-r"], &["--status", "-D", "packet"]] {
        scratch.run(arguments).failed(&["--status takes only -d", "-h"]);
    }
    scratch.run(&["--status", "-d", "one"]).failed(&["not installed", "./install.sh installs it"]);
    assert_eq!(identities(&scratch.path("one")), before);
}

#[test]
fn whatever_is_in_the_way_is_refused_before_anything_is_touched() {
    let scratch = Scratch::new("in-the-way");
    type Setup = fn(&Scratch);
    let cases: [(&str, &str, Setup); 10] = [
        ("packet.stock is not ours", "packet.stock.old'", |scratch| {
            stock(scratch, "packet");
            stock(scratch, "packet.stock");
        }),
        ("packet.stock is not ours", "packet.stock.old'", |scratch| {
            stock(scratch, "packet");
            symlink("/nowhere", scratch.pm("packet.stock")).unwrap();
        }),
        ("packet/poll is a folder", "Move it away", |scratch| {
            fs::create_dir_all(scratch.pm("packet/poll")).unwrap();
        }),
        ("completions/pm-packet is not ours", "Move it away", |scratch| {
            fs::create_dir_all(scratch.path("one/share/bash-completion/completions")).unwrap();
            fs::write(scratch.path("one/share/bash-completion/completions/pm-packet"), "mine").unwrap();
        }),
        ("site-functions/_pm-packet is not ours", "Move it away", |scratch| {
            fs::create_dir_all(scratch.path("one/share/zsh/site-functions")).unwrap();
            fs::write(scratch.path("one/share/zsh/site-functions/_pm-packet"), "#compdef another").unwrap();
        }),
        ("one/share/fish is in the way", "Move it away", |scratch| {
            fs::create_dir_all(scratch.path("one/share")).unwrap();
            fs::write(scratch.path("one/share/fish"), "").unwrap();
        }),
        ("bin/pm-packet is not ours", "Move it away", |scratch| {
            fs::create_dir_all(scratch.path("one/bin")).unwrap();
            fs::write(scratch.path("one/bin/pm-packet"), "").unwrap();
        }),
        ("bin/pm-packet is not ours", "Move it away", |scratch| {
            fs::create_dir_all(scratch.path("one/bin")).unwrap();
            symlink("/nowhere", scratch.path("one/bin/pm-packet")).unwrap();
        }),
        ("pm-packet is a folder", "Move it away", |scratch| {
            fs::create_dir_all(scratch.pm("pm-packet")).unwrap();
        }),
        ("one/var is in the way", "Move it away", |scratch| {
            fs::write(scratch.path("one/var"), "").unwrap();
        }),
    ];
    for (first, remedy, set_up) in cases {
        fs::remove_dir_all(scratch.path("one")).unwrap();
        fs::create_dir(scratch.path("one")).unwrap();
        set_up(&scratch);
        let before = identities(&scratch.path("one"));
        // The one that could be installed is not, either.
        let run = scratch.install(&["-D", "dummy", "-D", "packet"]);
        run.failed(&[first, remedy]);
        assert_eq!(identities(&scratch.path("one")), before, "{first}");
    }
}

#[test]
fn a_binary_that_does_not_start_or_is_not_ours_is_refused_before_anything_is_touched() {
    let scratch = Scratch::new("binaries");
    stock(&scratch, "packet");
    let before = identities(&scratch.path("one"));
    // What the loader says on a system that is too old for the binary.
    let too_old = "./pm-packet: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by ./pm-packet)";
    let cases = [
        (
            format!("echo \"{}\" >&2; exit 1", too_old.replace('`', "\\`")),
            "does not start here: ",
            "GLIBC_2.34' not found",
        ),
        ("exit 3".into(), "does not start here: exit code 3", "glibc 2.17"),
        ("echo ls 9.1".into(), "is not pm-packet", "answers 'ls 9.1'"),
        ("echo pm-packet 1.0; echo more".into(), "is not pm-packet", "'pm-packet 1.0'"),
        ("echo pm-packetx 1.0".into(), "is not pm-packet", "'pm-packetx 1.0'"),
        (":".into(), "is not pm-packet", "answers ''"),
    ];
    for (body, first, more) in &cases {
        scratch.script("other", body);
        scratch.run(&["-d", "one", "-b", "other"]).failed(&[first, more]);
        assert_eq!(identities(&scratch.path("one")), before, "{body}");
    }
    fs::write(scratch.path("data"), [0x7f, b'E', b'L', b'F', 0, 0]).unwrap();
    scratch.run(&["-d", "one", "-b", "data"]).failed(&["does not start here: ", "Nothing was changed"]);
    assert_eq!(identities(&scratch.path("one")), before);
    // What was downloaded need not be executable yet.
    set_mode(&scratch.path("fake"), 0o644);
    scratch.install(&[]).succeeded();
    scratch.assert_installed(&["packet"], &[("var/remotes/pm/packet/deploy.stock", "750 stock\n")]);
}

/// As a release is: no toolchain and no source beside it.
#[test]
fn what_lies_beside_it_is_installed() {
    let scratch = Scratch::new("release");
    let release = scratch.path("release");
    fs::create_dir(&release).unwrap();
    let copied = Command::new("cp")
        .args(["-RP", "install.sh", "completions", "man", "remotes"])
        .arg(&release)
        .current_dir(REPOSITORY)
        .status();
    assert!(copied.unwrap().success());
    scratch.script("tools/cargo", "exit 1");
    let installer = release.join("install.sh");
    let run = |arguments: &[&str]| Run::of(&mut scratch.command(&installer, arguments));
    run(&["-d", "one"]).failed(&["the source of pm-packet is not here", "checkout"]);
    run(&["--demo"]).failed(&["the source of pm-packet is not here", "checkout"]);
    scratch.script("release/pm-packet", FAKE);
    run(&["-d", "one"]).succeeded();
    scratch.assert_installed(&["packet"], &[]);
    run(&["-d", "one", "-r"]).succeeded();
    scratch.assert_installed(&[], &[]);
}

/// Root may write anywhere, so that for root this is run as somebody else, from a copy of what install.sh
/// reads: nobody may be able to read the repository.
#[test]
fn without_permission_nothing_is_touched() {
    let scratch = Scratch::new("permission");
    let copy = scratch.path("copy");
    fs::create_dir(&copy).unwrap();
    let copied = Command::new("sh")
        .args(["-c", "cp -RH install.sh Cargo.toml completions man remotes \"$0\" && chmod -R a+rX \"$0\""])
        .arg(&copy)
        .current_dir(REPOSITORY)
        .status();
    assert!(copied.unwrap().success());
    set_mode(&scratch.path("tmp"), 0o777);
    let root = scratch.path("tmp").metadata().unwrap().uid() == 0;
    let run = |arguments: &[&str]| {
        let mut command = scratch.command(&copy.join("install.sh"), arguments);
        if root {
            command.uid(65534).gid(65534);
        }
        Run::of(&mut command)
    };

    scratch.install(&[]).succeeded();
    let one = scratch.text("one/var/remotes/pm");
    if !root {
        set_mode(Path::new(&one), 0o555);
    }
    let before = identities(&scratch.path("one"));
    for arguments in [["-d", "one", "-b", "fake", "-D", "dummy"].as_slice(), &["-d", "one", "-r"]] {
        let refused = run(arguments);
        refused.failed(&[&format!("no permission to write into {one}"), "root", "-d DIR"]);
    }
    assert_eq!(identities(&scratch.path("one")), before);
    set_mode(Path::new(&one), 0o755);
    scratch.assert_installed(&["packet"], &[]);

    // Without -d it is the system's folders.
    run(&["-b", "fake"]).failed(&["no permission to write into /"]);
    // Only root can give files away.
    let folder = scratch.text("tmp/one");
    let given = run(&["-d", &folder, "-b", "fake", "-u", "root"]);
    assert_eq!(given.code, Some(1));
    assert!(given.stderr.contains("only root can give files"));
    assert_eq!(tree(&scratch.path("tmp")), BTreeMap::new());
    // And with permission, the same copy does its work.
    run(&["-d", &folder, "-b", "fake"]).succeeded();
    let program = scratch.path("tmp/one/var/remotes/pm/pm-packet");
    assert_ne!(program.metadata().unwrap().uid(), 0);
}

// --- Who owns what is installed -------------------------------------------------------------------------

/// The account oneadmin need not exist where this is tested: `id` and `chown` are replaced.
#[test]
fn the_files_are_given_to_their_owner() {
    let scratch = Scratch::new("owner");
    scratch.script(
        "tools/id",
        "case $* in -u) echo 0;; '-u oneadmin') echo 9869;; '-g oneadmin') echo 9870;; *) exit 1;; esac",
    );
    let log = scratch.text("chown.log");
    scratch.script("tools/chown", &format!("echo \"$*\" >> '{log}'"));
    let pm = scratch.text("one/var/remotes/pm");
    let cases: [(&[&str], &str); 4] = [
        (&[], "oneadmin:9870"),
        (&["-g", "cloud"], "oneadmin:cloud"),
        (&["-u", "4711"], "4711"),
        (&["-u", "oneadmin", "-g", "4712"], "oneadmin:4712"),
    ];
    for (arguments, owner) in cases {
        fs::remove_dir_all(scratch.path("one")).unwrap();
        scratch.install(arguments).succeeded();
        let given = fs::read_to_string(&log).unwrap();
        assert!(given.lines().all(|line| line.starts_with(&format!("-h -- {owner} "))), "{given}");
        for path in [scratch.text("one"), pm.clone(), scratch.text("one/bin")] {
            assert!(given.lines().any(|line| line.ends_with(&format!(" {path}"))), "{path}");
        }
        // What is put into its place by renaming was given away before.
        assert!(given.contains(&format!(" {pm}/.pm-packet.")), "{given}");
        assert!(given.contains(&format!(" {}/.pm-packet.", scratch.text("one/bin"))), "{given}");
        assert_eq!(given.matches(&format!(" {pm}/packet/.pm-packet.")).count(), ACTIONS.len(), "{given}");
        fs::remove_file(&log).unwrap();
    }
    // A second run gives away what is there already, and nothing else.
    scratch.install(&["-u", "other"]).succeeded();
    let given = fs::read_to_string(&log).unwrap();
    assert!(given.contains(&format!("-h -- other {pm}/pm-packet\n")));
    assert!(given.contains(&format!("-h -- other {pm}/packet/poll\n")));
    scratch.assert_installed(&["packet"], &[]);
}

#[test]
fn an_owner_who_cannot_be_is_refused_before_anything_is_touched() {
    let scratch = Scratch::new("no-owner");
    for arguments in [["-u", "no-such-user-here"], ["-g", "no-such-group-here"]] {
        let run = scratch.install(&arguments);
        assert_eq!(run.code, Some(1));
        let remedy = "Check the names after -u and -g";
        assert!(run.stderr.contains(remedy), "{}", run.stderr);
        scratch.assert_installed(&[], &[]);
    }
}

// --- Failing in the middle ------------------------------------------------------------------------------

/// A `mv` that does AT when the link `poll` is to be put into its place, and moves everything else.
fn failing_mv(scratch: &Scratch, at: &str) {
    let real = Command::new("sh").args(["-c", "command -v mv"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let packet = scratch.text("one/var/remotes/pm/packet");
    let failed = scratch.text("failed");
    let body = format!(
        "for last; do :; done\n\
         if [ \"$last\" = '{packet}/poll' ] && [ ! -e '{failed}' ]; then :> '{failed}'; {at}; fi\n\
         exec {} \"$@\"",
        real.trim()
    );
    scratch.script("tools/mv", &body);
}

#[test]
fn after_a_failure_or_a_signal_the_former_driver_is_back() {
    let scratch = Scratch::new("halfway");
    for (at, code) in [("exit 1", 1), ("kill -s TERM $PPID; exit 0", 143)] {
        stock(&scratch, "packet");
        failing_mv(&scratch, at);
        let run = Run::of(&mut scratch.command(&installer(), &["-d", "one", "-b", "fake", "-D", "packet"]));
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(run.stderr.contains("stopped halfway"), "{}", run.stderr);
        fs::remove_file(scratch.path("failed")).unwrap();
        let program = tree(&scratch.path("one")).remove("var/remotes/pm/pm-packet");
        assert!(program.unwrap().starts_with("755 "));
        for name in ["pm-packet", "pm-packet.drivers"] {
            fs::remove_file(scratch.pm(name)).unwrap();
        }
        scratch.assert_installed(&[], &[("var/remotes/pm/packet/deploy", "750 stock\n")]);
    }
    fs::remove_file(scratch.path("tools/mv")).unwrap();
    scratch.install(&[]).succeeded();
    let kept = ("var/remotes/pm/packet/deploy.stock", "750 stock\n");
    scratch.assert_installed(&["packet"], &[kept]);
}

/// Runs `arguments` and kills it at its `at`th change of a file; whether it got that far.
fn killed_at(scratch: &Scratch, at: usize, arguments: &[&str]) -> bool {
    fs::create_dir_all(scratch.path("killers")).unwrap();
    fs::write(scratch.path("count"), "0\n").unwrap();
    for tool in ["mv", "ln", "cp", "rm", "rmdir", "mkdir", "chmod"] {
        let real = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
        let real = String::from_utf8(real.stdout).unwrap();
        let body = format!(
            "read -r count < '{count}'; echo $((count + 1)) > '{count}'\n\
             if [ $((count + 1)) -eq {at} ]; then kill -s KILL $PPID; exit 1; fi\n\
             exec {} \"$@\"",
            real.trim(),
            count = scratch.text("count"),
        );
        scratch.script(&format!("killers/{tool}"), &body);
    }
    let path = format!("{}:{}", scratch.text("killers"), path());
    let run = Run::of(scratch.command(&installer(), arguments).env("PATH", path));
    if run.code.is_some() {
        run.succeeded();
    }
    run.code.is_none()
}

/// Each action is a script of the stock driver, or our link to a binary that is there.
#[track_caller]
fn assert_each_action_is_whole(scratch: &Scratch, at: usize) {
    for action in ACTIONS {
        let answer = Run::of(Command::new(scratch.pm("packet").join(action)).arg("--version"));
        let said = answer.succeeded().stdout.trim().to_owned();
        assert!(["stock", "pm-packet 9.9.9"].contains(&&*said), "{action} at {at}: {said}");
    }
}

#[test]
fn killed_at_any_moment_each_action_is_whole_and_running_it_again_completes_it() {
    let scratch = Scratch::new("killed");
    let script = "#!/bin/sh\necho stock";
    let installing = ["-d", "one", "-b", "fake"].as_slice();
    let removing = ["-d", "one", "-r"].as_slice();
    for at in 1.. {
        fs::create_dir_all(scratch.pm("packet")).unwrap();
        for action in ACTIONS {
            scratch.script(&format!("one/var/remotes/pm/packet/{action}"), "echo stock");
        }
        let was_installing = killed_at(&scratch, at, installing);
        assert_each_action_is_whole(&scratch, at);
        scratch.run(installing).succeeded();
        let sweep = |folder: PathBuf| {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_str().unwrap().starts_with(".pm-packet.") {
                    fs::remove_file(entry.path()).unwrap();
                }
            }
        };
        for folder in ["bin", "var/remotes/pm", "share/man/man1"] {
            sweep(scratch.path("one").join(folder));
        }
        for (_, place) in COMPLETIONS {
            sweep(scratch.path("one").join(place).parent().unwrap().to_owned());
        }
        assert_installed_with(&scratch, &["packet"], &scripts_with(script, ".stock"));
        let was_removing = killed_at(&scratch, at, removing);
        assert_each_action_is_whole(&scratch, at);
        scratch.run(removing).succeeded();
        assert_installed_with(&scratch, &[], &scripts_with(script, ""));
        fs::remove_dir_all(scratch.path("one/var")).unwrap();
        if !was_installing && !was_removing {
            assert!(at > 20, "only {at} changes were seen");
            break;
        }
    }
}

/// Scripts with this content at the place of each action, mode 755.
fn scripts_with(content: &str, suffix: &str) -> Vec<(String, String)> {
    let named = |(name, _): (String, String)| (name, format!("755 {content}\n"));
    scripts("", suffix).into_iter().map(named).collect()
}

#[test]
fn without_space_the_installed_binary_stays() {
    let scratch = Scratch::new("space");
    scratch.install(&[]).succeeded();
    let before = identities(&scratch.pm("pm-packet"));
    let installed = fs::read_to_string(scratch.pm("pm-packet")).unwrap();
    scratch.script("fake", "echo pm-packet 9.9.10");
    scratch.script("tools/cp", "echo half > \"$2\"; echo 'cp: No space left on device' >&2; exit 1");
    let run = scratch.install(&[]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("No space left on device"));
    assert_eq!(identities(&scratch.pm("pm-packet")), before);
    fs::write(scratch.path("fake"), installed).unwrap();
    scratch.assert_installed(&["packet"], &[]);
}

// --- Building -------------------------------------------------------------------------------------------

#[test]
fn it_builds_what_it_installs() {
    let scratch = Scratch::new("build");
    scratch.script("pm-packet", "echo pm-packet 9.9.9");
    scratch.script("pm-packet-simulator", "exit 9");
    // What is needed is enough.
    scratch.cargo(RUST_VERSION, &["pm-packet-simulator", "pm-packet"]);
    let run = scratch.run(&["-d", "one"]);
    run.succeeded();
    let log = fs::read_to_string(scratch.path("cargo.log")).unwrap();
    let repository = Path::new(REPOSITORY).join("install.sh");
    let repository = repository.canonicalize().unwrap();
    let called = format!("{}: build --release --locked ", repository.parent().unwrap().display());
    assert!(log.starts_with(&called), "{log}");
    let installed = fs::read_to_string(scratch.pm("pm-packet")).unwrap();
    assert_eq!(installed, "#!/bin/sh\necho pm-packet 9.9.9\n");
}

#[test]
fn a_build_that_fails_leaves_what_was_there() {
    let scratch = Scratch::new("build-fails");
    scratch.install(&[]).succeeded();
    scratch.script("tools/cargo", "case $1 in --version) echo cargo 99.0.0;; *) echo 'error: no' >&2; exit 101;; esac");
    let before = identities(&scratch.path("one"));
    let run = scratch.run(&["-d", "one", "-D", "packet", "-D", "dummy"]);
    assert_eq!(run.code, Some(1));
    for words in ["error: no", "cargo could not build", "nothing was installed"] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    scratch.cargo("99.0.0", &["pm-packet"]);
    let run = scratch.run(&["-d", "one", "-D", "dummy"]);
    run.failed(&["cargo built no pm-packet"]);
    assert_eq!(identities(&scratch.path("one")), before);
}

#[test]
fn without_a_cargo_that_is_new_enough_it_says_what_to_do() {
    let scratch = Scratch::new("cargo");
    // A PATH that has everything but cargo.
    fs::create_dir(scratch.path("all")).unwrap();
    for folder in std::env::split_paths(&format!("{}:/usr/bin:/bin", path())) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name() != "cargo" {
                // The first of a name wins, as on PATH.
                let _ = symlink(entry.path(), scratch.path("all").join(entry.file_name()));
            }
        }
    }
    let run = |arguments: &[&str]| {
        let path = format!("{}:{}", scratch.text("tools"), scratch.text("all"));
        Run::of(scratch.command(&installer(), arguments).env("PATH", path))
    };
    let (major, minor) = RUST_VERSION.split_once('.').unwrap();
    let minor: u32 = minor.split('.').next().unwrap().parse().unwrap();
    let cases = [
        ("exit 127".to_owned(), "none that runs here".to_owned()),
        ("echo 'error: no toolchain' >&2; exit 1".into(), "none that runs here".into()),
        // Not older when compared as text.
        (format!("echo cargo {major}.9.0"), format!("is {major}.9.0")),
        (format!("echo 'cargo {major}.{}.1-nightly (0 1)'", minor - 1), format!("is {major}.{}.1", minor - 1)),
    ];
    let needed = format!("cargo {RUST_VERSION} or newer");
    let remedies = ["rustup.rs", "distribution's package", "-b target/release/pm-packet"];
    let refused = |words: &str| {
        for arguments in [["-d", "one"].as_slice(), &["--demo"]] {
            let refused = run(arguments);
            refused.failed(&[&[needed.as_str(), words], remedies.as_slice()].concat());
            assert_eq!(refused.stdout, "");
            scratch.assert_installed(&[], &[]);
        }
    };
    refused("none that runs here");
    for (body, words) in cases {
        let body = format!("[ \"$1\" = --version ] || echo built >> '{}'\n{body}", scratch.text("cargo.log"));
        scratch.script("tools/cargo", &body);
        refused(&words);
    }
    assert!(!scratch.path("cargo.log").exists());
    // None is needed for a binary that is there, and rustup's own folder is looked into.
    run(&["-d", "one", "-b", "fake"]).succeeded();
    scratch.assert_installed(&["packet"], &[]);
    scratch.cargo(RUST_VERSION, &["pm-packet"]);
    fs::create_dir_all(scratch.path(".cargo/bin")).unwrap();
    fs::rename(scratch.path("tools/cargo"), scratch.path(".cargo/bin/cargo")).unwrap();
    scratch.script("pm-packet", "echo pm-packet 9.9.9");
    run(&["-d", "one"]).succeeded();
}

// --- The demo -------------------------------------------------------------------------------------------

#[test]
fn the_demo_passes_the_exit_status_on_and_leaves_nothing() {
    let scratch = Scratch::new("demo");
    scratch.script("pm-packet", FAKE);
    scratch.cargo("99.0.0", &["pm-packet", "pm-packet-simulator"]);
    for code in [0, 1, 7] {
        let body = format!("\"$2/deploy\" FILE; echo \"$1 ${{2#$TMPDIR}}\"; exit {code}");
        scratch.script("pm-packet-simulator", &body);
        let run = scratch.run(&["--demo"]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(code), ""));
        let lines: Vec<&str> = run.stdout.lines().rev().take(2).collect();
        assert!(lines[0].starts_with("demo /"), "{}", run.stdout);
        assert!(lines[0].ends_with("/var/remotes/pm/packet"));
        assert!(lines[1].ends_with("/var/remotes/pm/packet/deploy FILE"));
        scratch.assert_installed(&[], &[]);
    }
    let log = fs::read_to_string(scratch.path("cargo.log")).unwrap();
    assert!(log.contains("build --release --locked"), "{log}");
    assert!(log.contains("-p pm-packet -p pm-packet-simulator"), "{log}");
}

#[test]
fn a_demo_that_is_stopped_stops_all_that_it_started() {
    let scratch = Scratch::new("demo-stopped");
    scratch.script("pm-packet", "echo pm-packet 9.9.9");
    scratch.cargo("99.0.0", &["pm-packet", "pm-packet-simulator"]);
    let pids = scratch.text("pids");
    // One that ends on the signal with what it started; and one that has to be killed.
    for trap in ["", "trap '' TERM;"] {
        let body = format!(
            "{trap} : > \"$TMPDIR/left\"; sleep 300 & echo \"$$ $!\" > '{pids}.new'; mv '{pids}.new' '{pids}'; wait; wait"
        );
        scratch.script("pm-packet-simulator", &body);
        let mut demo = scratch.command(&installer(), &["--demo"]);
        let mut demo = demo.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the simulator has started", || Path::new(&pids).exists());
        let started = fs::read_to_string(&pids).unwrap();
        let signal = format!("kill -s TERM {}", demo.id());
        let sent = Command::new("sh").args(["-c", &signal]).status().unwrap();
        assert!(sent.success());
        assert_eq!(demo.wait().unwrap().code(), Some(143));
        for pid in started.split_whitespace() {
            wait_until(&format!("{pid} has ended"), || !is_running(pid));
        }
        scratch.assert_installed(&[], &[]);
        fs::remove_file(&pids).unwrap();
    }
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What has ended may still be listed, where nobody waits for orphans.
fn is_running(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with(['Z', 'X']))
}
