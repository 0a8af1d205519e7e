"""Read a NIfTI file, a DICOM series or a TIFF stack into one form, in the process of reading.py."""

import gzip
import io
import json
import logging
import math
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import dicom_series
import nibabel as nib
import numpy as np
import tifffile
from bounds import MEGABYTES, TOO_MUCH, Found, Refused, check_shape, check_unpacked, refuse

GZIP, ZIP, TIFF = b"\x1f\x8b", b"PK", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
READ = "Send a NIfTI file (.nii, .nii.gz), a ZIP file of a DICOM series, or a TIFF stack."
UNITS = {"nm": 1e-6, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "\\u00B5m": 1e-3, "micron": 1e-3}
UNITS |= {"microns": 1e-3, "mm": 1, "cm": 10, "meter": 1000}  # in mm
STRAIGHT_LINE = 0  # number of a calibration function of ImageJ
LEAN = 0.02  # sine of the angle by which axes may differ from right angles: about 1 degree


def read(path, folder, typed):
    """Write the values of a volume to volume.npy in a folder; return what else is known of it.

    Axes go to the patient's right, to the front and up, as nibabel's "RAS+". `typed` is the voxel
    size in mm that the user gave for a file without one, or None.
    """
    with open(path, "rb") as stream:
        start = stream.read(352)
    if start.startswith(ZIP) or start[128:132] == b"DICM":
        found = dicom_series.read(path)
    elif start.startswith(TIFF):
        found = read_tiff(path)
    else:
        found = read_nifti(path, start, folder)
    if found.mm is None and not typed:
        refuse("This file has no voxel size. Enter it above, in mm, for x, y and z: 0.5 0.5 2")
    if found.mm is not None and typed:
        refuse("This file has a voxel size of its own. Leave the field for it empty.")
    values, mm, notes = found.values, typed or found.mm, found.notes
    if found.inverted:
        notes.append("Low values are bright in this file.")
    if found.affine is None:
        stored = "unknown"
        notes.append("The file does not say where left and right, front and back are.")
    else:
        stored = "".join(nib.aff2axcodes(found.affine))
        values, mm = to_ras(values, found.affine, notes)
    if not np.isfinite(values).all():
        refuse("This volume has values that are not numbers (NaN or infinite). Replace them.")
    values = values.astype("float32", copy=False)
    np.save(Path(folder, "volume.npy"), values)
    low, high = found.window or usual(values)
    return {
        "shape": values.shape,
        "mm": [float(f"{size:.6g}") for size in mm],
        "stored": stored,
        "kind": found.kind,
        "notes": notes,
        "inverted": found.inverted,
        "low": float(low),
        "high": float(high),
    }


def to_ras(values, affine, notes):
    """Turn and mirror values so that their axes go right, front and up; return voxel sizes too."""
    sizes = nib.affines.voxel_sizes(affine)
    if not (np.isfinite(affine).all() and (sizes > 0).all()):
        refuse("The directions or voxel sizes in the header of this file make no sense.")
    axes = affine[:3, :3] / sizes
    lean = abs(axes.T @ axes - np.eye(3)).max()
    if lean > LEAN:
        refuse(
            f"The slices are sheared by {np.degrees(np.arcsin(min(lean, 1))):.0f}°, by a tilted "
            "gantry or a registration. Resample them first, for example with dcm2niix."
        )
    turned = np.degrees(np.arccos(min(1, abs(axes).max(axis=0).min())))
    if turned > 1:
        notes.append(f"Slices are up to {turned:.0f}° oblique; letters name the nearest direction.")
    order = nib.orientations.io_orientation(affine)
    return nib.apply_orientation(values, order), sizes[np.argsort(order[:, 0])]


def usual(values):
    """Return the values to show as black and white: nearly the lowest and the highest."""
    step = max(1, round((values.size / 1_000_000) ** (1 / 3)))
    few = values[::step, ::step, ::step]
    low, high = np.percentile(few, [1, 99.9])
    if low == high:
        low, high = values.min(), values.max()
    return low, high if high > low else low + 1


