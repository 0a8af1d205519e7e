"""Read a DICOM series, a ZIP file of slices or one file with many frames, as one volume."""

import io
import zipfile
from typing import NamedTuple

import numpy as np
import pydicom
from bounds import Found, check_shape, check_unpacked, refuse
from leftovers import is_leftover

MOST_FILES = 5_000
WITH_NAMES = ("PatientName", "PatientID", "PatientBirthDate", "ReferringPhysicianName")
APART = 0.05  # of the distance between slices: how far one may be from its place
LPS_TO_RAS = np.diag([-1, -1, 1])


class Slice(NamedTuple):
    """A slice: a frame of a data set, where it is and how its values are scaled."""

    dataset: object
    frame: int
    position: np.ndarray
    directions: np.ndarray
    spacing: np.ndarray
    slope: float
    intercept: float


def read(path):
    """Return the volume of a series; raises Refused unless the slices form one."""
    files, left_out = [], 0
    for data in unpack(path):
        dataset = pydicom.dcmread(io.BytesIO(data)) if data[128:132] == b"DICM" else {}
        if "PixelData" in dataset:
            files.append(dataset)
        else:
            left_out += 1
    if not files:
        refuse("There are no DICOM images in this file. Make a ZIP file of one series.")
    first, notes = files[0], find_notes(files, left_out)
    require_one_series(files)
    slices = [each for dataset in files for each in find_slices(dataset)]
    check_shape((first.Columns, first.Rows, len(slices)))
    affine, slices = place(slices)
    values = np.empty((len(slices), first.Rows, first.Columns), "float32")
    pixels, of = None, None
    for number, each in enumerate(slices):
        if of is not each.dataset:
            pixels, of = decode(each.dataset), each.dataset
        plane = pixels[each.frame] if pixels.ndim == 3 else pixels
        values[number] = plane * each.slope + each.intercept
    inverted = first.PhotometricInterpretation == "MONOCHROME1"
    return Found(values.T, affine, (), "DICOM series", notes, inverted, find_window(first))


def unpack(path):
    """Yield what the files in a ZIP file hold, or a DICOM file. No name in it is used as a path."""
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as stream:
            yield stream.read()
        return
    with zipfile.ZipFile(path) as archive:
        entries = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and not any(map(is_leftover, entry.filename.split("/")))
        ]
        if len(entries) > MOST_FILES:
            refuse(f"This ZIP file has more than {MOST_FILES:,} files.")
        size = 0
        for entry in entries:
            if entry.flag_bits & 1:
                refuse("This ZIP file is encrypted. Make it again, without a password.")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                refuse("This ZIP file is packed in an unusual way. Make a plain one.")
            data = io.BytesIO()
            with archive.open(entry) as stream:
                while block := stream.read(2**20):
                    size += len(block)  # what is unpacked is counted: no header is believed
                    check_unpacked(size)
                    data.write(block)
            yield data.getvalue()


def require_one_series(files):
    series = {dataset.get("SeriesInstanceUID"): dataset for dataset in files}
    if len(series) > 1:
        names = [
            f"{s.get('SeriesNumber')} {s.get('SeriesDescription', '')}" for s in series.values()
        ]
        names = ", ".join(name.strip().replace("<", "?") for name in names[:5])
        refuse(f"This file has {len(series)} series ({names}). Make a ZIP file of one of them.")
    for name in ("Rows", "Columns", "PhotometricInterpretation"):
        if len({dataset.get(name) for dataset in files}) > 1:
            refuse(
                f"The images of this series differ in {name}. Leave those out that do not belong."
            )
    if files[0].PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        refuse("This series has colours. Save one number for each voxel.")
    if any(each.HighBit != each.BitsStored - 1 for each in files):
        refuse(
            "The values of this series are stored in an outdated way (High Bit): this is not read."
        )
    if any("ModalityLUTSequence" in dataset for dataset in files):
        refuse("The values of this series are scaled by a table (Modality LUT), which is not read.")


