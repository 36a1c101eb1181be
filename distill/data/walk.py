"""The images below a folder, and how a change of a folder shows."""

import os

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def no_images_in(root: str | os.PathLike) -> str:
    return f"no images in {root} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})"


def stamp(folder: str) -> tuple[int, int, int]:
    """Times of the last change (content, and content or rights) in ns, and inode; -1 if it is not there."""
    try:
        found = os.stat(folder)
    except OSError:
        return -1, -1, -1
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def walk(root: str) -> tuple[list[str], list[str], list[tuple[int, int, int]]]:
    """Images; folders, which cannot all be read; and their stamps, taken before they are read."""
    images, folders, stamps, waiting = [], [], [], [""]
    while waiting:
        folder = waiting.pop()
        place = os.path.join(root, folder)
        folders.append(folder)
        stamps.append(stamp(place))
        try:
            with os.scandir(place) as entries:
                inside = [(entry.name, entry.is_dir()) for entry in entries]
        except OSError:
            continue
        prefix = f"{folder}/" if folder else ""
        waiting += [prefix + name for name, is_folder in inside if is_folder]
        images += [prefix + name for name, is_folder in inside if not is_folder and _is_image(name)]
    return images, folders, stamps


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")
