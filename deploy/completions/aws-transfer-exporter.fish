# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_aws_transfer_exporter_global_optspecs
    string join \n config.file= config.auto-reload-interval= web.listen-address= web.config.file= web.health-listen-address= web.systemd-socket web.enable-write-api web.enable-lifecycle web.telemetry-path= storage.path= shard.index= shard.total= log.level= log.format= h/help V/version
end

function __fish_aws_transfer_exporter_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_aws_transfer_exporter_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_aws_transfer_exporter_using_subcommand
    set -l cmd (__fish_aws_transfer_exporter_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -s V -l version -d 'Print version'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "demo" -d 'Serve with no AWS account and no configuration, from the built-in simulator'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "simulate" -d 'Run the simulator of the Transfer Family endpoint alone'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "check" -d 'Read the configuration and print every problem. Exits 1 if there is one'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "plan" -d 'What the configuration will come to: series, calls, the time of a sweep, and the least IAM policy. Calls nothing'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "once" -d 'One sweep, the exposition on standard output. Exits 3 if a file FAILED'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "results" -d 'One look at one transfer'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "healthcheck" -d 'Ask a running exporter on --web.health-listen-address, or else on --web.listen-address, whether it is healthy'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "man" -d 'Print the manual page, for man(1)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.listen-address -d 'Address that the simulator listens on' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.seed -d 'Seed of everything that is random' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.expiry -d 'What is answered for an unknown or expired transfer' -r -f -a "not-found\t'`ResourceNotFoundException`'
empty-list\t'An empty list'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.fleet -d 'Run the demo\'s fleet: connectors on which transfers start all the time'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.accept-any-access-key -d 'Take any access key, and check the form of its signature alone'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l live -d 'Ask AWS too, for each account: who the credentials are, which connectors there are, which permission is missing'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l scrape-interval -d 'Time between two scrapes' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l latency -d 'Time from a call to its answer' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l files -d 'Files of each transfer' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l output -d 'Form of the answer' -r -f -a "table\t'For a terminal'
json\t'For scripts'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l iam-policy -d 'Print the least IAM policy as JSON; where there are several, by who is to have them'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l output.file -d 'Write here in place of standard output, whole or not at all; for node_exporter\'s textfile collector' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l account -d 'The configured account to ask; needed where there are several' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l output -d 'Form of the answer' -r -f -a "table\t'For a terminal'
json\t'For scripts'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l config.file -d 'The configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l config.auto-reload-interval -d 'How often the file is read to see whether its content has changed, which reloads it; 0s: never' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l web.listen-address -d 'Address to listen on; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l web.config.file -d 'File with TLS, users, headers and the rate limit, in the format of the Prometheus exporter-toolkit' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l web.health-listen-address -d 'Address that has /-/healthy and /-/ready alone, in plain HTTP and for everybody, whatever --web.config.file says; may be repeated' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l storage.path -d 'Folder for what has to outlive the process: known transfers, results, counters. Made if it is missing. Left out, all of it is in memory alone' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l shard.index -d 'Which of --shard.total exporters this is, from 0; `from-hostname` takes the number that the host name ends with, for the pods of a stateful set' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l shard.total -d 'Exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l log.level -d 'Least level of log records' -r -f -a "debug\t'Everything'
info\t'What an operator may want to know'
warn\t'What an operator should look at'
error\t'What keeps the exporter from its work'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object a line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l web.systemd-socket -d 'Take the listening sockets from systemd in place of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l web.enable-write-api -d 'Let clients start and stop the tracking of single transfers, by PUT and DELETE'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -l web.enable-lifecycle -d 'Let clients reload the configuration, by POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "demo" -d 'Serve with no AWS account and no configuration, from the built-in simulator'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "simulate" -d 'Run the simulator of the Transfer Family endpoint alone'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "check" -d 'Read the configuration and print every problem. Exits 1 if there is one'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "plan" -d 'What the configuration will come to: series, calls, the time of a sweep, and the least IAM policy. Calls nothing'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "once" -d 'One sweep, the exposition on standard output. Exits 3 if a file FAILED'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "results" -d 'One look at one transfer'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "healthcheck" -d 'Ask a running exporter on --web.health-listen-address, or else on --web.listen-address, whether it is healthy'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "completions" -d 'Print the completions of a shell'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "man" -d 'Print the manual page, for man(1)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
