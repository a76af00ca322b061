"""Images in: any source to :class:`Data`, uint8 tensors with labels and class names.

``load_data`` reads a source, with the reader of ``data/sources`` that knows it; ``batches`` and
``augment`` make floats in [0, 1] of it on the device. A reader is a file with
``reads(source, path) -> bool`` and ``read(source, path, how) -> Data``, where ``how`` is a
:class:`Reading`: the size, label column and background that are asked for; how many labels are
kept is seen to after. So is the size of images that a reader leaves at another. Where it also has
``key(source, path)``, what it reads is cached under that key and ``how``. ``has_columns = True``
says that it takes ``how.label``, which is refused before where it does not; ``takes_the_rest =
True`` has it asked last; ``is_named = True`` says that the name of its file is a source.
"""

from jeat._support.reading import Reading
from jeat.data.batches import Branch, augment, batch_at, batches
from jeat.data.given import name_of_object
from jeat.data.images import Batch, Data, Images, from_arrays
from jeat.data.load import load_data
from jeat.data.names import absolute, fixed, settled
from jeat.data.overview import doubts_of, overview

__all__ = [
    "Batch",
    "Branch",
    "Data",
    "Images",
    "Reading",
    "absolute",
    "augment",
    "batch_at",
    "batches",
    "doubts_of",
    "fixed",
    "from_arrays",
    "load_data",
    "name_of_object",
    "overview",
    "settled",
]  # fmt: skip
