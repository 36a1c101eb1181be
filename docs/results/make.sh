#!/usr/bin/env bash
# Makes the example report: docs/results/make.sh DATA TEACHER OUT [PART...]
#
#   DATA     tiny-imagenet-50/{train,val}/<class>, bccd/VOC2007 (VOC boxes), camvid/{img,ann}/{train,val} (masks),
#            coco/{train2017,val2017,annotations}
#   TEACHER  a self-supervised checkpoint with a projection head, such as MoCo-v2's
#   OUT      a folder for the runs; OUT/report/report.html is the report
#   PART     students, sweeps, transfer, figures, report (all, in this order); students and sweeps can run at once
#
# Distils networks by three methods over seeds; varies CompRess's temperature, memory and momentum and OSS's dropout
# and adversary; measures all beside a random start and the teacher by every protocol; fine-tunes each start by every
# benchmark; draws what one student has learned. The same command goes on where it was interrupted.
# Smaller or larger: EPOCHS=1 SWEEP_EPOCHS=1 SEEDS=0 STEPS=20 NETWORK=test_resnet docs/results/make.sh ...
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 2; }

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
EPOCHS=${EPOCHS:-4} SEEDS=${SEEDS:-0,1,2} SWEEP_EPOCHS=${SWEEP_EPOCHS:-2} STEPS=${STEPS:-100}
NETWORK=${NETWORK:-resnet18} PYTHON=${PYTHON:-python}
export PYTHON
PARTS=("${@:4}")
[ ${#PARTS[@]} -gt 0 ] || PARTS=(students sweeps transfer figures report)
mkdir -p "$3"
OUT=$(cd "$3" && pwd)
# links, so that commands and rows hold no folder of this machine
ln -sfn "$(cd "$1" && pwd)" "$OUT/data"
ln -sfn "$(realpath "$2")" "$OUT/teacher.pth"
ln -sfn "$ROOT/tools" "$OUT/tools"
cd "$OUT"
IMAGES=data/tiny-imagenet-50
PIXELS=(--image-size 64)
METHODS=(compress_1q seed pcd)
FIRST=${SEEDS%%,*}

step() { # step NAME COMMAND...: runs it unless it is done
  if [ ! -e "done/$1" ]; then
    echo "== $1"
    "${@:2}"
    mkdir -p done && touch "done/$1"
  fi
}

measure() { # measure NAME OPTIONS...: every protocol, those that train for a tenth or so of their epochs
  step "measure-$1" "$PYTHON" tools/evaluate.py "${@:2}" --data $IMAGES "${PIXELS[@]}" --resize 64 --results results.jsonl \
    --protocols all --few-shot 1-shot,1%,10% --cfg-options linear_crops.epochs=3 places_layers.epochs=9 \
    'places_layers.milestones=(3,6,8)' small_label_finetune.epochs=5 'small_label_finetune.milestones=(3,4)'
  step "measure-voc-$1" "$PYTHON" tools/evaluate.py "${@:2}" --data-root voc --sets voc07 --image-size 224 \
    --protocols voc07_classification,voc07_svm --results results.jsonl
}

cache() { # cache OUTPUT: the teacher's embeddings of all training images
  step "cache-$1" "$PYTHON" tools/cache_teacher.py --data $IMAGES/train --teacher teacher.pth --output "$1" \
    "${PIXELS[@]}" --resize 64 --dtype float32 --out "cache-$1"
}

students() {
  local method seed given
  step voc "$PYTHON" "$ROOT/docs/results/without_class.py" data/bccd/VOC2007 WBC voc/VOC2007
  cache backbone
  cache head
  for seed in ${SEEDS//,/ }; do
    for method in "${METHODS[@]}"; do
      case $method in
        compress_1q) given=(--teacher-cache cache-backbone) ;;
        seed) given=(--teacher-cache cache-head) ;;
        pcd) given=() ;; # its targets are maps of each view
      esac
      step "distil-$method-$seed" "$PYTHON" tools/distill.py --method "$method" --data $IMAGES/train \
        --teacher teacher.pth "${given[@]}" --student "$NETWORK" --epochs "$EPOCHS" --batch-size 128 --lr 0.03 \
        "${PIXELS[@]}" --seed "$seed" --work-dir "$method-$seed" --resume \
        --cfg-options model.student.zero_init_last=True
      measure "$method-$seed" "$method-$seed/last.pth" --label "$method"
    done
  done
  measure random --random --arch "$NETWORK"
  measure teacher teacher.pth --init-label teacher --label teacher
}

