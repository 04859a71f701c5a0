#!/bin/sh
# Installs pm-packet on an OpenNebula front-end; usage() below says how to call it.
#
# Whatever can be known to fail is asked before anything is touched, and every change after that is one
# rename. So an installation that is cut short leaves the former driver or ours, never half of one, and a
# running driver is not disturbed: it keeps the file that it was started from.
set -eu
umask 022

usage() {
    cat <<'END'
Usage: ./install.sh [-d DIR] [-u USER] [-g GROUP] [-D DRIVER]... [-b BINARY]
       ./install.sh -r [-d DIR] [-D DRIVER]...
       ./install.sh --demo

Builds pm-packet and installs it as provision driver of an OpenNebula front-end:
the binary as REMOTES/pm/pm-packet, links to it in REMOTES/pm/DRIVER. What stood
there before is kept as REMOTES/pm/DRIVER.stock.

  -d DIR     for a self-contained OpenNebula (its ONE_LOCATION): REMOTES is
             DIR/var/remotes, the command pm-packet is linked into DIR/bin, and
             its manual goes to DIR/share/man; without -d, they are
             /var/lib/one/remotes, /usr/bin and /usr/share/man
  -u USER    give the files to USER (default for root: oneadmin, if it exists)
  -g GROUP   give the files to GROUP (default: the group of USER)
  -D DRIVER  install or remove this driver (packet if none is said), repeatable:
             packet, ec2, ironic, scaleway, phoenixnap, latitude or dummy
  -b BINARY  install this binary instead of building one with cargo
  -r         remove pm-packet and put back what stood there before
  -h         print this help
  --demo     build, and run the whole life of a host against a simulated
             provider in a temporary folder; nothing is installed (stands alone)
END
}

say() { printf '%s\n' "$*"; }

