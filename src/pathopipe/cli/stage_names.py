"""Stages and what they do, in order, without what importing the records takes.

Made by ``python -m pathopipe.schemas``.
"""

STAGES = {
    "tissue": "find tissue, check the image.",
    "quality": "map the tissue that cannot be trusted.",
    "tiles": "lay tiles over the tissue.",
    "detect": "find nuclei.",
    "segment": "outline nuclei.",
    "features": "measure nuclei.",
    "types": "say what each nucleus is.",
    "statistics": "describe nuclei by slide, region and type.",
    "grade": "grade the slide.",
    "report": "write the slide's page.",
}
