#!/usr/bin/env bash
# Makes the example report: docs/results/make.sh DATA TEACHER OUT
#
#   DATA     tiny-imagenet-50/{train,val}/<class>, bccd/VOC2007 (VOC boxes), camvid/{img,ann}/{train,val} (masks)
#   TEACHER  a self-supervised checkpoint with a projection head, such as MoCo-v2's
#   OUT      a folder for the runs; OUT/report/report.html is the report
#
# Distils networks by two methods over seeds, varies CompRess's temperature and OSS's dropout and adversary, measures
# all beside a random start and the teacher, draws what one student has learned, and fine-tunes it for detection and
# segmentation. The same command goes on where it was interrupted. Smaller or larger:
# EPOCHS=1 SWEEP_EPOCHS=1 SEEDS=0 STEPS=20 NETWORK=test_resnet docs/results/make.sh ...
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
EPOCHS=${EPOCHS:-4} SEEDS=${SEEDS:-0,1,2} SWEEP_EPOCHS=${SWEEP_EPOCHS:-2} STEPS=${STEPS:-100}
NETWORK=${NETWORK:-resnet18} PYTHON=${PYTHON:-python}
export PYTHON
mkdir -p "$3"
OUT=$(cd "$3" && pwd)
# links, so that commands and rows hold no folder of this machine
ln -sfn "$(cd "$1" && pwd)" "$OUT/data"
ln -sfn "$(realpath "$2")" "$OUT/teacher.pth"
ln -sfn "$ROOT/tools" "$OUT/tools"
cd "$OUT"
IMAGES=data/tiny-imagenet-50
PIXELS=(--image-size 64)

step() { # step NAME COMMAND...: runs it unless it is done
  if [ ! -e "done/$1" ]; then
    echo "== $1"
    "${@:2}"
    mkdir -p done && touch "done/$1"
  fi
}

measure() { # measure NAME OPTIONS...: the protocols that run unasked, and retrieval
  step "measure-$1" "$PYTHON" tools/evaluate.py "${@:2}" --data $IMAGES "${PIXELS[@]}" --resize 64 \
    --protocols knn,linear,cluster_alignment,retrieval --results results.jsonl
}

for output in backbone head; do
  step "cache-$output" "$PYTHON" tools/cache_teacher.py --data $IMAGES/train --teacher teacher.pth --output $output \
    "${PIXELS[@]}" --resize 64 --dtype float32 --out cache-$output
done

for method in compress_1q seed; do
  cache=$([ $method = seed ] && echo cache-head || echo cache-backbone)
  for seed in ${SEEDS//,/ }; do
    step "distil-$method-$seed" "$PYTHON" tools/distill.py --method $method --data $IMAGES/train --teacher teacher.pth \
      --teacher-cache $cache --student "$NETWORK" --epochs "$EPOCHS" --batch-size 128 --lr 0.03 "${PIXELS[@]}" \
      --seed "$seed" --work-dir "$method-$seed" --resume --cfg-options model.student.zero_init_last=True
    measure "$method-$seed" "$method-$seed/last.pth" --label "$method"
  done
done
measure random --random --arch "$NETWORK"
measure teacher teacher.pth --init-label teacher --label teacher

SMALL=(--data "$IMAGES/train" --student test_resnet --epochs "$SWEEP_EPOCHS" --batch-size 128 "${PIXELS[@]}")
step sweep-temperature "$PYTHON" tools/sweep.py --grid model.temperature=0.02,0.04,0.1,1.0 --seeds "$SEEDS" \
  --data $IMAGES --evaluation "--image-size 64 --resize 64" --protocols knn,linear --out sweep-temperature \
  -- --method compress_1q --teacher teacher.pth --teacher-cache cache-backbone --lr 0.03 "${SMALL[@]}" \
  --cfg-options model.student.zero_init_last=True
step sweep-oss "$PYTHON" tools/sweep.py --grid "model.dropout=None,(0.1,0.05)" model.adversarial=True,False \
  --data $IMAGES --evaluation "--image-size 64 --resize 64" --protocols knn,linear --out sweep-oss \
  -- --method oss --teacher test_resnet "${SMALL[@]}" --cfg-options model.prototypes=100 model.queue_length=0 \
  model.student.zero_init_last=True train_dataloader.dataset.augmentation.small_views=2

STUDENT=compress_1q-${SEEDS%%,*}/last.pth
for init in distilled random; do
  step "detection-$init" bash "$ROOT/tools/run_transfer.sh" voc07_det_res5 "$STUDENT" --data-root data/bccd --smoke \
    --image-size 160 --max-steps "$STEPS" --gpus 0 --init $init --work-dir transfer
  step "segmentation-$init" bash "$ROOT/tools/run_transfer.sh" voc12_seg "$STUDENT" --data-root data/camvid --image-size 180 \
    --crop-size 180 240 --max-steps "$STEPS" --batch-size 4 --seeds 1 --gpus 0 --init $init --work-dir transfer
done

step figures "$PYTHON" tools/figures.py "$STUDENT" teacher.pth --random "$NETWORK" --data $IMAGES --image-size 192 --resize 192 \
  --out figures

"$PYTHON" tools/report.py results.jsonl sweep-*/results.jsonl transfer/results.jsonl --figures figures --out report
# folders that were written down in full
sed -i "s#$OUT/##g; s#$ROOT/##g; s#$(realpath data)#data#g; s#$(realpath teacher.pth)#teacher.pth#g" report/report.{html,md}
echo "$OUT/report/report.html"
