"""Which modality belongs to which SOP Class, the defined terms, and the paired parts of the body."""

from __future__ import annotations

STORAGE = "1.2.840.10008.5.1.4.1.1."

_TABLE = """
    1:CR 1.1:DX 1.1.1:DX 1.2:MG 1.2.1:MG 1.3:IO 1.3.1:IO 2:CT 2.1:CT 2.2:CT 3:US/IVUS 3.1:US/IVUS 4:MR 4.1:MR
    4.2:MR 4.3:MR 4.4:MR 5:NM 6:US/IVUS 6.1:US/IVUS 6.2:US 9.1.1:ECG 9.1.2:ECG 9.1.3:ECG 9.2.1:HD 9.3.1:EPS
    9.4.1:AU 9.4.2:AU 9.5.1:HD 9.6.1:RESP 11.1:PR 11.2:PR 11.3:PR 11.4:PR 11.5:PR 11.6:PR 11.8:PR 12.1:XA
    12.1.1:XA 12.2:RF 12.2.1:RF 13.1.1:XA 13.1.2:DX/CT/PX 13.1.3:MG 13.1.4:MG 13.1.5:MG 14.1:IVOCT 14.2:IVOCT
    20:NM 66.1:REG 66.2:FID 66.3:REG 66.4:SEG 66.5:SEG 66.7:SEG 67:RWV 77.1.1:ES 77.1.1.1:ES 77.1.2:GM 77.1.2.1:GM
    77.1.3:SM 77.1.4:XC/DMS 77.1.4.1:XC 77.1.5.1:OP 77.1.5.2:OP 77.1.5.4:OPT 77.1.6:SM 88.11:SR 88.22:SR 88.33:SR
    88.34:SR 88.35:SR 88.40:SR 88.50:SR 88.59:KO 88.65:SR 88.67:SR 88.68:SR 91.1:ANN 104.3:M3D 128:PT 128.1:PT
    130:PT 481.1:RTIMAGE 481.2:RTDOSE 481.3:RTSTRUCT 481.4:RTRECORD 481.5:RTPLAN 481.6:RTRECORD 481.7:RTRECORD
    481.8:RTPLAN 481.9:RTRECORD
"""
MODALITIES: dict[str, tuple[str, ...]] = {
    STORAGE + tail: tuple(modalities.split("/")) for tail, modalities in (entry.split(":") for entry in _TABLE.split())
}
"""SOP Class UID -> its modalities (PS3.3, IODs with enumerated values); the first one is the usual one."""

RELATED = frozenset(["CR", "DF", "DX", "IO", "MG", "PX", "RF", "RG", "XA"])
"""X-ray devices change hands between these classes; a swapped one confuses nobody about the patient."""

TERMS = frozenset(
    [
        "ANN",
        "AR",
        "ASMT",
        "AU",
        "BDUS",
        "BI",
        "BMD",
        "CFM",
        "CR",
        "CT",
        "CTPROTOCOL",
        "DG",
        "DMS",
        "DOC",
        "DX",
        "ECG",
        "EEG",
        "EMG",
        "EOG",
        "EPS",
        "ES",
        "FID",
        "GM",
        "HC",
        "HD",
        "IO",
        "IOL",
        "IVOCT",
        "IVUS",
        "KER",
        "KO",
        "LEN",
        "LS",
        "M3D",
        "MG",
        "MR",
        "NM",
        "OAM",
        "OCT",
        "OP",
        "OPM",
        "OPT",
        "OPTBSV",
        "OPTENF",
        "OPV",
        "OSS",
        "OT",
        "PA",
        "PLAN",
        "POS",
        "PR",
        "PT",
        "PX",
        "REG",
        "RESP",
        "RF",
        "RG",
        "RTDOSE",
        "RTIMAGE",
        "RTINTENT",
        "RTPLAN",
        "RTRAD",
        "RTRECORD",
        "RTSEGANN",
        "RTSTRUCT",
        "RWV",
        "SEG",
        "SM",
        "SMR",
        "SR",
        "SRF",
        "STAIN",
        "TEXTUREMAP",
        "TG",
        "US",
        "VA",
        "XA",
        "XAPROTOCOL",
        "XC",
    ]
)
"""Defined terms (PS3.3 C.7.3.1.1.1)."""

PAIRED = frozenset(
    [
        "ANKLE",
        "ARM",
        "BREAST",
        "CALCANEUS",
        "CAROTID",
        "CLAVICLE",
        "ELBOW",
        "EXTREMITY",
        "EYE",
        "FEMUR",
        "FINGER",
        "FOOT",
        "FOREARM",
        "HAND",
        "HIP",
        "HUMERUS",
        "KIDNEY",
        "KNEE",
        "LEG",
        "PATELLA",
        "RADIUS",
        "RADIUSULNA",
        "SCAPULA",
        "SHOULDER",
        "SIJOINT",
        "THIGH",
        "THUMB",
        "TIBIA",
        "TIBIAFIBULA",
        "TOE",
        "ULNA",
        "WRIST",
        "ZYGOMA",
    ]
)
"""Paired parts of the body (PS3.16 annex L) that name no side themselves."""
