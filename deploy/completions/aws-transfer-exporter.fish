# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_aws_transfer_exporter_global_optspecs
    string join \n config.file= config.auto-reload-interval= web.listen-address= web.config.file= web.health-listen-address= web.systemd-socket web.enable-write-api web.enable-lifecycle web.enable-openmetrics2 web.telemetry-path= web.external-url= web.route-prefix= storage.path= storage.url= storage.lease-duration= shard.index= shard.total= log.level= log.format= h/help V/version
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

complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l config.file -d 'Configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l config.auto-reload-interval -d 'Interval for checking the configuration file for changes. 0s disables' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.listen-address -d 'Address to listen on. Repeatable' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.config.file -d 'File with TLS, users, headers and rate limit, in the format of the Prometheus exporter-toolkit. If empty, there are none' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.health-listen-address -d 'Additional address serving only /-/healthy and /-/ready, without TLS or authentication. Repeatable' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.external-url -d 'URL under which clients outside reach the exporter, for example through a reverse proxy, or its path, which is the default of --web.route-prefix' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.route-prefix -d 'Prefix of all routes. Default: the path of --web.external-url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l storage.path -d 'Directory for persistent state; created if missing. If unset, state is kept in memory only' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l storage.url -d 'Table for persistent state that several exporters share, as `dynamodb://TABLE[?region=REGION&endpoint=URL&prefix=TEXT]`. Of each shard, one exporter is the owner; the others wait to take over' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l storage.lease-duration -d 'For how long an owner keeps its shard without a renewal in the table. Another exporter takes over within one and a half times of it' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l shard.index -d 'Index of this exporter among --shard.total, from 0. `from-hostname` uses the number at the end of the host name, as in the pods of a StatefulSet. `auto` shares all shards evenly with the other exporters of --storage.url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l shard.total -d 'Number of exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l log.level -d 'Lowest level that is logged' -r -f -a "debug\t'Everything'
info\t'Normal operation'
warn\t'Problems that need attention'
error\t'Failures that stop the exporter from working'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object per line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.systemd-socket -d 'Use listening sockets passed by systemd instead of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.enable-write-api -d 'Enable PUT and DELETE of /api/v1/transfers/..., which start and stop tracking a transfer'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -l web.enable-openmetrics2 -d 'Offer OpenMetrics 2.0, which carries native histograms as text, to clients that ask for it. Experimental: its specification is a release candidate'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -s V -l version -d 'Print version'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "demo" -d 'Serve from the built-in simulator, without AWS and without a configuration'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "simulate" -d 'Run only the simulator of the Transfer Family API'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "check" -d 'Validate the configuration and print every problem. Exits 1 if there is one'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "plan" -d 'Estimate series, API calls and the minimal IAM policy (offline)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "once" -d 'Run one sweep and print the metrics. Exits 3 if a file is FAILED'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "results" -d 'Print the file results of one transfer'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "healthcheck" -d 'Check the health of a running exporter'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "storage" -d 'Create the table that several exporters share, or copy state'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "man" -d 'Print the manual page, for man(1)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.listen-address -d 'Address to listen on. Repeatable' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.config.file -d 'File with TLS, users, headers and rate limit, in the format of the Prometheus exporter-toolkit. If empty, there are none' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.health-listen-address -d 'Additional address serving only /-/healthy and /-/ready, without TLS or authentication. Repeatable' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.external-url -d 'URL under which clients outside reach the exporter, for example through a reverse proxy, or its path, which is the default of --web.route-prefix' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.route-prefix -d 'Prefix of all routes. Default: the path of --web.external-url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l storage.path -d 'Directory for persistent state; created if missing. If unset, state is kept in memory only' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l shard.index -d 'Index of this exporter among --shard.total, from 0. `from-hostname` uses the number at the end of the host name, as in the pods of a StatefulSet. `auto` shares all shards evenly with the other exporters of --storage.url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l shard.total -d 'Number of exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l log.level -d 'Lowest level that is logged' -r -f -a "debug\t'Everything'
info\t'Normal operation'
warn\t'Problems that need attention'
error\t'Failures that stop the exporter from working'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object per line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.systemd-socket -d 'Use listening sockets passed by systemd instead of --web.listen-address'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.enable-write-api -d 'Enable PUT and DELETE of /api/v1/transfers/..., which start and stop tracking a transfer'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -l web.enable-openmetrics2 -d 'Offer OpenMetrics 2.0, which carries native histograms as text, to clients that ask for it. Experimental: its specification is a release candidate'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.listen-address -d 'Address of the simulator' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.seed -d 'Seed of all random choices' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.expiry -d 'Answer for unknown and expired transfers' -r -f -a "not-found\t'`ResourceNotFoundException`'
empty-list\t'An empty list'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l log.level -d 'Lowest level that is logged' -r -f -a "debug\t'Everything'
info\t'Normal operation'
warn\t'Problems that need attention'
error\t'Failures that stop the exporter from working'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object per line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.fleet -d 'Start transfers all the time, as `demo` does'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -l simulator.accept-any-access-key -d 'Accept every access key'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l output -d 'Output format' -r -f -a "table\t'Table for a terminal'
json\t'JSON for scripts'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l config.file -d 'Configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l web.config.file -d 'File with TLS, users, headers and rate limit, in the format of the Prometheus exporter-toolkit. If empty, there are none' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l log.level -d 'Lowest level that is logged' -r -f -a "debug\t'Everything'
info\t'Normal operation'
warn\t'Problems that need attention'
error\t'Failures that stop the exporter from working'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object per line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l live -d 'Check against AWS too: caller identity, connectors, missing permissions and clock of each account'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -l quiet -d 'Show no progress on a terminal'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l scrape-interval -d 'Time between scrapes' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l latency -d 'Duration of an AWS call' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l files -d 'Files in each transfer' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l exporters -d 'Exporters that share the table of --storage.url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l output -d 'Output format' -r -f -a "table\t'Table for a terminal'
json\t'JSON for scripts'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l config.file -d 'Configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l storage.url -d 'Table for persistent state that several exporters share, as `dynamodb://TABLE[?region=REGION&endpoint=URL&prefix=TEXT]`. Of each shard, one exporter is the owner; the others wait to take over' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l storage.lease-duration -d 'For how long an owner keeps its shard without a renewal in the table. Another exporter takes over within one and a half times of it' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l shard.index -d 'Index of this exporter among --shard.total, from 0. `from-hostname` uses the number at the end of the host name, as in the pods of a StatefulSet. `auto` shares all shards evenly with the other exporters of --storage.url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l shard.total -d 'Number of exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l iam-policy -d 'Print the minimal IAM policy as JSON. Several policies are keyed by the principal that needs them'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -l quiet -d 'Show no progress on a terminal'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l output.file -d 'Write to this file atomically, for node_exporter\'s textfile collector. `-` is standard output' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l config.file -d 'Configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l storage.path -d 'Directory for persistent state; created if missing. If unset, state is kept in memory only' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l shard.index -d 'Index of this exporter among --shard.total, from 0. `from-hostname` uses the number at the end of the host name, as in the pods of a StatefulSet. `auto` shares all shards evenly with the other exporters of --storage.url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l shard.total -d 'Number of exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l log.level -d 'Lowest level that is logged' -r -f -a "debug\t'Everything'
info\t'Normal operation'
warn\t'Problems that need attention'
error\t'Failures that stop the exporter from working'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object per line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -l quiet -d 'Show no progress on a terminal'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand once" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l account -d 'Configured account of the connector. Required if it cannot be derived from the configuration' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l output -d 'Output format' -r -f -a "table\t'Table for a terminal'
json\t'JSON for scripts'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l config.file -d 'Configuration file' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l log.level -d 'Lowest level that is logged' -r -f -a "debug\t'Everything'
info\t'Normal operation'
warn\t'Problems that need attention'
error\t'Failures that stop the exporter from working'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object per line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand results" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.listen-address -d 'Address to listen on. Repeatable' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.config.file -d 'File with TLS, users, headers and rate limit, in the format of the Prometheus exporter-toolkit. If empty, there are none' -r -F
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.health-listen-address -d 'Additional address serving only /-/healthy and /-/ready, without TLS or authentication. Repeatable' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.external-url -d 'URL under which clients outside reach the exporter, for example through a reverse proxy, or its path, which is the default of --web.route-prefix' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -l web.route-prefix -d 'Prefix of all routes. Default: the path of --web.external-url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -l storage.url -d 'Table for persistent state that several exporters share, as `dynamodb://TABLE[?region=REGION&endpoint=URL&prefix=TEXT]`. Of each shard, one exporter is the owner; the others wait to take over' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -l shard.index -d 'Index of this exporter among --shard.total, from 0. `from-hostname` uses the number at the end of the host name, as in the pods of a StatefulSet. `auto` shares all shards evenly with the other exporters of --storage.url' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -l shard.total -d 'Number of exporters that share the transfers, each with its own --shard.index' -r
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -l log.level -d 'Lowest level that is logged' -r -f -a "debug\t'Everything'
info\t'Normal operation'
warn\t'Problems that need attention'
error\t'Failures that stop the exporter from working'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -l log.format -d 'Format of log records' -r -f -a "logfmt\t'`key=value` pairs'
json\t'One JSON object per line'"
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -f -a "init" -d 'Create the table that --storage.url names, unless it exists'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -f -a "copy" -d 'Copy the state of a shard to a storage that has none'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and not __fish_seen_subcommand_from init copy help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and __fish_seen_subcommand_from copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "init" -d 'Create the table that --storage.url names, unless it exists'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "copy" -d 'Copy the state of a shard to a storage that has none'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand completions" -s h -l help -d 'Print help'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand man" -s h -l help -d 'Print help'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "demo" -d 'Serve from the built-in simulator, without AWS and without a configuration'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "simulate" -d 'Run only the simulator of the Transfer Family API'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "check" -d 'Validate the configuration and print every problem. Exits 1 if there is one'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "plan" -d 'Estimate series, API calls and the minimal IAM policy (offline)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "once" -d 'Run one sweep and print the metrics. Exits 3 if a file is FAILED'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "results" -d 'Print the file results of one transfer'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "healthcheck" -d 'Check the health of a running exporter'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "storage" -d 'Create the table that several exporters share, or copy state'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "completions" -d 'Print shell completions'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "man" -d 'Print the manual page, for man(1)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and not __fish_seen_subcommand_from demo simulate check plan once results healthcheck storage completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and __fish_seen_subcommand_from storage" -f -a "init" -d 'Create the table that --storage.url names, unless it exists'
complete -c aws-transfer-exporter -n "__fish_aws_transfer_exporter_using_subcommand help; and __fish_seen_subcommand_from storage" -f -a "copy" -d 'Copy the state of a shard to a storage that has none'
