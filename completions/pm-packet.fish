# fish completion for pm-packet, made of the tables of its command line: tests/suite/operator/completions.rs
# Installed as /usr/share/fish/vendor_completions.d/pm-packet.fish

# Prints the command that stands on the line, and fails where there is none yet.
function __pm_packet_command
    set -l words (commandline -opc)[2..]
    while set -q words[1]
        switch $words[1]
            case --driver
                set words $words[2..]
            case '-*'
            case '*'
                echo $words[1]
                return 0
        end
        set words $words[2..]
    end
    return 1
end

function __pm_packet_is
    set -l command (__pm_packet_command)
    and contains -- $command $argv
end

complete -c pm-packet -f
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a deploy -d 'order a machine for a host'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a poll -d 'print the values of a machine'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a cancel -d 'delete a machine and wait until it is gone'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a reboot -d 'reboot a machine'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a reset -d 'power a machine off and on again'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a shutdown -d 'power a machine off, or delete it, as LCM_STATE says'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a fence -d 'power off the machine of a dead host, for OpenNebula\'s high availability'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a check -d 'show what a host\'s file, or each host of a provision template, says and would order, and whether that would be accepted'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a list -d 'list the machines that OpenNebula ordered, and mark those that no host has'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a help -d 'print the help, or that of a command'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -a version -d 'print the version'
complete -c pm-packet -n '__pm_packet_is deploy' -F
complete -c pm-packet -n '__pm_packet_is check' -F
complete -c pm-packet -n '__pm_packet_is help' -a 'deploy poll cancel reboot reset shutdown fence check list help version'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -s h -l help -d 'display usage information'
complete -c pm-packet -n '__pm_packet_is deploy poll cancel reboot reset shutdown fence check list' -s h -l help -d 'display usage information'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -s d -l verbose -d 'log each decision on stderr, as PM_LOG=info does'
complete -c pm-packet -n '__pm_packet_is deploy poll cancel reboot reset shutdown fence check list' -s d -l verbose -d 'log each decision on stderr, as PM_LOG=info does'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -s D -l debug -d 'log each request too, as PM_LOG=debug does'
complete -c pm-packet -n '__pm_packet_is deploy poll cancel reboot reset shutdown fence check list' -s D -l debug -d 'log each request too, as PM_LOG=debug does'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -l driver -x -a 'packet ec2 ironic scaleway phoenixnap latitude dummy' -d 'the driver, in place of the PM_MAD of the host'
complete -c pm-packet -n '__pm_packet_is deploy poll cancel reboot reset shutdown fence check' -l driver -x -a 'packet ec2 ironic scaleway phoenixnap latitude dummy' -d 'the driver, in place of the PM_MAD of the host'
complete -c pm-packet -n 'not __pm_packet_command >/dev/null' -s V -l version -d 'print the version'
complete -c pm-packet -n '__pm_packet_is cancel' -l credentials-of -x -a '(onehost list --no-header --list ID 2>/dev/null | string trim)' -d 'the credentials of this host in oned, in place of HOST'
complete -c pm-packet -n '__pm_packet_is check' -l host -x -a '(onehost list --no-header --list ID 2>/dev/null | string trim)' -d 'the host with this id, from oned, in place of a file'
complete -c pm-packet -n '__pm_packet_is check' -l fence -d 'whether the host could be fenced, in place of whether it could be deployed'
complete -c pm-packet -n '__pm_packet_is check' -l wide -d 'lines of any length, however wide the terminal is'
complete -c pm-packet -n '__pm_packet_is check list' -s j -l json -d 'print JSON'
complete -c pm-packet -n '__pm_packet_is list' -l host -x -a '(onehost list --no-header --list ID 2>/dev/null | string trim)' -d 'the project of the host with this id in oned'
complete -c pm-packet -n '__pm_packet_is list' -l all -d 'the projects of all hosts in oned, and of the environment'
complete -c pm-packet -n '__pm_packet_is list' -l driver -x -a 'packet ec2 ironic scaleway phoenixnap latitude dummy' -d 'the project of this driver\'s credentials in the environment or its settings file'
complete -c pm-packet -n '__pm_packet_is list' -l all-machines -d 'also machines without OpenNebula\'s tags'
complete -c pm-packet -n '__pm_packet_is list' -l metrics -r -F -d 'also write the counts into FILE, for node_exporter'
complete -c pm-packet -n '__pm_packet_is list' -s l -l list -x -d 'these alone, such as ID,HOST,MARK'
complete -c pm-packet -n '__pm_packet_is list' -l csv -d 'print comma-separated values'
complete -c pm-packet -n '__pm_packet_is list' -l no-header -d 'print the table without its head'
complete -c pm-packet -n '__pm_packet_is list' -l wide -d 'all columns whole, however wide the terminal is'
