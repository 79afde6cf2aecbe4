"""Files and folders that appear complete or not at all, and a one-line error where the disk refuses to write."""

from storage.disk import StorageError, check_space, convert_write_errors, storage_error
from storage.files import PART_PREFIX, atomic_write, link_or_copy, remove_partial_files, sync, write_text
from storage.folders import (
    check_writable,
    remove_folder,
    remove_leftover_folders,
    rename_folder,
    staged,
    temporary_folder,
)
from storage.lock import Lock

__all__ = [
    "PART_PREFIX",
    "Lock",
    "StorageError",
    "atomic_write",
    "check_space",
    "check_writable",
    "convert_write_errors",
    "link_or_copy",
    "remove_folder",
    "remove_leftover_folders",
    "remove_partial_files",
    "rename_folder",
    "staged",
    "storage_error",
    "sync",
    "temporary_folder",
    "write_text",
]
