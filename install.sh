#!/bin/sh
# Installs pm-packet on an OpenNebula front-end; usage() below says how to call it.
#
# Whatever can be known to fail is asked before anything is touched, the binary is run first, and every change
# after that is one rename: at each moment an action is the former driver's or ours. What fails or is interrupted
# is taken back; what is killed is completed by running it again. A running driver is not disturbed: it keeps the
# file that it was started from.
set -eu
umask 022

usage() {
    cat <<'END'
Usage: ./install.sh [-d DIR] [-u USER] [-g GROUP] [-D DRIVER]... [-b BINARY]
       ./install.sh -r [-d DIR] [-D DRIVER]...
       ./install.sh --status [-d DIR]
       ./install.sh --fence [-r] [-d DIR] [-u USER] [-g GROUP] [-b BINARY]
       ./install.sh --demo

Installs pm-packet as provision driver of an OpenNebula front-end: the binary as
REMOTES/pm/pm-packet, links to it in REMOTES/pm/DRIVER. What stood at the place
of a link is kept beside it as ACTION.stock. The binary is the one that lies
beside install.sh, or else is built. Run it again after OpenNebula's upgrades.

  -d DIR     for a self-contained OpenNebula (its ONE_LOCATION): REMOTES is
             DIR/var/remotes, the command pm-packet is linked into DIR/bin, and
             its manual and completions go to DIR/share; without -d, they are
             /var/lib/one/remotes, /usr/bin and /usr/share
  -u USER    give the files to USER (default for root: oneadmin, if it exists)
  -g GROUP   give the files to GROUP (default: the group of USER)
  -D DRIVER  install or remove this driver (packet if none is said), repeatable:
             packet, ec2, ironic, scaleway, phoenixnap, latitude or dummy
  -b BINARY  install this binary
  -r         remove pm-packet and put back what stood there before
  -h         print this help
  --fence    install or remove the hook of host high availability alone:
             REMOTES/hooks/ft/fence_host.sh
  --status   say which links are ours; exit code 1: one is not any more
  --demo     build, and run the whole life of a host against a simulated
             provider in a temporary folder; nothing is installed (stands alone)

DESTDIR in the environment is the root of what is made for another machine.
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
kept=
removed=
restored=
report() {
    changed=yes
    say "$*"
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# --- What is undone however this ends -------------------------------------------------------------------

temporary=  # a file, link or folder that is not in its place yet
unsettled=  # what stands at the place of a driver's folder and is being moved away
undone=     # the actions of a driver that are taken back if the others cannot be installed
touching=   # set once the installation is being changed
simulator=  # the process group of the demo

settle() {
    status=$?
    trap '' HUP INT PIPE TERM
    if [ -n "$simulator" ]; then
        stop_simulator
    fi
    if [ -n "$temporary" ]; then
        rm -rf "$temporary"
    fi
    for action in $undone; do
        remove_action "$folder/$action" || :
    done
    if [ -n "$unsettled" ] && exists "$unsettled.stock"; then
        rmdir "$unsettled" 2>/dev/null || :
        exists "$unsettled" || mv -T "$unsettled.stock" "$unsettled"
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
    [ -f "$source/Cargo.toml" ] || die "the source of pm-packet is not here, and is needed for this" \
        "Run it from a checkout of the repository."
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
        "or take a release, which needs none; or run 'cargo build --release --locked' where there is one" \
        "(another user's, another machine's), and give what it built:" \
        "./install.sh -b target/release/pm-packet"
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

# Whether the binary starts on this machine, and is ours.
try_binary() {
    case $binary in
        /*) program_tried=$binary ;;
        *) program_tried=$PWD/$binary ;;
    esac
    if [ ! -x "$binary" ]; then
        temporary=$(mktemp -d)
        program_tried=$temporary/pm-packet
        cp "$binary" "$program_tried"
        chmod 0700 "$program_tried"
    fi
    answered=0
    answer=$(timeout 20 "$program_tried" --version 2>&1 </dev/null) || answered=$?
    if [ -n "$temporary" ]; then
        rm -rf "$temporary"
        temporary=
    fi
    first=$(printf '%s\n' "$answer" | head -n 1)
    if [ "$answered" -ne 0 ]; then
        die "$binary does not start here: ${first:-exit code $answered}" "Nothing was changed." \
            "A release of pm-packet runs with glibc 2.17 or newer; one that was built here, here."
    fi
    case $answer in
        *"
"*) ;;
        "pm-packet "[0-9]*) return 0 ;;
    esac
    die "$binary is not pm-packet: to --version it answers '$first'" "Nothing was changed."
}

# --- The demo -------------------------------------------------------------------------------------------

demo() {
    check_cargo
    build -p pm-packet -p pm-packet-simulator
    binary=$(built pm-packet)
    player=$(built pm-packet-simulator)
    temporary=$(mktemp -d)
    say "installing into $temporary"
    sh "$source/install.sh" -d "$temporary" -b "$binary" >/dev/null
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

actions='cancel deploy poll reboot reset shutdown'

# What the link at a place points to.
points_to() {
    case $1 in
        "$hook") echo ../../pm/pm-packet ;;
        *) echo ../pm-packet ;;
    esac
}

is_ours() { [ "$(readlink "$1")" = "$(points_to "$1")" ]; }

# Whether the hook was installed.
is_fencing() { [ -f "$list" ] && grep -qx fence "$list"; }

is_same_file() { [ "$(stat -c %d:%i "$1")" = "$(stat -c %d:%i "$2" 2>/dev/null)" ]; }

is_folder() { [ -d "$1" ] && [ ! -L "$1" ]; }

# The drivers that were installed, as the binary reads them too.
installed_drivers() {
    if [ -f "$list" ]; then
        while IFS= read -r name; do
            ! is_known "$name" || printf '%s\n' "$name"
        done <"$list"
        return 0
    fi
    # 0.1.0 kept no list, and what it found in a folder of its own.
    [ -f "$program" ] || return 0
    for name in $known; do
        if exists "$pm/$name.stock"; then
            printf '%s\n' "$name"
            continue
        fi
        for action in $actions; do
            if is_ours "$pm/$name/$action"; then
                printf '%s\n' "$name"
                break
            fi
        done
    done
}

is_installed() { installed_drivers | grep -Fqx -e "$1"; }

is_our_command() {
    case $(readlink "$1") in
        */remotes/pm/pm-packet) return 0 ;;
        *) return 1 ;;
    esac
}

# Any link to the binary, in whatever folder, is a reason to keep it.
binary_in_use() {
    for entry in "$pm"/*/* "$hook"; do
        if is_ours "$entry"; then
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

# --- What dpkg is told ----------------------------------------------------------------------------------

# dpkg puts what its packages bring to a diverted place elsewhere: so it keeps our links at each upgrade of
# OpenNebula's package, and ACTION.stock is the newest script. A self-contained OpenNebula is of no package.
has_dpkg() { [ -z "$dir" ] && [ -d "$root/var/lib/dpkg/info" ] && command -v dpkg-divert >/dev/null; }

# Before 1.19 dpkg-divert knew no --no-rename, and renamed nothing unless told so.
divert() {
    without=
    if dpkg-divert --help | grep -q -e --no-rename; then
        without=--no-rename
    fi
    set -- --quiet --local $without "$@"
    [ -z "$root" ] || set -- --root "$root" "$@"
    dpkg-divert "$@"
}

# Sets diverted to what dpkg says of $link, nothing where it does not divert it.
look_at_diversion() {
    diverted=
    has_dpkg || return 0
    set -- --list "${link#"$root"}"
    [ -z "$root" ] || set -- --root "$root" "$@"
    diverted=$(dpkg-divert "$@")
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

check_packages() {
    [ -z "$dir" ] || return 0
    status=$(dpkg-query ${root:+--admindir="$root/var/lib/dpkg"} -W -f '${db:Status-Status}' pm-packet 2>/dev/null) ||
        status=
    [ "$status" != installed ] || die "the package pm-packet is installed, and dpkg keeps its files" \
        "Remove it first, with apt remove pm-packet; or go on with the package."
    if [ -d "$root/var/lib/rpm" ] && rpm ${root:+--root "$root"} -q pm-packet >/dev/null 2>&1; then
        die "the package pm-packet is installed, and rpm keeps its files" \
            "Remove it first, with yum remove pm-packet; or go on with the package."
    fi
}

# By such lines our manual and our completions are known.
manual_line='^\.TH PM'
has_line() { [ -f "$1" ] && grep -q -e "$2" "$1"; }

check_place() {
    if exists "$1" && ! has_line "$1" "$2"; then
        die "$1 is not ours" "Move it away and run this again."
    fi
}

# Runs a command for each shell's completion: with its source, its place, and a line that it is known by.
each_completion() {
    "$@" pm-packet.bash "$share/bash-completion/completions/pm-packet" '^complete .*pm-packet$'
    # Of the folders for packages in $fpath, Debian's zsh has this one, and the zsh of others that one.
    if has_dpkg; then
        "$@" _pm-packet "$share/zsh/vendor-completions/_pm-packet" '^#compdef pm-packet$'
    else
        "$@" _pm-packet "$share/zsh/site-functions/_pm-packet" '^#compdef pm-packet$'
    fi
    "$@" pm-packet.fish "$share/fish/vendor_completions.d/pm-packet.fish" '^complete -c pm-packet '
}

check_completion() {
    check_place "$2" "$3"
    check_writable "${2%/*}"
}

check_removal_of_completion() { ! exists "${2%/*}" || check_writable "${2%/*}"; }

install_completion() { put_file "$source/completions/$1" "$2" 644; }

# With the folders that were made for it alone.
remove_completion() {
    if has_line "$2" "$3"; then
        remove_file "$2"
    fi
    place=${2%/*}
    rmdir "$place" "${place%/*}" 2>/dev/null || :
}

check_install() {
    check_packages
    if [ -n "$binary" ]; then
        { [ -f "$binary" ] && [ -r "$binary" ]; } || die "-b: there is no file $binary that can be read"
    fi
    for driver in $drivers; do
        folder=$pm/$driver
        if exists "$folder.stock" && { [ ! -f "$program" ] || { exists "$folder" && ! is_folder "$folder"; }; }; then
            die "$folder.stock is not ours, and what $folder holds was to be kept there" \
                "Remove it, or rename it, such as:" "mv '$folder.stock' '$folder.stock.old'"
        fi
        is_folder "$folder" || continue
        for action in $actions; do
            ! is_folder "$folder/$action" || die "$folder/$action is a folder, where a link belongs" \
                "Move it away and run this again."
        done
        check_writable "$folder"
    done
    if [ -n "$fence" ]; then
        ! is_folder "$hook" || die "$hook is a folder, where a link belongs" "Move it away and run this again."
        check_writable "${hook%/*}"
    fi
    [ ! -d "$program" ] || die "$program is a folder, where the binary belongs" \
        "Move it away and run this again."
    if exists "$command" && ! is_our_command "$command"; then
        die "$command is not ours" "Move it away and run this again."
    fi
    check_place "$manual" "$manual_line"
    each_completion check_completion
    for place in "$pm" "$bin" "$man"; do
        check_writable "$place"
    done
}

make_folder() {
    [ ! -d "$1" ] || return 0
    make_folder "$(dirname "$1")"
    mkdir "$1"
    own "$1"
}

# Puts the link PLACE to TARGET, over whatever stands there.
put_link() {
    temporary=${2%/*}/.pm-packet.$$
    ln -s "$1" "$temporary"
    own "$temporary"
    mv -fT "$temporary" "$2"
    temporary=
}

# Puts a copy of FILE as PLACE, with this mode, unless it is there.
put_file() {
    if [ ! -L "$2" ] && cmp -s "$1" "$2" 2>/dev/null && [ "$(stat -c %a "$2")" = "$3" ]; then
        own "$2"
        return 0
    fi
    make_folder "${2%/*}"
    temporary=$(mktemp "${2%/*}/.pm-packet.XXXXXX")
    cp "$1" "$temporary"
    chmod "$3" "$temporary"
    own "$temporary"
    mv -fT "$temporary" "$2"
    temporary=
    report "installed $2"
}

# Keeps what stands at PLACE as PLACE.stock too, and says so. Where dpkg has diverted the place, its own is there,
# and what stands here is somebody else's.
keep() {
    copy=$1.stock
    ! is_same_file "$1" "$copy" || return 0
    if [ ! -L "$1" ] && [ ! -L "$copy" ] && cmp -s "$1" "$copy"; then
        return 0
    fi
    if [ -n "$diverted" ] && exists "$copy"; then
        copy=$1.saved
    fi
    temporary=${1%/*}/.pm-packet.$$
    ln -P "$1" "$temporary" 2>/dev/null || cp -a "$1" "$temporary"
    mv -fT "$temporary" "$copy"
    temporary=
    kept="$kept ${copy##*/}"
}

