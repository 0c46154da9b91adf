"""What all parts of the declaration have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shopkart_pipeline.spec.text_types import RelativePath, Text, Words


class Section(BaseModel):
    """A mapping with known keys. Types are taken as written: `"80"` is no number, `8080` is no text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)


Reason = Words
Command = Annotated[list[Text], Field(min_length=1)]
ReportPath = RelativePath
Ratio = Annotated[float, Field(ge=0, le=1)]
