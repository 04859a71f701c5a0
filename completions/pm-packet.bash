# bash completion for pm-packet, made of the tables of its command line: tests/suite/operator/completions.rs
# Installed as /usr/share/bash-completion/completions/pm-packet

_pm_packet() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' words='' files='' at=1
    COMPREPLY=()
    while [[ $at -lt $COMP_CWORD && -z $command ]]; do
        case ${COMP_WORDS[at]} in
            --driver) at=$((at + 1)) ;;
            -* | =) ;;
            *) [[ ${COMP_WORDS[at - 1]} == '=' ]] || command=${COMP_WORDS[at]} ;;
        esac
        at=$((at + 1))
    done
    # bash takes --option=value for three words.
    if [[ $word == '=' ]]; then
        word=''
    elif [[ $before == '=' ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $before in
        --credentials-of | --host) words=$(onehost list --no-header --list ID 2>/dev/null) ;;
        --driver) words='packet ec2 ironic scaleway phoenixnap latitude dummy' ;;
        --metrics) files=yes ;;
        --list | -l) : ;;
        *)
            case $command in
                '') words='deploy poll cancel reboot reset shutdown fence check list help version -h --help -d --verbose -D --debug --driver -V --version' ;;
                deploy) words='-h --help -d --verbose -D --debug --driver' files=yes ;;
                poll) words='-h --help -d --verbose -D --debug --driver' ;;
                cancel) words='-h --help --credentials-of -d --verbose -D --debug --driver' ;;
                reboot) words='-h --help -d --verbose -D --debug --driver' ;;
                reset) words='-h --help -d --verbose -D --debug --driver' ;;
                shutdown) words='-h --help -d --verbose -D --debug --driver' ;;
                fence) words='-h --help -d --verbose -D --debug --driver' ;;
                check) words='-h --help --host --fence --wide -j --json -d --verbose -D --debug --driver' files=yes ;;
                list) words='-h --help --host --all --driver --all-machines --metrics -l --list --csv --no-header --wide -j --json -d --verbose -D --debug' ;;
                help) words='deploy poll cancel reboot reset shutdown fence check list help version' ;;
                version) words='' ;;
            esac
            [[ $word != -* ]] || files=''
            ;;
    esac
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
}

complete -F _pm_packet pm-packet