install_action() {
    link=$1
    is_ours "$link" || undone="$undone ${link##*/}"
    look_at_diversion
    if exists "$link" && ! is_ours "$link"; then
        keep "$link"
    fi
    if is_ours "$link"; then
        own "$link"
    else
        put_link "$(points_to "$link")" "$link"
        linked="$linked ${link##*/}"
    fi
    # Last, so that what stands here undiverted is always the newest.
    if has_dpkg && [ -z "$diverted" ]; then
        divert --divert "${link#"$root"}.stock" --add "${link#"$root"}"
    fi
}

# Removes what a run that was killed left in $folder.
sweep() { rm -f "$folder"/.pm-packet.[0-9]*; }

install_driver() {
    driver=$1
    folder=$pm/$driver
    if exists "$folder" && ! is_folder "$folder"; then
        unsettled=$folder
        mv -T "$folder" "$folder.stock"
        report "kept what stood at $folder as $folder.stock"
    fi
    make_folder "$folder"
    own "$folder"
    sweep
    linked=
    kept=
    for action in $actions; do
        install_action "$folder/$action"
    done
    undone=
    unsettled=
    [ -z "$kept" ] || report "kept what stood in $folder:$kept"
    [ -z "$linked" ] || report "installed $folder:$linked"
}

# The hook is one action more, in a folder that is OpenNebula's.
install_hook() {
    driver=fence
    folder=${hook%/*}
    make_folder "$folder"
    sweep
    linked=
    kept=
    install_action "$hook"
    undone=
    [ -z "$kept" ] || report "kept what stood in $folder:$kept"
    [ -z "$linked" ] || report "installed $hook"
}

# Writes the list of the installed drivers: those of the arguments. The binary reads it.
write_list() {
    names=$(printf '%s\n' "$@" | sort -u)
    if [ "$(cat "$list" 2>/dev/null)" != "$names" ]; then
        temporary=$(mktemp "$pm/.pm-packet.XXXXXX")
        printf '%s\n' "$names" >"$temporary"
        chmod 0644 "$temporary"
        mv -fT "$temporary" "$list"
        temporary=
    fi
    own "$list"
}

install_all() {
    # What was installed before is mended too.
    if is_fencing; then
        fence=yes
    fi
    drivers=$({ printf '%s\n' "$drivers" | tr ' ' '\n'; installed_drivers; } | sed '/^$/d' | sort -u)
    check_install
    choose_owner
    if [ -z "$binary" ]; then
        check_cargo
        build -p pm-packet
        binary=$(built pm-packet)
    fi
    try_binary
    if [ -z "$dir" ] && [ ! -d "$remotes" ]; then
        say "install.sh: warning: there was no $remotes: is OpenNebula installed on this machine?" >&2
    fi
    touching=yes
    make_folder "$pm"
    make_folder "$bin"
    put_file "$binary" "$program" 755
    # shellcheck disable=SC2086
    write_list $drivers ${fence:+fence}
    for driver in $drivers; do
        install_driver "$driver"
    done
    if [ -n "$fence" ]; then
        install_hook
    fi
    if [ "$(readlink "$command")" = "$target" ]; then
        own "$command"
    else
        put_link "$target" "$command"
        report "installed $command"
    fi
    put_file "$source/man/pm-packet.1" "$manual" 644
    each_completion install_completion
    [ "$changed" = yes ] || say "nothing to do: $pm holds this pm-packet already"
}

# --- Removing -------------------------------------------------------------------------------------------

# What 0.1.0 kept of DRIVER in a folder of its own comes back, where nothing newer is.
restore_folder() {
    for entry in "$1.stock"/* "$1.stock"/.[!.]* "$1.stock"/..?*; do
        exists "$entry" || continue
        place=$1/${entry##*/}
        if ! exists "$place" || is_ours "$place"; then
            make_folder "$1"
            mv -fT "$entry" "$place"
            restored="$restored ${place##*/}"
        else
            rm -rf "$entry"
        fi
    done
    rmdir "$1.stock"
}