# The first argument says what is wrong; the others, a line each, what to do.
die() {
    printf 'install.sh: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

misuse() { die "$1" "./install.sh -h lists the options."; }

# Says what was changed.
changed=no
report() {
    changed=yes
    say "$*"
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# --- What is undone however this ends -------------------------------------------------------------------

temporary=  # a file or folder that is not in its place yet
unsettled=  # a driver's folder that is being exchanged
touching=   # set once the installation is being changed
simulator=  # the process group of the demo

settle() {
    status=$?
    trap '' HUP INT PIPE TERM
    if [ -n "$simulator" ]; then
        stop_simulator
    fi
    if [ -n "$unsettled" ] && ! exists "$unsettled" && exists "$unsettled.stock"; then
        mv -T "$unsettled.stock" "$unsettled"
    fi
    if [ -n "$temporary" ]; then
        rm -rf "$temporary"
    fi
    if [ -n "$touching" ] && [ "$status" -ne 0 ]; then
        say "install.sh: stopped halfway; each driver is whole, the former one or ours: run this again" >&2
    fi
    exit "$status"
}

trap settle EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# --- Building -------------------------------------------------------------------------------------------

check_cargo() {
    # Where rustup puts it: it may be on the PATH of login shells only.
    PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
    needed=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$source/Cargo.toml")
    version=$(cd "$source" && cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
    if [ -z "$version" ]; then
        problem="cargo $needed or newer is needed to build pm-packet, and there is none that runs here"
    elif [ "$(printf '%s\n' "$needed" "$version" | sort -V | head -n 1)" != "$needed" ]; then
        problem="cargo $needed or newer is needed to build pm-packet, and the one here is $version"
    else
        return 0
    fi
    die "$problem" \
        "Get it from https://rustup.rs or as your distribution's package, and run this again;" \
        "or run 'cargo build --release --locked' where there is one (another user's, another" \
        "machine's), and give what it built: ./install.sh -b target/release/pm-packet"
}

build() {
    say "building with cargo $version"
    # Only cargo knows where its configuration and environment make it put the binaries.
    artifacts=$(
        cd "$source" &&
            cargo build --release --locked --message-format=json-render-diagnostics "$@" </dev/null
    ) || die "cargo could not build pm-packet, its messages are above; nothing was installed"
}

# The path of the program NAME that cargo built.
built() {
    path=$(printf '%s\n' "$artifacts" | sed -n "s|.*\"executable\":\"\([^\"]*/$1\)\".*|\1|p")
    [ -f "$path" ] || die "cargo built no $1; nothing was installed"
    printf '%s\n' "$path"
}

# --- The demo -------------------------------------------------------------------------------------------

demo() {
    check_cargo
    build -p pm-packet -p pm-packet-simulator
    binary=$(built pm-packet)
    player=$(built pm-packet-simulator)
    temporary=$(mktemp -d)
    sh "$source/install.sh" -d "$temporary" -b "$binary"
    "$temporary/bin/pm-packet" --version >/dev/null || die "programs cannot be run from $temporary" \
        "Set TMPDIR to a folder on a file system that is not mounted noexec."
    # In a process group of its own, so that whatever it started can be stopped with it; in the background,
    # because the shell takes a signal at once only while it waits; and with its own temporary files in ours,
    # so that they go too if it has to be killed.
    TMPDIR=$temporary setsid "$player" demo "$temporary/var/remotes/pm/packet" </dev/null &
    simulator=$!
    status=0
    wait "$simulator" || status=$?
    exit "$status"
}

stop_simulator() {
    # The group is there only once setsid has run.
    kill -s TERM -- "-$simulator" 2>/dev/null || kill -s TERM "$simulator" 2>/dev/null || return 0
    tries=0
    while kill -s 0 -- "-$simulator" 2>/dev/null; do
        tries=$((tries + 1))
        # Not longer: a driver may be trying to undo its order at a provider that has gone.
        if [ "$tries" -gt 20 ]; then
            kill -s KILL -- "-$simulator" 2>/dev/null || :
            break
        fi
        sleep 0.1
    done
}

# --- What is there --------------------------------------------------------------------------------------

# Sets found to what stands at FOLDER: nothing; ours (only links to ../pm-packet); mixed (such links and
# $foreign); or other.
look() {
    found=nothing
    exists "$1" || return 0
    found=other
    { [ -d "$1" ] && [ ! -L "$1" ]; } || return 0
    ours=
    foreign=
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ "$(readlink "$entry")" = ../pm-packet ]; then
            ours=$entry
        elif exists "$entry"; then
            foreign=$entry
        fi
    done
    if [ -n "$ours" ]; then
        found=${foreign:+mixed}
        found=${found:-ours}
    fi
}

is_our_command() {
    case $(readlink "$1") in
        */remotes/pm/pm-packet) return 0 ;;
        *) return 1 ;;
    esac
}

is_our_manual() { [ -f "$manual" ] && grep -q '^\.TH PM' "$manual"; }