def read_nifti(path, start, folder):
    """Return what a NIfTI file holds; directions only if its header says where they are from."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
        file = Path(place, "volume.nii")
        packed = start.startswith(GZIP)
        with (gzip.open if packed else open)(path, "rb") as stream, file.open("wb") as unpacked:
            size, start = 0, b""
            while block := stream.read(2**20):
                start = start or block[:352]
                size += len(block)  # what is unpacked is counted: no header is believed
                check_unpacked(size)
                unpacked.write(block)
        if start[344:348] == b"ni1\0":
            refuse("This NIfTI header belongs to a file .img. Save both as one file, .nii.gz.")
        kinds = {b"n+1\0": nib.Nifti1Image, b"n+2\0": nib.Nifti2Image}
        kind = kinds.get(start[344:348]) or kinds.get(start[4:8])
        if not kind:
            refuse(f"This file cannot be read as a volume. {READ}")
        image = kind.from_file_map({"image": nib.FileHolder(filename=str(file))})
        header, shape = image.header, image.shape
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) > 3:
            count = math.prod(shape[3:])
            refuse(f"This file has {count} volumes, such as points in time. Save one of them.")
        check_shape(shape)
        if header.get_data_dtype().kind not in "iuf":
            refuse("This file has colours or complex numbers. Save one number for each voxel.")
        values = image.get_fdata(dtype="float32", caching="unchanged").reshape(shape)
    notes = []
    unit = header.get_xyzt_units()[0]
    if unit == "unknown":
        notes.append("The file gives no unit of length, so millimetres are assumed.")
    factor = {"unknown": 1, "micron": 1e-3, "mm": 1, "meter": 1000}[unit]
    mm = np.array(header.get_zooms()[:3], float) * factor
    affine = nifti_affine(header)
    if affine is not None:
        affine = np.diag([factor, factor, factor, 1]) @ affine
        sizes = nib.affines.voxel_sizes(affine)
        if not np.allclose(sizes, mm, rtol=0.01):
            one, other = (" x ".join(f"{size:.3g}" for size in each) for each in (mm, sizes))
            refuse(f"The header of this file gives two voxel sizes: {one} and {other} mm.")
    return Found(values, affine, mm, "NIfTI", notes)


def nifti_affine(header):
    """Return where the voxels are, or None if the header does not know."""
    known = [form for form, code in (header.get_sform(True), header.get_qform(True)) if code]
    names = {"".join(nib.aff2axcodes(form)) for form in known}
    if len(names) > 1:
        refuse(
            f"The header of this file gives two orientations, {' and '.join(sorted(names))}: left "
            "and right may be mirrored. Set sform and qform to the right one, as fslorient does."
        )
    return known[0] if known else None


def read_tiff(path):
    """Return what a TIFF stack of one channel holds; TIFF has no word for left and right."""
    # not by its path: an OME-TIFF can name other files, and tifffile would open them
    with tifffile.TiffFile(io.BytesIO(Path(path).read_bytes()), name="stack.tif") as tiff:
        if len(tiff.series) > 1:
            refuse("This TIFF file has images of several sizes. Save the stack on its own.")
        series, page = tiff.series[0], tiff.series[0].keyframe
        axes = "".join(axis for axis, n in zip(series.axes, series.shape, strict=True) if n > 1)
        shape = [n for n in series.shape if n > 1]
        if page.photometric > 1:
            refuse("This TIFF file has colours. Save one channel as a stack in grey.")
        if several := [axis for axis in axes if axis not in "ZQIYX"] or axes[:-3]:
            what = {"C": "channel", "T": "point in time"}.get(several[0], "stack")
            refuse(f"This TIFF file has more than one {what}. Save one stack on its own.")
        if axes[-2:] != "YX":
            refuse("This TIFF file has a single slice, or its axes are in an unusual order.")
        check_shape(shape)
        check_unpacked(series.nbytes)
        if series.dtype.kind not in "biuf":
            refuse("This TIFF file has complex numbers. Save one number for each voxel.")
        if any(each is None for each in series.pages):
            refuse("Some slices of this stack are in another file. Save all of them in one.")
        if page.compression not in (1, 8, 32946, 32773):
            name = tifffile.COMPRESSION(page.compression).name
            refuse(f"This TIFF file is compressed as {name}. Save it without, or as ZIP.")
        values = calibrate(series.asarray(maxworkers=1).reshape(shape), tiff.imagej_metadata or {})
        mm = tiff_mm(tiff, page)
    return Found(values.transpose(2, 1, 0), None, mm, "TIFF stack", [], page.photometric == 0)


def calibrate(values, known):
    """Return the values that ImageJ shows; it stores -1000 in a CT as 31768.

    `known` is what it wrote into the file.
    """
    if "cf" not in known:
        return values
    if known["cf"] != STRAIGHT_LINE:
        refuse("ImageJ calibrates the values of this stack by a curve. Save it as 32-bit.")
    return values * np.float32(known["c1"]) + np.float32(known["c0"])


def tiff_mm(tiff, page):
    """Return the voxel size that ImageJ or OME wrote into a TIFF, or None."""
    if tiff.is_ome:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        units = [UNITS.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XYZ"]
        sizes = [pixels.get(f"PhysicalSize{axis}") for axis in "XYZ"]
    elif tiff.is_imagej:
        units = [UNITS.get(tiff.imagej_metadata.get("unit"))] * 3
        tags = [page.tags.valueof(f"{axis}Resolution") for axis in "XY"]
        sizes = [tag and tag[0] and tag[1] / tag[0] for tag in tags]
        sizes.append(abs(tiff.imagej_metadata.get("spacing", 0)))  # ImageJ ignores the sign, too
    else:
        return None  # dots per inch say nothing about the distance of slices
    known = all(units) and all(sizes)
    return [size * unit for size, unit in zip(sizes, units, strict=True)] if known else None


# ---- The process ----


def limit(megabytes):
    """Limit the memory of this process. Windows has no such limit, and macOS ignores it."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6, megabytes * 10**6))


def main():
    """Read the file that is named first into the folder named second; print a line of JSON."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app
    logging.disable()  # the libraries' warnings name files
    warnings.simplefilter("ignore")
    limit(MEGABYTES)
    path, folder, typed = sys.argv[1:]
    try:
        told = read(path, folder, json.loads(typed))
    except Refused as refused:
        told = {"refused": str(refused)}
    except MemoryError:
        told = {"refused": TOO_MUCH}
    except Exception as error:  # the libraries have many errors for a damaged file
        told = {
            "refused": f"This file is damaged, or of a rare kind ({type(error).__name__}). {READ}"
        }
    print(json.dumps(told))