remove_action() {
    link=$1
    look_at_diversion
    if [ -n "$diverted" ]; then
        if exists "$link" && ! is_ours "$link" && exists "$link.stock"; then
            keep "$link"
            put_link "$(points_to "$link")" "$link"
        fi
        divert --remove "${link#"$root"}"
    fi
    if is_ours "$link" && exists "$link.stock"; then
        mv -fT "$link.stock" "$link"
        restored="$restored ${link##*/}"
    elif is_ours "$link" && ! exists "$pm/$driver.stock/${link##*/}"; then
        rm -f "$link"
        removed="$removed ${link##*/}"
    elif exists "$link.stock" && ! is_ours "$link"; then
        # What stands there came with an upgrade of OpenNebula: it is the newest.
        rm -f "$link.stock"
    fi
}

remove_driver() {
    driver=$1
    folder=$pm/$driver
    if ! is_installed "$driver" && ! is_ours "$folder/deploy"; then
        # Whatever a removal that was cut short left undone.
        if ! exists "$folder" && exists "$folder.stock"; then
            mv -T "$folder.stock" "$folder"
            report "put $folder back as it was before"
        elif exists "$folder"; then
            say "left $folder alone: it is not ours"
        fi
        return 0
    fi
    sweep
    kept=
    removed=
    restored=
    for action in $actions; do
        remove_action "$folder/$action"
    done
    if is_folder "$folder.stock"; then
        restore_folder "$folder"
    fi
    [ -z "$removed" ] || report "removed from $folder:$removed"
    [ -z "$restored" ] || report "put back into $folder:$restored"
    rmdir "$folder" 2>/dev/null || :
    if ! exists "$folder" && exists "$folder.stock"; then
        mv -T "$folder.stock" "$folder"
        report "put $folder back as it was before"
    fi
}

