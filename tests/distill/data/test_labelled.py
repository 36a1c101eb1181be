import pytest
from PIL import Image

from distill.data.labelled import check_same_classes, list_labelled
from distill.errors import UserError


@pytest.fixture
def labelled(tmp_path):
    """``labelled("train", classes=("a", "b"))`` writes an ImageFolder and returns its path."""

    def write(name, classes=("cat", "dog"), images=2):
        for folder in (tmp_path / name / label for label in classes):
            folder.mkdir(parents=True)
            for number in range(images):
                Image.new("RGB", (8, 8)).save(folder / f"{number}.png")
        return tmp_path / name

    return write


def test_classes_and_files_come_sorted_and_from_any_depth(labelled):
    root = labelled("train", classes=("zebra", "ant"), images=2)
    (root / "ant" / "more").mkdir()
    (root / "ant" / "0.png").rename(root / "ant" / "more" / "0.PNG")
    (root / "ant" / "notes.txt").write_text("not an image")
    (root / ".cache").mkdir()
    folder = list_labelled(root)
    assert folder.classes == ("ant", "zebra")
    assert folder.files == ("ant/1.png", "ant/more/0.PNG", "zebra/0.png", "zebra/1.png")
    assert folder.labels.tolist() == [0, 0, 1, 1]


def test_what_cannot_be_used_is_named(tmp_path, labelled):
    with pytest.raises(UserError, match="no such image folder: .*nowhere"):
        list_labelled(tmp_path / "nowhere")
    (tmp_path / "flat").mkdir()
    with pytest.raises(UserError, match="flat: no class folders"):
        list_labelled(tmp_path / "flat")
    root = labelled("train")
    (root / "empty").mkdir()
    with pytest.raises(UserError, match="no images in .*empty"):
        list_labelled(root)


def test_train_and_val_must_have_the_same_classes(labelled):
    train = list_labelled(labelled("train", classes=("a", "b", "c")))
    val = list_labelled(labelled("val", classes=("a", "b", "d")))
    check_same_classes(train, train)
    with pytest.raises(UserError, match=r"1 only in .*train \(c\); 1 only in .*val \(d\)"):
        check_same_classes(train, val)
