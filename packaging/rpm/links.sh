# shellcheck shell=sh
# What the scriptlets of the rpm do with the links of driver packet; pm-packet.spec reads it. rpm has no diversions: the
# links are made here, what stood there is kept beside them as ACTION.stock, and each change is one rename. So at each
# moment an action is the stock driver's or ours. Until coreutils 8.22, of CentOS 7, all of it is known.
set -e
folder=/var/lib/one/remotes/pm/packet
actions='cancel deploy poll reboot reset shutdown'

is_ours() { [ "$(readlink "$1")" = ../pm-packet ]; }

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# Puts our links where they are not, and keeps what stands there: an upgrade of OpenNebula's package put it there.
take_over() {
    mkdir -p "$folder"
    rm -f "$folder"/.pm-packet.[0-9]*
    for action in $actions; do
        link=$folder/$action
        if is_ours "$link"; then
            continue
        fi
        # It has both names already where this was killed halfway, and mv refuses that.
        # shellcheck disable=SC3013  # bash and dash both know -ef
        if exists "$link" && ! [ "$link" -ef "$link.stock" ]; then
            ln -f "$link" "$folder/.pm-packet.$$"
            mv -fT "$folder/.pm-packet.$$" "$link.stock"
        fi
        ln -s ../pm-packet "$folder/.pm-packet.$$"
        mv -fT "$folder/.pm-packet.$$" "$link"
    done
}

# Puts back what stood there before.
give_back() {
    for action in $actions; do
        link=$folder/$action
        if is_ours "$link"; then
            if exists "$link.stock"; then
                mv -fT "$link.stock" "$link"
            else
                rm -f "$link"
            fi
        else
            # It came with a later version of the stock package: it is the newest.
            rm -f "$link.stock"
        fi
    done
    rmdir "$folder" 2>/dev/null || :
}

# The stock package was removed, and our links with it, for it owns their names: what was kept of it goes too.
forget() {
    for action in $actions; do
        exists "$folder/$action" || rm -f "$folder/$action.stock"
    done
}