remove_hook() {
    driver=fence
    folder=${hook%/*}
    if ! is_fencing && ! is_ours "$hook"; then
        ! exists "$hook" || say "left $hook alone: it is not ours"
        return 0
    fi
    sweep
    kept=
    removed=
    restored=
    remove_action "$hook"
    [ -z "$removed" ] || report "removed $hook"
    [ -z "$restored" ] || report "put $hook back as it was before"
}

remove_file() {
    exists "$1" || return 0
    rm -f "$1"
    report "removed $1"
}

remove_all() {
    check_packages
    for place in "$pm" "$bin" "$man"; do
        ! exists "$place" || check_writable "$place"
    done
    each_completion check_removal_of_completion
    for driver in $drivers; do
        ! is_folder "$pm/$driver" || check_writable "$pm/$driver"
    done
    touching=yes
    owner=
    if [ -n "$fence" ]; then
        ! exists "${hook%/*}" || check_writable "${hook%/*}"
        touching=yes
        remove_hook
    fi
    for driver in $drivers; do
        remove_driver "$driver"
    done
    left=$(installed_drivers)
    for driver in $drivers; do
        left=$(printf '%s\n' "$left" | grep -Fvx -e "$driver" || :)
    done
    if [ -z "$fence" ] && is_fencing; then
        left="$left fence"
    fi
    if [ -n "$left" ] && [ -f "$list" ]; then
        # shellcheck disable=SC2086
        write_list $left
    fi
    if ! binary_in_use; then
        if is_our_command "$command"; then
            remove_file "$command"
        fi
        if has_line "$manual" "$manual_line"; then
            remove_file "$manual"
        fi
        each_completion remove_completion
        # Folders that were made for it alone.
        rmdir "$man" "${man%/*}" "$share" 2>/dev/null || :
        remove_file "$list"
        remove_file "$program"
    fi
    [ "$changed" = yes ] || say "nothing to remove: $pm holds nothing of ours for${fence:+ fence}$drivers"
}

# --- What is there, said --------------------------------------------------------------------------------

show_status() {
    [ -f "$program" ] || die "pm-packet is not installed: there is no $program" "./install.sh installs it."
    version=$("$program" --version 2>&1 </dev/null) || version="a pm-packet that does not start ($version)"
    say "$version in $pm"
    displaced=
    for driver in $(installed_drivers); do
        lost=
        kept=
        for action in $actions; do
            is_ours "$pm/$driver/$action" || lost="$lost $action"
            ! exists "$pm/$driver/$action.stock" || kept=' (ACTION.stock beside it is what stood there)'
        done
        if exists "$pm/$driver.stock"; then
            kept=" ($pm/$driver.stock is what stood there)"
        fi
        if [ -n "$lost" ]; then
            displaced=yes
            say "  $driver: NOT OURS any more:$lost"
        else
            say "  $driver: ours$kept"
        fi
    done
    if is_fencing; then
        if is_ours "$hook"; then
            say "  fence: $hook is ours"
        else
            displaced=yes
            say "  fence: $hook is NOT OURS any more"
        fi
    fi
    if [ -n "$displaced" ]; then
        say "An upgrade of OpenNebula puts its own scripts there. Run install.sh again: it keeps them, and mends the links."
        exit 1
    fi
}

# --- The command line -----------------------------------------------------------------------------------

source=$(dirname "$(readlink -f "$0")")
known=$(cd "$source/remotes/pm" && printf '%s\n' */ | tr -d /)

is_known() {
    for each in $known; do
        [ "$each" != "$1" ] || return 0
    done
    return 1
}

add_driver() {
    is_known "$1" || die "there is no driver '$1'" "Known drivers: $(printf '%s\n' "$known" | paste -s -d ' ')"
    drivers="$drivers $1"
}

# An empty value is a variable that was not set, and must not be taken for an option that was not given.
value() {
    [ -n "$OPTARG" ] || misuse "-$option needs a value"
    printf '%s\n' "$OPTARG"
}

status_asked=
fence=
# -r may stand before --fence, too.
if [ "${1-}" = -r ] && [ "${2-}" = --fence ]; then
    shift 2
    set -- --fence -r "$@"
fi
case ${1-} in
    --demo)
        [ $# -eq 1 ] || misuse "--demo stands alone"
        demo
        ;;
    --help)
        usage
        exit 0
        ;;
    --status)
        status_asked=yes
        shift
        ;;
    --fence)
        fence=yes
        shift
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
[ -z "$status_asked" ] || [ -z "$user$group$binary$remove$drivers" ] || misuse "--status takes only -d"
[ -z "$fence" ] || [ -z "$drivers" ] || misuse "--fence takes no -D: run this twice"
[ -n "$fence" ] || drivers=${drivers:- packet}
if [ -z "$binary" ] && [ -f "$source/pm-packet" ]; then
    binary=$source/pm-packet
fi

# Where packages and images are made, the root of what is made, as make's own convention has it.
root=${DESTDIR-}
root=${root%/}
if [ -n "$dir" ]; then
    root=
    dir=$(realpath -m -- "$dir")
    remotes=${dir%/}/var/remotes
    bin=${dir%/}/bin
    share=${dir%/}/share
else
    remotes=$root/var/lib/one/remotes
    bin=$root/usr/bin
    share=$root/usr/share
fi
pm=$remotes/pm
program=$pm/pm-packet
hook=$remotes/hooks/ft/fence_host.sh
target=${program#"$root"}
list=$pm/pm-packet.drivers
command=$bin/pm-packet
man=$share/man/man1
manual=$man/pm-packet.1

if [ -n "$status_asked" ]; then
    show_status
elif [ -n "$remove" ]; then
    remove_all
else
    install_all
fi
