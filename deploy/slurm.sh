#!/usr/bin/env bash
# One search on the nodes of a Slurm job. Submit it in the folder above this one, which every node can see:
#
#     scripts/setup
#     sbatch deploy/slurm.sh multilabel --name first
#     sbatch --nodes=8 --time=12:00:00 deploy/slurm.sh mine.yaml --name mine --set resources.gpus=0.5
#
# The arguments are those of `tuner run`. Five minutes before the time is over Slurm sends SIGTERM: the search stops, and the job goes
# back to the queue, where it goes on with the same run. The same happens if a node fails or the job is preempted.
#SBATCH --job-name=tuner
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=tuner-%j.log
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1

is_cut_off=0 search=''
# shellcheck disable=SC2329 # the trap calls it
cut_off() {
  is_cut_off=1
  if [ -n "$search" ]; then kill -TERM "$search"; else scontrol requeue "$SLURM_JOB_ID" && exit 130; fi
}
trap cut_off TERM

# A token for this job only: others share these machines. srun hands it to the nodes in the environment.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$head:$((20000 + SLURM_JOB_ID % 10000)) # a port of its own, for jobs that share a node
resources=(--num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}")

srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --block --head --port="${address#*:}" --temp-dir="/tmp/ray-$SLURM_JOB_ID" "${resources[@]}" &
ray=$!
until timeout 30 ray health-check --address "$address" >/dev/null 2>&1; do
  if ! kill -0 "$ray" 2>/dev/null; then exit 1; fi # Ray did not start, and has said why
  sleep 2
done
if [ "$SLURM_NNODES" -gt 1 ]; then
  srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --exclude="$head" \
    ray start --block --address="$address" "${resources[@]}" &
fi

tuner run "$@" --resume-or-start --address "$address" --set resources.wait=5m &
search=$! code=0
wait "$search" || code=$?
if [ "$is_cut_off" = 1 ]; then
  wait "$search" || code=$? # the first wait ended with the signal
  if [ "$code" = 130 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
fi
exit "$code"
