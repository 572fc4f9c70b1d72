#!/usr/bin/env bash
# Ends what start_slurm.sh began in FOLDER, and nothing else.
set -uo pipefail
for pid_file in "$1/slurmd.pid" "$1/slurmctld.pid" "$1/munge/pid"; do
    [ -s "$pid_file" ] && kill "$(cat "$pid_file")"
done
exit 0
