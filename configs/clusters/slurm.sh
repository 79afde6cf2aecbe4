#!/bin/bash
# Trains one network on the GPUs of two machines, by Slurm: sbatch configs/clusters/slurm.sh
#
# Submit it in the folder of the checkout, which all machines must see under the same path (data/ and results/ too),
# with the environment activated. Change the numbers to your cluster's; NAME and CONFIG may come from the environment:
# NAME=first CONFIG=configs/own_maps.json sbatch configs/clusters/slurm.sh
# Submitted again with the same NAME, it goes on with that run.

#SBATCH --job-name=embeddings
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.out

NAME=${NAME:-germany}
CONFIG=${CONFIG:-configs/unsupervised_magnet_germany.json}
if [ -e "results/$NAME/config.json" ]; then
    work=(resume "results/$NAME")
else
    work=(train "$CONFIG" "name=$NAME")
fi
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# SIGTERM makes the run write a checkpoint and end; srun hands it on to torchrun on all machines, which gives the run
# --shutdown-timeout seconds. Five minutes before the time limit Slurm sends this script SIGUSR1 (--signal above): then
# the job is queued again, and goes on from the checkpoint. A SIGTERM is Slurm's own or that of scancel: then it is not
# for this script to queue the job again.
is_out_of_time=false
trap 'is_out_of_time=true; kill -TERM "$!"' USR1
trap 'kill -TERM "$!"' TERM

srun --cpus-per-task="$SLURM_CPUS_PER_TASK" torchrun \
    --nnodes="$SLURM_NNODES" --nproc-per-node="$SLURM_GPUS_ON_NODE" --shutdown-timeout=240 \
    --rdzv-backend=c10d --rdzv-endpoint="$first:29400" --rdzv-id="$SLURM_JOB_ID" \
    main.py "${work[@]}" &

wait "$!"
code=$?
while kill -0 "$!" 2>/dev/null; do  # a signal ended the wait, not the training
    wait "$!"
    code=$?
done
if $is_out_of_time; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
