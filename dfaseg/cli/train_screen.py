"""What a terminal shows of a training run: two bars, a table of the classes, a line of scores."""

import math

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from dfaseg.cli.train_status import RunStatus, in_words
from dfaseg.cli.train_table import class_table
from dfaseg.training.runlog import best_record

_OTHER_LINES = 10
"""Lines of the terminal that are not classes."""
_BLUE = "#3d8fd1"


class TrainScreen:
    """A renderable of a run; drawing it again costs little, for the table is kept for an epoch."""

    def __init__(self, status: RunStatus) -> None:
        self._status = status
        self._kept: tuple[object, list[list[Segment]]] = (None, [])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _bars(self._status)
        key = (len(self._status.history), options.max_width, console.size.height)
        if self._kept[0] != key:
            rows = max(3, console.size.height - _OTHER_LINES)
            table = class_table(self._status, options.max_width, rows)
            lines = console.render_lines(Group("", table, "", _scores(self._status)), pad=False)
            self._kept = (key, lines)
        for line in self._kept[1]:
            yield from line
            yield Segment.line()


def _bars(status: RunStatus) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(style="bold")
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    grid.add_column(width=38, no_wrap=True)
    # The number of the epoch under way, not of those behind: that is what people count.
    current = status.finished if status.is_over else status.finished + 1
    epochs = f"{current}/{status.num_epochs}" if status.num_epochs else ""
    done = status.finished + (status.step / status.num_steps if status.num_steps else 0)
    grid.add_row(
        "epoch", _bar(status.num_epochs, done), epochs, Text(_epoch_words(status), style="dim")
    )
    if not status.is_over:
        steps = f"{status.step}/{status.num_steps}" if status.num_steps else ""
        bar = _bar(status.num_steps, status.step)
        grid.add_row("step", bar, steps, Text(_step_words(status), style="dim"))
    return grid


def _epoch_words(status: RunStatus) -> str:
    if status.is_over:
        is_complete = status.finished >= status.num_epochs
        return "all epochs are done" if is_complete else f"ended after epoch {status.finished}"
    left = in_words(status.seconds_left())
    return f"{left} left" if left else ""


def _step_words(status: RunStatus) -> str:
    if not status.num_steps:
        return "starting"
    if status.step == status.num_steps:
        return "scoring the validation split"
    words = [] if math.isnan(status.loss) else [f"loss {status.loss:.4f}"]
    speed, seconds = status.patches_per_second, status.seconds_per_step
    if speed is not None and seconds is not None:
        left = in_words(seconds * (status.num_steps - status.step))
        words += [f"{speed:.3g} patches/s", f"{left} left"]
    return ", ".join(words)


def _bar(total: int, done: float) -> ProgressBar:
    return ProgressBar(
        max(total, 1), done, complete_style=_BLUE, finished_style=_BLUE, style="grey37"
    )


def _scores(status: RunStatus) -> Text:
    """Return the line of what the classes come to."""
    best = best_record(status.history)
    if best is None:
        return Text("no epoch has been scored yet", style="dim")
    last = status.history[-1]
    words = Text.assemble(
        "macro Dice ", (f"{last.macro_dice:.4f}", "bold"), "  best ",
        (f"{best.macro_dice:.4f}", f"bold {_BLUE}"), f" (epoch {best.epoch})",
        (f"  pixel accuracy {last.pixel_accuracy:.4f}", "dim"), no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
    if last.patches_per_second > 0:
        words.append(f"  {last.patches_per_second:.3g} patches/s", style="dim")
    return words
