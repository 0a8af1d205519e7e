"""Make every kind of volume that a lab may have, by the Python of an app that has the packages.

    python volumes_made.py FOLDER

Those in FOLDER/same are one volume in many forms. Those in FOLDER/refused are read by no app.
"""

import gzip
import io
import itertools
import struct
import sys
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

SHAPE, MM = (16, 12, 8), (2.0, 3.0, 4.0)  # to the right, front, up
VOLUME = np.zeros(SHAPE, "int16")
# a block in each corner, with a value of its own: 100 is right at the back, below
for number, corner in enumerate(itertools.product((-1, 0), (0, -1), (0, -1))):
    VOLUME[tuple(slice(4) if side == 0 else slice(-4, None) for side in corner)] = (
        100 + 100 * number
    )
AFFINE = np.diag([*MM, 1])
AFFINE[:3, 3] = -20, -30, 40
RAS = nib.orientations.axcodes2ornt("RAS")


def stored_as(codes):
    """Return the volume as an array whose axes go where `codes` says, and its affine."""
    turn = nib.orientations.ornt_transform(RAS, nib.orientations.axcodes2ornt(codes))
    affine = AFFINE @ nib.orientations.inv_ornt_aff(turn, SHAPE)
    return nib.apply_orientation(VOLUME, turn), affine


def all_codes():
    """Return the 48 ways in which axes can go."""
    for order in itertools.permutations(("RL", "AP", "SI")):
        yield from ("".join(each) for each in itertools.product(*order))


def nifti(codes="RAS", kind=nib.Nifti1Image, sform=1, qform=1, unit="mm", **options):
    """Return a NIfTI image of the volume; `options` are the header's."""
    values, affine = stored_as(codes)
    scale = {"mm": 1, "micron": 1000, "meter": 0.001, "unknown": 1}[unit]
    affine = np.diag([scale] * 3 + [1]) @ affine
    image = kind(values, affine, **options)
    image.set_qform(affine, qform)
    image.set_sform(affine, sform)
    image.header.set_xyzt_units(unit if unit != "unknown" else 0)
    return image


def slices(codes="LPS", slope=(1,), intercept=0, step=None, **more):
    """Return the volume as DICOM data sets: columns, rows and slices go where `codes` says.

    `step` replaces the way from a slice to the next. `more` are further attributes.
    """
    values, affine = stored_as(codes)
    affine = np.diag([-1, -1, 1, 1]) @ affine  # DICOM's axes go left and back
    columns, rows, way = (affine[:3, axis] for axis in range(3))
    way = way if step is None else np.array(step)
    series, made = generate_uid(), []
    for number in range(values.shape[2]):
        each = Dataset()
        each.file_meta = FileMetaDataset()
        each.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        each.SOPClassUID = each.file_meta.MediaStorageSOPClassUID = CTImageStorage
        each.SOPInstanceUID = each.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        each.SeriesInstanceUID, each.Modality = series, "CT"
        each.SeriesNumber, each.InstanceNumber = 3, number + 1
        each.ImagePositionPatient = [*(affine[:3, 3] + number * way).round(6)]
        lengths = np.linalg.norm(columns), np.linalg.norm(rows)
        each.ImageOrientationPatient = [*(columns / lengths[0]), *(rows / lengths[1])]
        each.PixelSpacing = [lengths[1], lengths[0]]  # between rows, then between columns
        each.SliceThickness = 1  # which says nothing about the distance
        each.RescaleSlope, each.RescaleIntercept = slope[number % len(slope)], intercept
        raw = (values[:, :, number].T - intercept) / each.RescaleSlope
        put_pixels(each, raw.astype("int16"))
        each.update(Dataset() if not more else as_dataset(more))
        made.append(each)
    return made


