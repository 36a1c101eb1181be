import pytest

from distill.errors import UserError
from distill.evaluation import check_same_classes, list_labelled


def test_classes_and_files_come_sorted_and_from_any_depth(image_folder):
    root = image_folder("train", classes=("zebra", "ant"), images=2)
    (root / "ant" / "more").mkdir()
    (root / "ant" / "0.png").rename(root / "ant" / "more" / "0.PNG")
    (root / "ant" / "notes.txt").write_text("not an image")
    (root / ".cache").mkdir()
    folder = list_labelled(root)
    assert folder.classes == ("ant", "zebra")
    assert folder.files == ("ant/1.png", "ant/more/0.PNG", "zebra/0.png", "zebra/1.png")
    assert folder.labels.tolist() == [0, 0, 1, 1]


def test_what_cannot_be_used_is_named(tmp_path, image_folder):
    with pytest.raises(UserError, match="no such image folder: .*nowhere"):
        list_labelled(tmp_path / "nowhere")
    (tmp_path / "flat").mkdir()
    with pytest.raises(UserError, match="flat: no class folders"):
        list_labelled(tmp_path / "flat")
    root = image_folder("train")
    (root / "empty").mkdir()
    with pytest.raises(UserError, match="no images in .*empty"):
        list_labelled(root)


def test_train_and_val_must_have_the_same_classes(image_folder):
    train = list_labelled(image_folder("train", classes=("a", "b", "c")))
    val = list_labelled(image_folder("val", classes=("a", "b", "d")))
    check_same_classes(train, train)
    with pytest.raises(UserError, match=r"1 only in .*train \(c\); 1 only in .*val \(d\)"):
        check_same_classes(train, val)
