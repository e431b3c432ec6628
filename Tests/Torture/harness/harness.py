"""What all trials share: the program, the temporary folder, the repository's files, the seed."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import samples
from .bench import Bench
from .once import Once
from .process import end_marked
from .stages import EMOJI_TEST, stages

REPOSITORY = Path(__file__).resolve().parents[3]
FIXTURES = REPOSITORY / "Tests/DiffusionTests/Fixtures"


class Harness:
    def __init__(self, binary, seed, keep, model=None):
        self.binary = Path(binary).resolve()
        self.repository = REPOSITORY
        self.seed = seed
        self.keep = keep
        self.is_closing = False
        self.root = Path(tempfile.mkdtemp(prefix="domainfusion-torture-"))
        # Another user, whom some trials become, comes in.
        self.root.chmod(0o755)
        (self.root / "texts").mkdir()
        self.once = Once()
        self.environment = self.plain_environment()
        self.tiny_model = FIXTURES / "sd1"
        # The one that stages ask.
        self.model = model.resolve() if model else self.tiny_model
        self.tokenizers = FIXTURES / "tokenizer"
        self.lora = FIXTURES / "lora/pytorch_lora_weights.safetensors"
        self.large_model = REPOSITORY / "Models/emoji-ldm"
        self.vocabulary = REPOSITORY / "data/packages/bpe_simple_vocab_16e6.txt"
        self.packages = REPOSITORY / "data/packages"
        self.can_mount = can_mount()
        self.emoji_list = self.make_emoji_list()
        self.stages = stages(self)

    def plain_environment(self):
        """Without the user's own settings; a crash ends at once, without minutes of backtrace."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
        return kept | {"LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1", "SWIFT_BACKTRACE": "enable=no"}

    def make_emoji_list(self):
        """None where a file cannot be bound over another, or the list is not installed."""
        if not self.can_mount or not os.path.exists(EMOJI_TEST):
            return None
        path = self.root / "emoji-test.txt"
        samples.write(path, samples.short_emoji_list(EMOJI_TEST))
        return path

    def stage(self, name):
        return self.stages[name]

    @contextlib.contextmanager
    def bench(self, name):
        """A bench for work that several trials need; it is gone afterwards."""
        bench = Bench(self, name)
        try:
            yield bench
        finally:
            bench.close(keep=False)

    def end_processes(self):
        for place in (self.root / "trials").glob("*"):
            end_marked(place)

    def close(self):
        """Ends what still runs, and removes the folder unless failures are kept in it."""
        self.is_closing = True
        self.end_processes()
        if not (self.keep and any((self.root / "trials").glob("*"))):
            shutil.rmtree(self.root, ignore_errors=True)


def can_mount():
    """Whether this process may have a mount namespace of its own."""
    try:
        script = "mount -t tmpfs none /mnt"
        return subprocess.run(["/usr/bin/unshare", "-m", "sh", "-c", script], capture_output=True).returncode == 0
    except OSError:
        return False