def as_dataset(attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def put_pixels(dataset, raw, frames=None):
    dataset.Rows, dataset.Columns = raw.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = raw.tobytes()
    if frames:
        dataset.NumberOfFrames = frames


def enhanced():
    """Return the volume as one data set with a frame for each slice."""
    single = slices("LPS", slope=(2,), intercept=-1000)
    whole = Dataset()
    whole.file_meta = single[0].file_meta
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    whole.SOPInstanceUID, whole.SeriesInstanceUID = generate_uid(), generate_uid()
    turned = single[::-1]  # in another order than in space
    put_pixels(whole, np.stack([each.pixel_array for each in turned]), len(turned))
    shared, frames = Dataset(), []
    directions = {"ImageOrientationPatient": single[0].ImageOrientationPatient}
    shared.PlaneOrientationSequence = [as_dataset(directions)]
    shared.PixelMeasuresSequence = [as_dataset({"PixelSpacing": single[0].PixelSpacing})]
    for each in turned:
        frame, scale = Dataset(), {"RescaleSlope": 2, "RescaleIntercept": -1000}
        position = {"ImagePositionPatient": each.ImagePositionPatient}
        frame.PlanePositionSequence = [as_dataset(position)]
        frame.PixelValueTransformationSequence = [as_dataset(scale)]
        frames.append(frame)
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = frames
    return whole


def as_file(dataset):
    """Return a data set as the bytes of a file."""
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def compressed(dataset, syntax):
    """Return a data set as a file whose pixels are compressed, by GDCM."""
    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "a.dcm"))
        Path(file).write_bytes(as_file(dataset))
        reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
        change = gdcm.ImageChangeTransferSyntax()
        reader.SetFileName(file)
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(file)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return Path(file).read_bytes()


def save_zip(file, contents, compression=zipfile.ZIP_DEFLATED):
    """Write a ZIP file of data sets, bytes, or {name: bytes}."""
    if not isinstance(contents, dict):
        contents = {f"IM{number:04}": each for number, each in enumerate(contents)}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, each in contents.items():
            archive.writestr(name, each if isinstance(each, bytes) else as_file(each))