# Any link to the binary, in whatever folder, is a reason to keep it.
binary_in_use() {
    for entry in "$pm"/*/*; do
        if [ "$(readlink "$entry")" = ../pm-packet ]; then
            return 0
        fi
    done
    return 1
}

check_writable() {
    place=$1
    until exists "$place"; do
        place=$(dirname "$place")
    done
    [ -d "$place" ] || die "$place is in the way: a folder is needed there" \
        "Move it away, or choose another -d DIR."
    { [ -w "$place" ] && [ -x "$place" ]; } || die "no permission to write into $place" \
        "Run this as root or as the user whom it belongs to; for a self-contained OpenNebula give -d DIR."
}

# --- Installing -----------------------------------------------------------------------------------------

own() { [ -z "$owner" ] || chown -h -- "$owner" "$@"; }

choose_owner() {
    if [ -z "$user" ] && [ "$(id -u)" = 0 ] && id -u oneadmin >/dev/null 2>&1; then
        user=oneadmin
    fi
    if [ -n "$user" ] && [ -z "$group" ]; then
        group=$(id -g "$user" 2>/dev/null) || group=  # a number without an account has none
    fi
    owner=$user${group:+:$group}
    [ -n "$owner" ] || return 0
    # The one sure way to learn whether names and permission are right.
    temporary=$(mktemp)
    own "$temporary" || die "the files cannot be given to '$owner'" \
        "Check the names after -u and -g; only root can give files to another user."
    rm -f "$temporary"
    temporary=
}

check_install() {
    if [ -z "$dir" ] && [ "$(dpkg-query -W -f '${db:Status-Status}' pm-packet 2>/dev/null)" = installed ]; then
        die "the package pm-packet is installed, and dpkg keeps its files" \
            "Remove it first, with apt remove pm-packet; or go on with the package."
    fi
    if [ -n "$binary" ]; then
        { [ -f "$binary" ] && [ -r "$binary" ]; } || die "-b: there is no file $binary that can be read"
    fi
    for driver in $drivers; do
        look "$pm/$driver"
        case $found in
            mixed | other)
                ! exists "$pm/$driver.stock" || die \
                    "$pm/$driver is not ours, and $pm/$driver.stock, where it would be kept, exists already" \
                    "Remove the older of the two, or rename it, such as:" \
                    "mv '$pm/$driver.stock' '$pm/$driver.stock.old'"
                ;;
        esac
    done
    [ ! -d "$program" ] || die "$program is a folder, where the binary belongs" \
        "Move it away and run this again."
    if exists "$command" && ! is_our_command "$command"; then
        die "$command is not ours" "Move it away and run this again."
    fi
    if exists "$manual" && ! is_our_manual; then
        die "$manual is not ours" "Move it away and run this again."
    fi
    check_writable "$pm"
    check_writable "$bin"
    check_writable "$man"
}

make_folder() {
    [ ! -d "$1" ] || return 0
    make_folder "$(dirname "$1")"
    mkdir "$1"
    own "$1"
}

install_binary() {
    if [ ! -L "$program" ] && cmp -s "$binary" "$program" 2>/dev/null &&
        [ "$(stat -c %a "$program")" = 755 ]; then
        own "$program"
        return 0
    fi
    temporary=$(mktemp "$pm/.pm-packet.XXXXXX")
    cp "$binary" "$temporary"
    chmod 0755 "$temporary"
    own "$temporary"
    mv -fT "$temporary" "$program"
    temporary=
    report "installed $program"
}

# Links the actions of DRIVER that FOLDER lacks.
link_actions() {
    for action in "$source/remotes/pm/$1"/*; do
        link=$2/${action##*/}
        if [ ! -L "$link" ]; then
            ln -s ../pm-packet "$link"
        fi
        own "$link"
    done
}

install_driver() {
    folder=$pm/$1
    look "$folder"
    if [ "$found" = ours ]; then
        own "$folder"
        before=$(ls "$folder")
        link_actions "$1" "$folder"
        [ "$(ls "$folder")" = "$before" ] || report "completed $folder"
        return 0
    fi
    temporary=$(mktemp -d "$pm/.$1.XXXXXX")
    chmod 0755 "$temporary"
    own "$temporary"
    link_actions "$1" "$temporary"
    if [ "$found" != nothing ]; then
        unsettled=$folder
        mv -T "$folder" "$folder.stock"
    fi
    mv -T "$temporary" "$folder"
    temporary=
    unsettled=
    [ "$found" = nothing ] || report "kept what stood in $folder as $folder.stock"
    report "installed $folder"
}

install_command() {
    if [ "$(readlink "$command")" != "$program" ]; then
        temporary=$bin/.pm-packet.$$
        ln -s "$program" "$temporary"
        mv -fT "$temporary" "$command"
        temporary=
        report "installed $command"
    fi
    own "$command"
}

install_manual() {
    if cmp -s "$source/man/pm-packet.1" "$manual" 2>/dev/null; then
        own "$manual"
        return 0
    fi
    make_folder "$man"
    temporary=$(mktemp "$man/.pm-packet.XXXXXX")
    cp "$source/man/pm-packet.1" "$temporary"
    chmod 0644 "$temporary"
    own "$temporary"
    mv -fT "$temporary" "$manual"
    temporary=
    report "installed $manual"
}

