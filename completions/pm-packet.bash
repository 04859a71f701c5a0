# bash completion for pm-packet; installed as /usr/share/bash-completion/completions/pm-packet

_pm_packet() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        words='deploy poll cancel reboot reset shutdown fence check list --help --version'
    else
        case ${COMP_WORDS[1]} in
            check) words='--host --fence --wide --json --driver --help' ;;
            cancel) words='--credentials-of --driver --help' ;;
            list) words='--host --all --driver --all-machines --metrics --list --csv --no-header --wide --json --help' ;;
            poll | reboot | reset | shutdown | deploy) words='--driver --help' ;;
            *) words='--help' ;;
        esac
        case $before in
            --host | --credentials-of) words=$(onehost list --no-header --list ID 2>/dev/null) ;;
            --driver) words='packet ec2 ironic scaleway phoenixnap latitude dummy' ;;
        esac
    fi
    if [[ ${COMP_WORDS[1]} =~ ^(check|deploy)$ && $COMP_CWORD -gt 1 && $before != --host && $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
}

complete -o filenames -F _pm_packet pm-packet