def save_same(folder):
    """Save the volume in many forms."""
    for name, image in {
        "ras.nii": nifti(),
        "las.nii.gz": nifti("LAS"),
        "pir.nii.gz": nifti("PIR"),
        "sform.nii.gz": nifti("SLA", qform=0),
        "qform.nii.gz": nifti("ASR", sform=0),
        "micron.nii.gz": nifti("LPS", unit="micron"),
        "meter.nii.gz": nifti("LPS", unit="meter"),
        "nifti2.nii.gz": nifti("LPI", nib.Nifti2Image),
        "scaled.nii.gz": nifti("LPS"),
        "time.nii.gz": nifti("LAS"),
    }.items():
        if name == "scaled.nii.gz":
            image = nib.Nifti1Image(image.dataobj // 100, None, image.header)
            image.header.set_slope_inter(100, 0)  # a stored 8 stands for 800
        if name == "time.nii.gz":
            image = nib.Nifti1Image(np.asarray(image.dataobj)[..., None], None, image.header)
        nib.save(image, folder / name)
    ends = io.BytesIO()
    image = nifti("LAS")
    nib.Nifti1Image(image.dataobj, None, image.header.as_byteswapped(">")).to_stream(ends)
    (folder / "big_endian.nii").write_bytes(ends.getvalue())

    for name, codes in {
        "axial": "LPS",  # as a scanner has it: the patient lies on the back
        "feet_first": "LPI",
        "prone": "RAS",
        "sagittal": "PIL",
        "coronal": "LIP",
    }.items():
        save_zip(folder / f"{name}.zip", slices(codes, slope=(2,), intercept=-1000))
    in_order = slices(slope=(1, 2), intercept=-1000)  # as in PET: each has its own scale
    save_zip(folder / "any_order.zip", [in_order[n] for n in (3, 0, 7, 5, 1, 6, 2, 4)])
    save_zip(
        folder / "with_others.zip",
        {f"DICOM/PA1/IM{n}": each for n, each in enumerate(slices())}
        | {"README.txt": b"read me" * 50, "__MACOSX/DICOM/._IM0": b"x", "../../out.txt": b"out"},
    )
    traversal = {f"../../../IM{n}.dcm": each for n, each in enumerate(slices())}
    save_zip(folder / "names_that_lead_out.zip", traversal)
    deflated = slices()
    for each in deflated:
        each.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        del each.RescaleSlope, each.RescaleIntercept  # as in many series of MR
    save_zip(folder / "deflated.zip", deflated)
    runs = slices(slope=(2,), intercept=-1000)
    for each in runs:
        each.compress(RLELossless)
    save_zip(folder / "rle.zip", runs)
    for name in ("JPEGLosslessProcess14_1", "JPEG2000Lossless", "JPEGLSLossless"):
        packed = [compressed(each, name) for each in slices(slope=(2,), intercept=-1000)]
        save_zip(folder / f"{name}.zip", packed)
    (folder / "enhanced.dcm").write_bytes(as_file(enhanced()))


def save_others(folder):
    """Save volumes that are read, each with something to know about it."""
    nib.save(nifti(sform=0, qform=0), folder / "no_codes.nii.gz")
    nib.save(nifti(unit="unknown"), folder / "no_unit.nii.gz")
    angle = np.radians(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    values, affine = stored_as("LAS")
    nib.save(nib.Nifti1Image(values, turn @ affine), folder / "oblique.nii.gz")
    names = {"PatientName": "Svensson^Åsa", "PatientBirthDate": "19700101"}
    names |= {"BurnedInAnnotation": "YES", "LossyImageCompression": "01"}
    save_zip(folder / "names.zip", slices(SpecificCharacterSet="ISO_IR 192", **names))
    save_zip(folder / "numbers.zip", slices()[2:])
    save_zip(folder / "inverted.zip", slices(PhotometricInterpretation="MONOCHROME1"))
    save_zip(folder / "padding.zip", slices(PixelPaddingValue=-2000))
    save_zip(folder / "window.zip", slices(WindowCenter=[400, 50], WindowWidth=[200, 10]))
    stack = VOLUME[::-1, ::-1].T  # as seen from the feet: z, y, x
    options = {
        "resolution": (1 / 2, 1 / 3),
        "metadata": {"spacing": 4, "unit": "mm", "axes": "ZYX"},
    }
    tifffile.imwrite(folder / "imagej.tif", stack, imagej=True, **options)
    kept = {"spacing": -4, "cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "Gray Value"}
    options["metadata"] |= kept  # as for values below 0
    tifffile.imwrite(
        folder / "calibrated.tif", stack.view("uint16") ^ 0x8000, imagej=True, **options
    )
    tifffile.imwrite(folder / "mask.tif", stack > 300, photometric="minisblack")
    sizes = {"PhysicalSizeX": 2000, "PhysicalSizeY": 3000, "PhysicalSizeZ": 4000}
    tifffile.imwrite(folder / "a.ome.tif", stack, metadata={"axes": "ZYX", **sizes})
    tifffile.imwrite(folder / "plain.tif", stack, compression="zlib", photometric="minisblack")


def save_refused(folder):
    """Save what cannot be read right."""
    values, affine = stored_as("LAS")
    contrary = nifti("LAS")
    contrary.set_qform(AFFINE, 1)
    nib.save(contrary, folder / "contrary.nii.gz")
    sizes = nifti("LAS")
    sizes.set_sform(np.diag([2, 2, 2, 1]) @ affine, 2)
    nib.save(sizes, folder / "sizes.nii.gz")
    sheared = affine.copy()
    sheared[1, 2] = 1
    nib.save(nib.Nifti1Image(values, sheared), folder / "sheared.nii.gz")
    nib.save(nib.Nifti1Image(np.stack([values] * 5, -1), affine), folder / "time.nii.gz")
    vectors = np.stack([values] * 3, -1)[..., None, :]
    nib.save(nib.Nifti1Image(vectors, affine), folder / "vectors.nii.gz")
    nib.save(nib.Nifti1Image(values[:, :, 0], affine), folder / "flat.nii.gz")
    nib.save(nib.Nifti1Image(values.astype("complex64"), affine), folder / "complex.nii.gz")
    holes = values.astype("float32")
    holes[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(holes, affine), folder / "nan.nii.gz")
    whole = nifti("LAS").to_bytes()
    (folder / "cut.nii").write_bytes(whole[:-100])
    (folder / "cut.nii.gz").write_bytes(gzip.compress(whole)[:-100])
    (folder / "pair.hdr").write_bytes(whole[:344] + b"ni1\0" + whole[348:352])
    huge = bytearray(whole)
    huge[42:48] = struct.pack("<3h", 30_000, 30_000, 30_000)
    (folder / "huge.nii").write_bytes(huge)
    with gzip.open(folder / "bomb.nii.gz", "wb", compresslevel=1) as stream:
        stream.write(whole)
        for _ in range(60):
            stream.write(bytes(10**7))
    (folder / "text.txt").write_bytes(b"no volume\n" * 100)
    (folder / "empty.nii").write_bytes(b"")

    both = slices(SeriesDescription="T1 <b>") + slices(SeriesNumber=4, SeriesDescription="T2")
    save_zip(folder / "two_series.zip", both)
    without = slices()
    save_zip(folder / "missing.zip", without[:3] + without[4:])
    uneven = slices()
    uneven[-1].ImagePositionPatient[2] += 1
    save_zip(folder / "uneven.zip", uneven)
    save_zip(folder / "twice.zip", without + without[2:3])
    save_zip(folder / "tilted.zip", slices(step=(0, 1, 4)))
    localizer = slices()
    localizer[0].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    save_zip(folder / "localizer.zip", localizer)
    other = slices()
    put_pixels(other[0], np.zeros((5, 5), "int16"))
    save_zip(folder / "other_size.zip", other)
    save_zip(folder / "single.zip", without[:1])
    lost = slices()
    for each in lost:
        del each.ImagePositionPatient
    save_zip(folder / "no_position.zip", lost)
    frames = slices()[0]
    put_pixels(frames, np.zeros((8, 12, 16), "int16"), 8)
    (folder / "frames.dcm").write_bytes(as_file(frames))
    save_zip(folder / "high_bit.zip", slices(BitsStored=12, HighBit=15))
    save_zip(folder / "colours.zip", slices(PhotometricInterpretation="RGB", SamplesPerPixel=3))
    unknown = slices()
    for each in unknown:
        each.PixelData = pydicom.encaps.encapsulate([each.PixelData])
        each["PixelData"].VR = "OB"
        each.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"  # HTJ2K
    save_zip(folder / "unknown.zip", unknown)
    save_zip(folder / "nothing.zip", {"a.txt": b"nothing", "b/": b""})
    save_zip(folder / "lzma.zip", slices(), zipfile.ZIP_LZMA)
    with zipfile.ZipFile(
        folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as archive:
        for number in range(6):
            archive.writestr(f"IM{number}", bytes(10**8))
    lie = bytearray((folder / "bomb.zip").read_bytes())
    place = -1
    while (place := lie.find(b"PK\1\2", place + 1)) >= 0:
        lie[place + 24 : place + 28] = struct.pack("<I", 1000)  # "1,000 bytes, once unpacked"
    (folder / "lie.zip").write_bytes(lie)
    locked = bytearray((folder / "single.zip").read_bytes())
    place = locked.find(b"PK\1\2")
    locked[place + 8] |= 1
    (folder / "locked.zip").write_bytes(locked)

    stack = np.zeros((3, 2, 8, 8), "uint8")
    tifffile.imwrite(folder / "channels.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    tifffile.imwrite(folder / "times.tif", stack[:, 0], imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "stacks.tif", stack, photometric="minisblack")
    tifffile.imwrite(folder / "colours.tif", np.zeros((4, 8, 8, 3), "uint8"), photometric="rgb")
    tifffile.imwrite(folder / "single.tif", stack[0, 0])
    tifffile.imwrite(folder / "no_size.tif", stack[:, 0], photometric="minisblack")
    secret = folder.parent / "secret.tif"
    tifffile.imwrite(secret, np.full((8, 8), 200, "uint8"))
    planes = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1">'
        f'<UUID FileName="{name}">{z}</UUID></TiffData>'
        for z, name in enumerate(("spy.ome.tif", secret))
    )
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="0">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
        f'SizeX="8" SizeY="8" SizeZ="2" SizeC="1" SizeT="1">{planes}</Pixels></Image></OME>'
    )
    options = {"description": text, "metadata": None}
    tifffile.imwrite(folder / "spy.ome.tif", np.zeros((8, 8), "uint8"), **options)


def save_costly(folder):
    """Save a small file that unpacks to 4 GB inside pydicom, which nothing can count."""
    meta = slices()[0].file_meta
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    stream = io.BytesIO(bytes(128) + b"DICM")
    stream.seek(0, io.SEEK_END)
    pydicom.filewriter.write_file_meta_info(stream, meta)
    pack = zlib.compressobj(9, wbits=-15)
    block = pack.compress(bytes(10**7)) + pack.flush(zlib.Z_FULL_FLUSH)
    (folder / "deflated.dcm").write_bytes(stream.getvalue() + 400 * block + pack.flush())


def main():
    warnings.simplefilter("ignore")
    for save in (save_same, save_others, save_refused, save_costly):
        folder = Path(sys.argv[1], save.__name__.removeprefix("save_"))
        folder.mkdir()
        save(folder)


if __name__ == "__main__":
    main()
