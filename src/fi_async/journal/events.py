"""What can happen to a case of a run that is kept: the vocabulary of every storage."""

from __future__ import annotations

from enum import IntEnum


class EventKind(IntEnum):
    """What happened to a case. The last event decides how it stands.

    Attributes:
        INTENT: A request to evaluate it is about to leave. As the last word: it may have been evaluated.
        ACCEPTED: The server accepted it; the body is the eval_id.
        VOID: That request certainly led to no evaluation.
        LOST: That request may have been evaluated, and its answer is lost.
        ENDED: The body is the outcome.
        REOPENED: A retry was asked for: what it ended in does not count. The body is what was known of it: fields of
            `replay.Story`. In files of version 1 it is the eval_id to ask for, if any.
        PLACED: It stands at another position; the body is [position, id].
        ALSO: An equal case stands at another position; the body is [position, id].
        REMOVED: It was not among the cases of the last pass.
        GONE: No equal case stands at the position any more that the body names.
        REFUSED: An equal case stands at another position, and is invalid for that; the body is [position, id].
        READ: All cases were read; of no case, but of the pass that the body names.
    """

    INTENT = 1
    ACCEPTED = 2
    VOID = 3
    LOST = 4
    ENDED = 5
    REOPENED = 6
    PLACED = 7
    ALSO = 8
    REMOVED = 9
    GONE = 10
    REFUSED = 11
    READ = 12
