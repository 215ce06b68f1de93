"""Objects with identifiers planted wherever archives hold them, and a search that shares no code with the engine."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
}
ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso2022_jp", "shift_jis", "euc_jp", "euc_kr", "gb18030")


BENIGN = (
    *("ImageType", "Modality", "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "BodyPartExamined", "KVP"),
    *("SliceThickness", "ConvolutionKernel", "InstanceNumber", "SeriesNumber", "AcquisitionNumber", "PatientPosition"),
    *("ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns", "PixelSpacing", "RescaleIntercept"),
    *("RescaleSlope", "WindowCenter", "WindowWidth", "BitsStored"),
)
"""Attributes that say nothing of the patient and must be there afterwards, unchanged."""


@dataclass
class Person:
    """A patient who does not exist, with everything that would tell who it was."""

    name: str = "Müßigbrödt^Jörg^Kasimir"
    patient_id: str = "MRN-00471182"
    birth_date: str = "19431107"
    accession: str = "ACC7730915"
    study_date: str = "20180326"
    physician: str = "Quackenbush^Ottilie"
    operator: str = "Zwetschgenmus^Balduin"
    institution: str = "Klinikum Wolkenkuckucksheim"
    address: str = "Drosselbartgasse 17b, 94999 Hinterwald"
    phone: str = "+49 8555 7719204"
    root: str = "1.3.6.1.4.1.99999.471182"
    charset: str = "ISO_IR 100"

    @property
    def needles(self) -> list[str]:
        """Strings none of which may be found in a clean file."""
        names = [
            part for name in (self.name, self.physician, self.operator) for part in re.split(r"[\^=]", name) if part
        ]
        plain = ["Muessigbroedt", "Mussigbrodt"] if "Müßigbrödt" in self.name else []
        return [
            *names,
            *plain,
            self.patient_id,
            self.patient_id.replace("-", ""),
            self.birth_date,
            self.study_date,
            f"{self.study_date[6:]}.{self.study_date[4:6]}.{self.study_date[:4]}",
            "20180325",
            self.accession,
            self.institution,
            "Drosselbartgasse",
            "7719204",
            self.root,
        ]


@dataclass
class Planted:
    """An object as bytes, and what of it must be there afterwards."""

    data: bytes
    person: Person
    benign: dict[str, object] = field(default_factory=dict)


def reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return item


def ct(person: Person | None = None, *, syntax: str = "explicit", number: int = 1, extras: bool = True) -> Planted:
    """Return a CT image that holds identifiers in about ninety places."""
    who = person or Person()
    ds = Dataset()
    family = who.name.split("=")[0].split("^")[0]
    ds.SpecificCharacterSet = who.charset.split("\\") if "\\" in who.charset else who.charset
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"{who.root}.1.1.{number}"
    ds.StudyInstanceUID = f"{who.root}.1"
    ds.SeriesInstanceUID = f"{who.root}.1.1"
    ds.FrameOfReferenceUID = f"{who.root}.9"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality = "CT"
    ds.Manufacturer = "SIEMENS"
    ds.ManufacturerModelName = "Sensation 64"
    ds.SoftwareVersions = "syngo CT 2009E"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = who.study_date
    ds.StudyTime, ds.SeriesTime, ds.AcquisitionTime, ds.ContentTime = "101112", "101213.5", "101314.123456", "101415"
    ds.AcquisitionDateTime = f"{who.study_date}101314.123456+0100"
    ds.InstanceCreationDate = "20180325"
    ds.PatientName, ds.PatientID = who.name, who.patient_id
    ds.IssuerOfPatientID = who.institution
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge, ds.PatientWeight = who.birth_date, "M", "074Y", "81.5"
    ds.OtherPatientIDs = [who.patient_id, "SSN-123-45-6789"]
    ds.PatientAddress, ds.PatientTelephoneNumbers = who.address, who.phone
    ds.PatientComments = f"Call {family} at {who.phone} before noon"
    ds.AccessionNumber, ds.StudyID = who.accession, "ST4711"
    ds.ReferringPhysicianName, ds.OperatorsName = who.physician, who.operator
    ds.NameOfPhysiciansReadingStudy = [who.physician, who.operator]
    ds.InstitutionName, ds.InstitutionAddress = who.institution, who.address
    ds.StationName, ds.DeviceSerialNumber = "CT48813X", "SN4471920"
    ds.StudyDescription = f"CT Thorax {family} {who.study_date}"
    ds.SeriesDescription = "Thorax 5.0 B30f"
    ds.ProtocolName = f"ThoraxRoutine {who.patient_id}"
    ds.ImageComments = f"seen by {who.physician.split('^')[0]} on 26.03.2018 for {family}"
    ds.BodyPartExamined, ds.KVP, ds.SliceThickness, ds.ConvolutionKernel = "CHEST", "120", "5", "B30f"
    ds.InstanceNumber, ds.SeriesNumber, ds.AcquisitionNumber = number, 2, 1
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-180.5, -180.5, 5.0 * number], [1, 0, 0, 0, 1, 0]
    ds.PatientPosition = "HFS"
    ds.Rows = ds.Columns = 8
    ds.PixelSpacing = [0.7, 0.7]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
    ds.WindowCenter, ds.WindowWidth = 40, 400
    pixels = (np.arange(64, dtype=np.uint16).reshape(8, 8) * 31) & 0x0FFF
    benign = {word: ds[word].value for word in BENIGN}
    if extras:
        _nested(ds, who, family)
        _private(ds, who, family, syntax)
        _structures(ds, who, family)
        pixels = pixels | 0x8000
    raw = pixels.astype(">u2" if syntax == "big" else "<u2").tobytes()
    ds.add_new(
        0x7FE00010,
        "OW",
        raw + (f"{family.encode('ascii', 'replace').decode()}{who.patient_id}".ljust(40).encode() if extras else b""),
    )
    return Planted(_file(ds, who, family, syntax, extras=extras), who, benign)


def _nested(ds: Dataset, who: Person, family: str) -> None:
    request = Dataset()
    request.ScheduledProcedureStepDescription = f"Thorax for {family}"
    request.RequestedProcedureID = who.accession
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = (
        "X1",
        "99LOCAL",
        f"protocol of {who.physician.split('^')[0]}",
    )
    request.ScheduledProtocolCodeSequence = Sequence([code])
    ds.RequestAttributesSequence = Sequence([request])
    original, modified = Dataset(), Dataset()
    modified.PatientName, modified.PatientID = who.name, who.patient_id
    original.ModifiedAttributesSequence = Sequence([modified])
    original.AttributeModificationDateTime, original.ModifyingSystem = "20180326120000", who.institution
    original.SourceOfPreviousValues, original.ReasonForTheAttributeModification = who.institution, "COERCE"
    ds.OriginalAttributesSequence = Sequence([original])
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID = who.patient_id, who.institution
    ds.OtherPatientIDsSequence = Sequence([other])
    equipment = Dataset()
    equipment.Manufacturer, equipment.InstitutionName, equipment.OperatorsName = "ACME", who.institution, who.operator
    equipment.ContributionDateTime = f"{who.study_date}235959.999999-0730"
    ds.ContributingEquipmentSequence = Sequence([equipment])
    ds.ReferencedImageSequence = Sequence([reference(CTImageStorage, f"{who.root}.1.1.{n}") for n in (1, 2)])
    ds.SourceImageSequence = Sequence([reference(CTImageStorage, f"{who.root}.1.1.3")])
    ds.ReferencedStudySequence = Sequence([reference("1.2.840.10008.3.1.2.3.1", f"{who.root}.1")])
    ds.IrradiationEventUID = [f"{who.root}.77.1", f"{who.root}.77.2"]
    ds.DeviceUID = f"{who.root}.55"
    ds.ContrastBolusAgent = f"Omnipaque for {family}"


def _private(ds: Dataset, who: Person, family: str, syntax: str) -> None:
    ds.add_new(0x00090010, "LO", f"{family} PRIVATE")
    ds.add_new(0x00091001, "LO", f"owner {family}")
    ds.add_new(0x00091002, "OB", f"<xml uid='{who.root}.1.1'>{who.patient_id}</xml>".encode() + b" ")
    inner = Dataset()
    inner.PatientName = who.name
    if syntax != "implicit":
        ds.add_new(0x00091003, "SQ", Sequence([inner]))
    body = b"\x10\x00\x20\x00" + len(who.patient_id).to_bytes(4, "little") + who.patient_id.encode()
    if syntax in ("explicit", "deflated"):
        item = b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body
        ds.add_new(0x00091004, "UN", item)


def _structures(ds: Dataset, who: Person, family: str) -> None:
    ds.add_new(0x50000010, "US", 0)
    ds.add_new(0x50000022, "LO", f"curve of {family}")
    ds.add_new(0x50003000, "OW", who.patient_id.encode())
    ds.add_new(0x60000010, "US", 8)
    ds.add_new(0x60000011, "US", 8)
    ds.add_new(0x60000022, "LO", f"overlay of {family}")
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    ds.add_new(0x60020010, "US", 8)
    ds.add_new(0x60020011, "US", 8)
    ds.add_new(0x60021500, "LO", family)
    ds.add_new(0x60023000, "OW", b"\xff" * 8)
    icon = Dataset()
    icon.Rows = icon.Columns = 2
    icon.add_new(0x7FE00010, "OW", who.accession.encode()[:4])
    ds.IconImageSequence = Sequence([icon])
    signature = Dataset()
    signature.MACIDNumber, signature.DigitalSignatureUID = 1, f"{who.root}.66"
    signature.CertificateType = "X509_1993_SIG"
    signature.CertificateOfSigner = f"CN={who.physician}".encode("latin-1", "replace").ljust(60)
    ds.DigitalSignaturesSequence = Sequence([signature])
    mac = Dataset()
    mac.MACIDNumber, mac.MACAlgorithm = 1, "SHA256"
    ds.MACParametersSequence = Sequence([mac])
    ds.add_new(0x3C0A2D20, "LO", f"{who.patient_id}")
    ds.add_new(0xFFFCFFFC, "OB", who.patient_id.encode())


def _file(ds: Dataset, who: Person, family: str, syntax: str, *, extras: bool) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = SYNTAXES[syntax]
    meta.ImplementationClassUID, meta.ImplementationVersionName = f"{who.root}.1000", "WARD_7"
    if extras:
        meta.SourceApplicationEntityTitle = "QUACKENBUSH"
        meta.PrivateInformationCreatorUID = f"{who.root}.2000"
        meta.PrivateInformation = who.patient_id.encode()
    ds.file_meta = meta
    out = io.BytesIO()
    ds.preamble = (who.patient_id.encode() if extras else b"").ljust(128, b"\0")
    ds.save_as(out, enforce_file_format=True)
    trailing = f"  {who.patient_id} {who.physician}".encode() if extras and syntax != "deflated" else b""
    data = out.getvalue()
    if extras and syntax == "explicit":
        data = data.replace(b"\x40\x00\x75\x02SQ", _scheduled_as_un(who) + b"\x40\x00\x75\x02SQ", 1)
    return data + trailing


def _scheduled_as_un(who: Person) -> bytes:
    """Return Scheduled Procedure Step Sequence (0040,0100) as UN: its item is in implicit VR (PS3.5 6.2.2)."""
    text = f"Ward of {who.patient_id}".ljust(30).encode()
    step = b"\x40\x00\x07\x00" + len(text).to_bytes(4, "little") + text
    item = b"\xfe\xff\x00\xe0" + len(step).to_bytes(4, "little") + step
    return b"\x40\x00\x00\x01UN\0\0" + len(item).to_bytes(4, "little") + item


def content(data: bytes) -> bytes:
    """Return a file with its deflated data set inflated, found without a DICOM parser."""
    if DeflatedExplicitVRLittleEndian.encode() not in data[:600]:
        return data
    start = 144 + int.from_bytes(data[140:144], "little")  # File Meta Information Group Length counts from its own end
    return data[:start] + zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:])


def leaks(data: bytes, needles: list[str]) -> list[str]:
    """Return the needles that are in a file, in any of the usual encodings, whatever their case."""
    raw = content(data)
    lower = raw.lower()
    stripped = re.sub(rb"\x1b[\x20-\x2f]+[\x30-\x7e]", b"", raw)
    found = []
    for needle in needles:
        for encoding in ENCODINGS:
            for form in {needle, needle.upper(), needle.lower()}:
                try:
                    code = form.encode(encoding)
                except UnicodeError:
                    continue
                bare = re.sub(rb"\x1b[\x20-\x2f]+[\x30-\x7e]", b"", code)
                if len(bare) >= 4 and (bare in raw or bare in stripped or (form.isascii() and bare.lower() in lower)):
                    found.append(f"{needle} as {encoding}")
                    break
    return found
