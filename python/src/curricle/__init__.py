"""Features of images by masked autoencoders, on CPUs.

``Encoder`` turns images into features, ``CurricleFeatures`` does so in scikit-learn's pipelines, ``pretrain`` and ``finetune`` run the command.
"""

from ._command import CurricleError, command, run_command
from ._encoder import Encoder
from ._run import Run, finetune, pretrain
from ._sklearn import CurricleFeatures
from ._version import version as __version__

__all__ = ["CurricleError", "CurricleFeatures", "Encoder", "Run", "__version__", "command", "finetune", "pretrain", "run_command"]
