#!/usr/bin/env bash
# Starts SLURM on this one machine for tests/end_to_end/test_slurm.py: a controller and a node, with all
# they write in one folder. As root, where slurmctld, slurmd and munged are installed.
#
#   tests/slurm/start_slurm.sh FOLDER    writes FOLDER/slurm.conf; tests find it by SLURM_CONF
#   tests/slurm/stop_slurm.sh FOLDER
set -euo pipefail
folder=$(realpath -m "$1")
node=$(hostname -s)
mkdir -p "$folder"/{state,spool,munge}

# A key and a socket of its own: a munge that is already at work here stays as it is.
dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1 status=none
chmod 600 "$folder/munge/key"
chmod 755 "$folder" "$folder/munge"
munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed" --log-file="$folder/munge/log" --force

# The node is told to have more cores than it may have, so that an array of four runs side by side anywhere.
# A requeued job waits for cred_expire seconds, two minutes if nothing else is said.
cat >"$folder/slurm.conf" <<CONF
ClusterName=dfaseg-tests
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
OverTimeLimit=0
KillWait=30
MinJobAge=3600
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
NodeName=$node NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
slurmctld -c -f "$SLURM_CONF"
slurmd -c -f "$SLURM_CONF"
for _ in $(seq 30); do
    if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then exit 0; fi
    sleep 1
done
echo "SLURM did not come up; see $folder/slurmctld.log and $folder/slurmd.log" >&2
exit 1
