"""Files of the Hugging Face hub, from its cache where they are there."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dfaseg.errors import CheckpointError


def fetch_hub_file(
    subject: str, repo: str, file_names: Sequence[str], revision: str | None = None
) -> Path:
    """Return a file of the hub from its cache, or fetch it there.

    Args:
        subject: What asks for it, to begin the message with: ``model 'hf://...'``.
        repo: ``org/name``.
        file_names: Names under which the file may be there; the first one found is taken.
        revision: Branch, tag or commit; None for the main branch.

    Raises:
        CheckpointError: There is no such file, or it cannot be fetched.
    """
    from huggingface_hub import errors, hf_hub_download  # noqa: PLC0415 (slow, seldom needed)

    def fetch(file_name: str, *, is_offline: bool) -> Path:
        return Path(
            hf_hub_download(repo, file_name, revision=revision, local_files_only=is_offline)
        )

    try:
        for file_name in file_names:
            with suppress(errors.LocalEntryNotFoundError):
                return fetch(file_name, is_offline=True)
        *others, last = file_names
        for file_name in others:
            try:
                return fetch(file_name, is_offline=False)
            except errors.LocalEntryNotFoundError:  # the hub cannot be reached, under any name
                raise
            except errors.EntryNotFoundError:
                continue
        return fetch(last, is_offline=False)
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise CheckpointError(f"{subject}: {_problem(error)}") from error


def _problem(error: Exception) -> str:
    """Say what is wrong and what to do, by the name of the hub's error or of one it builds on."""
    problems = {
        "GatedRepoError": "its authors grant access on request; ask on its page, then log in with "
        "'hf auth login'",
        "RepositoryNotFoundError": "no such repository, or a private one; check the name, or log "
        "in with 'hf auth login'",
        "RevisionNotFoundError": "no such revision; check what follows the @",
        "LocalEntryNotFoundError": "not in the cache, and the hub cannot be reached; fetch it once "
        "on a machine with a network",
        "EntryNotFoundError": "the repository holds no such file; check its name",
        "HFValidationError": "not a valid repository name; check it",
    }
    known = (problems[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in problems)
    unknown = f"cannot be fetched ({error}); check the network, or fetch it and give its path"
    return next(known, " ".join(unknown.split()))