install_all() {
    check_install
    choose_owner
    if [ -z "$binary" ]; then
        check_cargo
        build -p pm-packet
        binary=$(built pm-packet)
    fi
    if [ -z "$dir" ] && [ ! -d "$remotes" ]; then
        say "install.sh: warning: there was no $remotes: is OpenNebula installed on this machine?" >&2
    fi
    touching=yes
    make_folder "$pm"
    make_folder "$bin"
    install_binary
    for driver in $drivers; do
        install_driver "$driver"
    done
    install_command
    install_manual
    [ "$changed" = yes ] || say "nothing to do: $pm holds this pm-packet already"
}

# --- Removing -------------------------------------------------------------------------------------------

remove_driver() {
    folder=$pm/$1
    look "$folder"
    if [ "$found" = other ]; then
        say "left $folder alone: it is not ours"
        return 0
    fi
    unsettled=$folder
    if [ "$found" = ours ]; then
        temporary=$(mktemp -d "$pm/.$1.XXXXXX")
        mv -fT "$folder" "$temporary"
        report "removed $folder"
    fi
    if exists "$folder.stock"; then
        mv -T "$folder.stock" "$folder"
        report "put $folder back as it was before"
    fi
    unsettled=
    rm -rf "$temporary"
    temporary=
}

remove_all() {
    for driver in $drivers; do
        look "$pm/$driver"
        [ "$found" != mixed ] || die "$pm/$driver holds more than our links, such as $foreign" \
            "Move that elsewhere and run this again."
    done
    check_writable "$pm"
    if is_our_command "$command"; then
        check_writable "$bin"
    fi
    if is_our_manual; then
        check_writable "$man"
    fi
    touching=yes
    for driver in $drivers; do
        remove_driver "$driver"
    done
    if ! binary_in_use; then
        if is_our_command "$command"; then
            rm -f "$command"
            report "removed $command"
        fi
        if is_our_manual; then
            rm -f "$manual"
            # Folders that were made for it alone.
            rmdir "$man" "${man%/*}" "${man%/*/*}" 2>/dev/null || :
            report "removed $manual"
        fi
        if exists "$program"; then
            rm -f "$program"
            report "removed $program"
        fi
    fi
    [ "$changed" = yes ] || say "nothing to remove: $pm holds nothing of ours for$drivers"
}

# --- The command line -----------------------------------------------------------------------------------

source=$(dirname "$(readlink -f "$0")")
known=$(cd "$source/remotes/pm" && printf '%s\n' */ | tr -d /)

add_driver() {
    printf '%s\n' "$known" | grep -Fqx -e "$1" ||
        die "there is no driver '$1'" "Known drivers: $(printf '%s\n' "$known" | paste -s -d ' ')"
    drivers="$drivers $1"
}

# An empty value is a variable that was not set, and must not be taken for an option that was not given.
value() {
    [ -n "$OPTARG" ] || misuse "-$option needs a value"
    printf '%s\n' "$OPTARG"
}

case ${1-} in
    --demo)
        [ $# -eq 1 ] || misuse "--demo stands alone"
        demo
        ;;
    --help)
        usage
        exit 0
        ;;
esac

dir=
user=
group=
drivers=
binary=
remove=
while getopts :d:u:g:D:b:rh option; do
    case $option in
        d) dir=$(value) ;;
        u) user=$(value) ;;
        g) group=$(value) ;;
        D) add_driver "$OPTARG" ;;
        b) binary=$(value) ;;
        r) remove=yes ;;
        h)
            usage
            exit 0
            ;;
        :) misuse "-$OPTARG needs a value" ;;
        *) misuse "there is no option -$OPTARG" ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || misuse "'$1' is not expected here"
[ -z "$remove" ] || [ -z "$user$group$binary" ] || misuse "-r takes only -d and -D"
drivers=${drivers:- packet}

if [ -n "$dir" ]; then
    dir=$(realpath -m -- "$dir")
    remotes=${dir%/}/var/remotes
    bin=${dir%/}/bin
    man=${dir%/}/share/man/man1
else
    remotes=/var/lib/one/remotes
    bin=/usr/bin
    man=/usr/share/man/man1
fi
pm=$remotes/pm
program=$pm/pm-packet
command=$bin/pm-packet
manual=$man/pm-packet.1

if [ -n "$remove" ]; then
    remove_all
else
    install_all
fi