sweep() { # sweep NAME SEEDS GRID... -- OPTIONS...: a grid of test_resnet's
  local grid=() name=$1 seeds=$2
  shift 2
  while [ "$1" != -- ]; do grid+=("$1"); shift; done
  step "sweep-$name" "$PYTHON" tools/sweep.py --grid "${grid[@]}" --seeds "$seeds" --data $IMAGES \
    --evaluation "--image-size 64 --resize 64" --protocols knn,linear --out "sweep-$name" -- "${@:2}" \
    --data "$IMAGES/train" --student test_resnet --epochs "$SWEEP_EPOCHS" --batch-size 128 "${PIXELS[@]}"
}

sweeps() {
  local start=model.student.zero_init_last=True
  local compress=(--teacher teacher.pth --teacher-cache cache-backbone --lr 0.03)
  cache backbone
  sweep temperature "$SEEDS" model.temperature=0.02,0.04,0.1,1.0 -- --method compress_1q "${compress[@]}" \
    --cfg-options $start
  sweep memory "$FIRST" model.queue_length=256,1024,4096,12800 -- --method compress_1q "${compress[@]}" \
    --cfg-options $start
  sweep momentum "$FIRST" model.momentum=0.0,0.9,0.99,0.999 -- --method compress_2q "${compress[@]}" \
    --cfg-options $start model.queue_length=4096
  sweep oss "$FIRST" "model.dropout=None,(0.1,0.05)" model.adversarial=True,False -- --method oss \
    --teacher test_resnet --cfg-options model.prototypes=100 model.queue_length=0 $start \
    train_dataloader.dataset.augmentation.small_views=2
}

transfer() { # every start through every benchmark
  local files=("${METHODS[@]/%/-$FIRST/last.pth}")
  local every=(--init distilled "${files[@]:1}" random teacher=teacher.pth --label "${METHODS[@]}" random teacher
    --seeds 1 --gpus 0 --smoke --max-steps "$STEPS" --work-dir transfer)
  local run=(bash "$ROOT/tools/run_transfer.sh" all "${files[0]}")
  local coco=coco_lowshot_1k,coco_lowshot_1k_syncbn,coco_lowshot_10k,coco_lowshot_10k_syncbn,coco_det,coco_det_c4
  step boxes "${run[@]}" --benchmarks voc07_det,voc07_det_res5,voc07_fast_rcnn --data-root data/bccd --image-size 160 \
    "${every[@]}"
  step masks "${run[@]}" --benchmarks voc12_seg,cityscapes_seg,cityscapes_seg_d2 --data-root data/camvid "${every[@]}"
  # of one class, because 50 pictures are too few for COCO's 80
  step instances "${run[@]}" --benchmarks $coco,cityscapes_instance,cityscapes_instance_syncbn --data-root data/coco \
    --classes person --split-size all --image-size 160 "${every[@]}"
}

figures() { # maps are as fine as the pictures are large; clusters need all training images, and no large ones
  local networks=("${METHODS[0]}-$FIRST/last.pth" teacher.pth --random "$NETWORK" --data $IMAGES --out figures)
  step maps "$PYTHON" tools/figures.py "${networks[@]}" --figures feature_maps --image-size 192 --resize 192
  step looks "$PYTHON" tools/figures.py "${networks[@]}" --figures grad_cam --image-size 96 --resize 96
  step clusters "$PYTHON" tools/figures.py "${networks[@]}" --figures cluster_grid "${PIXELS[@]}" --resize 64
  step categories "$PYTHON" tools/figures.py --results results.jsonl --out figures
}

report() {
  "$PYTHON" tools/report.py results.jsonl sweep-*/results.jsonl transfer/results.jsonl --figures figures --out report
  # folders that were written down in full
  sed -i "s#$OUT/##g; s#$ROOT/##g; s#$(realpath data)#data#g; s#$(realpath teacher.pth)#teacher.pth#g" \
    report/report.{html,md}
  echo "$OUT/report/report.html"
}

for part in "${PARTS[@]}"; do
  "$part"
done