def find_slices(dataset):
    """Yield the slices of a data set, one for each frame."""
    count = int(dataset.get("NumberOfFrames") or 1)
    frames = dataset.get("PerFrameFunctionalGroupsSequence", [dataset])
    if len(frames) != count:
        refuse("This DICOM file has several frames and does not say where each is.")
    shared = [*dataset.get("SharedFunctionalGroupsSequence", [])]

    def find(frame, group, name):
        for place in (frame, *shared):
            if group in place:
                return place[group][0].get(name)
        return dataset.get(name)

    for number, frame in enumerate(frames):
        position = find(frame, "PlanePositionSequence", "ImagePositionPatient")
        directions = find(frame, "PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = find(frame, "PixelMeasuresSequence", "PixelSpacing")
        if not (position and directions and spacing):
            refuse("The images of this series do not say where in the patient they are.")
        scale = [
            find(frame, "PixelValueTransformationSequence", f"Rescale{name}")
            for name in ("Slope", "Intercept")
        ]
        slope, intercept = (
            default if value is None else float(value)
            for value, default in zip(scale, (1, 0), strict=True)
        )
        where = (np.array(each, float) for each in (position, directions, spacing))
        yield Slice(dataset, number, *where, slope, intercept)


def place(slices):
    """Return the affine of a volume and its slices in order; refuse what is no regular grid."""
    first = slices[0]
    for name in ("directions", "spacing"):
        ways = np.array([getattr(each, name) for each in slices])
        if not np.allclose(ways, ways[0], atol=1e-3):
            refuse(f"The slices differ in their {name}: perhaps a localizer is among them.")
    along_row, along_column = first.directions.reshape(2, 3)
    normal = np.cross(along_row, along_column)
    slices = sorted(slices, key=lambda each: each.position @ normal)
    positions = np.array([each.position for each in slices])
    gaps = np.diff(positions @ normal)
    usual = np.median(gaps)
    if gaps.min() < APART * max(usual, 1e-3):
        refuse(
            "Several slices are at the same place: points in time, echoes, or copies. Leave one "
            "of each."
        )
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    even = positions[0] + np.arange(len(slices))[:, None] * step
    if abs(positions - even).max() > APART * usual:
        refuse(
            f"The distance between slices is from {gaps.min():.3g} to {gaps.max():.3g} mm: some "
            "are missing, or they are not evenly spaced."
        )
    between_rows, between_columns = first.spacing
    affine = np.eye(4)
    columns = (along_row * between_columns, along_column * between_rows, step)
    affine[:3, :3] = LPS_TO_RAS @ np.transpose(columns)
    affine[:3, 3] = LPS_TO_RAS @ positions[0]
    return affine, slices


def decode(dataset):
    """Return the pixels of a data set as they are stored, unpacked."""
    try:
        return dataset.pixel_array
    except MemoryError:
        raise
    except Exception:  # pydicom and the libraries that unpack have many
        syntax = dataset.file_meta.TransferSyntaxUID
        if not syntax.is_compressed:
            raise
        refuse(
            f"The images are compressed as {syntax.name}, which could not be unpacked. Save them "
            "uncompressed, for example with dcmdjpeg or gdcmconv --raw."
        )


def find_window(dataset):
    """Return the values to show as black and white, or () if the file does not say."""
    centre, width = (dataset.get(name) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None:
        return ()
    centre, width = (float(np.ravel(value)[0]) for value in (centre, width))
    return (centre - width / 2, centre + width / 2) if width > 0 else ()


def find_notes(files, left_out):
    """Return what a user should know about the files of a series."""
    first, notes = files[0], []
    if left_out:
        notes.append(f"Files that are no DICOM images, and were left out: {left_out}.")
    numbers = [int(each.InstanceNumber) for each in files if each.get("InstanceNumber")]
    if numbers and (min(numbers) > 1 or max(numbers) > len(files)):
        notes.append(
            f"The images have numbers from {min(numbers)} to {max(numbers)}, but there are only "
            f"{len(files)}: some at the ends may be missing."
        )
    if names := [name for name in WITH_NAMES if first.get(name)]:
        notes.append(f"Not anonymised? The files have {', '.join(names)}.")
    if "PixelPaddingValue" in first:
        notes.append(f"Pixels without a measurement are stored as {first.PixelPaddingValue}.")
    if first.get("BurnedInAnnotation") == "YES":
        notes.append("Text is burned into the images, perhaps a name.")
    if first.get("LossyImageCompression") == "01":
        notes.append("The images were compressed with a loss: values are not exact.")
    return notes
