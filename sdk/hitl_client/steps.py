"""A person's place in a pipeline: ask and end the step; later, in any process, go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hitl_client.client import HitlClient
from hitl_client.errors import Pending, raise_unless_allowed

Json = dict[str, Any]

_INPUT: Json = {
    "type": "input",
    "fields": [{"name": "answer", "type": "textarea", "label": "Your answer", "required": True}],
}
_REVIEW: Json = {
    "type": "review",
    "fields": [
        {
            "name": "decision",
            "type": "radio",
            "options": ["approve", "reject", "request_changes"],
            "required": True,
        },
        {"name": "feedback", "type": "textarea", "label": "Feedback/Comments"},
        {"name": "suggested_changes", "type": "textarea", "label": "Suggested Changes"},
    ],
}
_MANUAL_FIELDS: list[Json] = [
    {"name": "manual_result", "type": "textarea", "label": "Manual Result", "required": True},
    {
        "name": "confidence",
        "type": "number",
        "label": "Confidence Level (0-1)",
        "min": 0,
        "max": 1,
        "step": 0.1,
        "default": 0.9,
    },
]


class HumanStep:
    """One step of a pipeline that a person takes.

    Each asking method opens one ticket, stores the step's `data` with it and returns the step's
    result: a dict with its `status` and the id that answers it (`interaction_id`, `decision_id`
    or `approval_id`). The program may end then. Whoever has that id, in whatever process and
    whenever, calls `resume` for the stored data with the answer merged over it; it gives it out
    once.

    `run_id` names one run of the pipeline: asked again in the same run (after a crash, say), a
    step finds the ticket it has opened and opens no second one. Without it, each call asks anew.

    `fields` of every method go to the ticket (`title`, `priority`, `ai`, `callback_url` …).
    """

    def __init__(
        self,
        client: HitlClient,
        *,
        pipeline: str,
        step: str,
        checkpoint: str = "general",
        run_id: str | None = None,
    ) -> None:
        self._client = client
        self._pipeline, self._step = pipeline, step
        self._checkpoint, self._run_id = checkpoint, run_id

    def pause_for_input(
        self,
        data: Mapping[str, Any],
        *,
        ui_schema: Mapping[str, Any] | None = None,
        prompt: str = "Please provide input",
        timeout: int = 3600,
        **fields: Any,
    ) -> Json:
        """Ask for what only a person knows. `timeout` is in seconds."""
        form = dict(ui_schema or _INPUT)
        form.setdefault("type", "input")
        asked = {"ui_schema": form, "timeout_seconds": timeout}
        ticket = self._open(data, data, title=prompt, **{**asked, **fields})
        return {
            "status": "human_input_required",
            "interaction_id": ticket["id"],
            "ui_schema": form,
            "prompt": prompt,
            "timeout_seconds": timeout,
            "data": dict(data),
        }

    def review(self, data: Mapping[str, Any], *, suggestions: Any = None, **fields: Any) -> Json:
        """Let a person approve `data["generated_content"]`, reject it, or ask for changes."""
        shown = {
            "content": data.get("generated_content", ""),
            "metadata": data.get("metadata", {}),
            "suggestions": [] if suggestions is None else suggestions,
        }
        ticket = self._open(data, shown, ui_schema=_REVIEW, **fields)
        return {
            "status": "awaiting_review",
            "interaction_id": ticket["id"],
            "review_data": shown,
            "ui_schema": _REVIEW,
        }

    def collaborate(
        self,
        data: Mapping[str, Any],
        *,
        stakeholders: Sequence[str] = (),
        decision_type: str = "consensus",
        voting_options: Sequence[str] = ("approve", "reject"),
        timeout: int = 24 * 3600,
        **fields: Any,
    ) -> Json:
        """Let several people decide together; `decision_type` is consensus or majority."""
        asked = {
            "stakeholders": list(stakeholders),
            "decision_type": decision_type,
            "voting_options": list(voting_options),
        }
        told: Json = {"preset": "vote", "interaction": asked, "timeout_seconds": timeout}
        ticket = self._open(data, data, **{**told, **fields})
        return {
            "status": "collaborative_decision_pending",
            "decision_id": ticket["id"],
            **asked,
            "timeout": timeout,
            "data": dict(data),
        }

    def with_fallback(
        self,
        data: Mapping[str, Any],
        process: Callable[[Json], Json],
        *,
        confidence_threshold: float = 0.8,
        **fields: Any,
    ) -> Json:
        """Do the work by machine; where that fails or is too unsure, let a person do it.

        `process` gets `data` and returns a dict with its `confidence` (0 to 1; none means 0).
        What it raises, and a confidence under the threshold, is the reason a person reads.
        """
        partial: Json | None = None
        try:
            partial = process(dict(data))
            confidence = partial.get("confidence", 0)
            if confidence >= confidence_threshold:
                return {
                    "status": "automated_success",
                    "result": partial,
                    "processing_method": "automated",
                }
            reason = "low_confidence"
        except Exception as problem:
            reason = f"error: {problem}"
        form = {
            "type": "manual_processing",
            "context": f"Automated processing failed: {reason}"[:2000],
            "fields": _MANUAL_FIELDS,
        }
        shown = {**data, "partial_result": partial, "escalation_reason": reason}
        interaction = {
            "partial_result": partial,
            "escalation_reason": reason[:2000],
            "confidence_threshold": confidence_threshold,
        }
        ticket = self._open(data, shown, ui_schema=form, interaction=interaction, **fields)
        return {
            "status": "escalated_to_human",
            "interaction_id": ticket["id"],
            "escalation_reason": reason,
            "partial_result": partial,
            "original_data": dict(data),
            "ui_schema": form,
        }

    def refine(self, data: Mapping[str, Any], *, max_iterations: int = 3, **fields: Any) -> Json:
        """Let a person improve a result, round by round, until it is good or rounds are used up.

        `data` holds `current_result` (else `data` is the result), `iteration` (1 at first) and
        `refinement_history`; for the rounds after the first, pass what `refined` returned.
        """
        iteration = int(data.get("iteration", 1))
        result = data.get("current_result", dict(data))
        if iteration > max_iterations:
            return {
                "status": "max_iterations_reached",
                "final_result": data.get("current_result"),
                "iterations_completed": iteration - 1,
            }
        history = list(data.get("refinement_history", []))
        form = {
            "type": "iterative_refinement",
            "fields": [
                {
                    "name": "refined_result",
                    "type": "textarea",
                    "label": f"Refine Result (Iteration {iteration})",
                    "default": result
                    if isinstance(result, str)
                    else json.dumps(result, indent=2, ensure_ascii=False),
                    "required": True,
                },
                {
                    "name": "refinement_notes",
                    "type": "textarea",
                    "label": "What changes did you make?",
                },
                {
                    "name": "continue_refining",
                    "type": "checkbox",
                    "label": "Continue to next iteration?",
                    "default": False,
                },
            ],
        }
        interaction = {
            "iteration": iteration,
            "max_iterations": max_iterations,
            "refinement_history": history,
        }
        shown = {"current_result": result, "refinement_history": history}
        asked: Json = {"ui_schema": form, "interaction": interaction, **fields}
        if "interaction_id" in data:
            ticket = self._client.resubmit(data["interaction_id"], shown, **asked)
        else:
            ticket = self._open(data, shown, **asked)
        return {
            "status": "refinement_needed",
            "interaction_id": ticket["id"],
            "iteration": iteration,
            "current_result": result,
            "refinement_history": history,
            "ui_schema": form,
        }

    def decide_in_time(
        self,
        data: Mapping[str, Any],
        *,
        decision_timeout: int = 300,
        default_action: str = "abort",
        **fields: Any,
    ) -> Json:
        """Let a person decide within `decision_timeout` seconds; then the default action stands.

        The checkpoint must allow the default action; one that lets the pipeline go on by silence
        has to be allowed there.
        """
        form = {
            "type": "urgent_decision",
            "fields": [
                {
                    "name": "decision",
                    "type": "radio",
                    "options": ["proceed", "abort", "modify"],
                    "required": True,
                },
                {
                    "name": "urgency_acknowledged",
                    "type": "checkbox",
                    "label": f"I know that this ends in {decision_timeout // 60} minutes",
                    "required": True,
                },
            ],
        }
        asked: Json = {"ui_schema": form, "timeout_seconds": decision_timeout}
        asked["interaction"] = {"default_action": default_action}
        ticket = self._open(data, data, **{**asked, **fields})
        return {
            "status": "time_sensitive_decision",
            "interaction_id": ticket["id"],
            "timeout_seconds": decision_timeout,
            "default_action": default_action,
            "ui_schema": form,
            "data": dict(data),
        }

    def approve_by(
        self,
        data: Mapping[str, Any],
        *,
        approvers: Sequence[str] = (),
        approval_type: str = "all",
        **fields: Any,
    ) -> Json:
        """Let several people approve; `approval_type` is all, majority or any of them."""
        asked = {"approvers": list(approvers), "approval_type": approval_type}
        told: Json = {"preset": "approval", "interaction": asked}
        ticket = self._open(data, data, **{**told, **fields})
        return {
            "status": "multi_approval_pending",
            "approval_id": ticket["id"],
            **asked,
            "data": dict(data),
        }

    def refined(self, interaction_id: str) -> Json | None:
        """Return the `data` of the next `refine`, or None when nobody wants another round.

        :raises Pending: while nobody answered.
        """
        ticket = self._client.get_decision(interaction_id)
        if ticket["status"] == "pending":
            raise Pending(f"{ticket['ref']} is not answered yet.", ticket=ticket)
        if ticket["status"] != "needs_changes":
            return None
        answer = ticket["decision"]["response"]
        before = ticket["proposal"]
        return {
            "interaction_id": ticket["id"],
            "current_result": answer["refined_result"],
            "iteration": ticket["round"] + 1,
            "refinement_history": [*before["refinement_history"], answer],
        }

    def resume(self, interaction_id: str, *, timeout: float | None = 0) -> Json:
        """Return the stored data with the person's answer merged over it, once.

        `timeout` seconds are waited for the answer (0: it must be there; None: as long as the
        ticket lives). An answer given before anybody waited is there all the same.

        :raises Pending: while nobody answered.
        :raises AlreadyConsumed: when the pipeline was resumed before.
        :raises Rejected, NeedsChanges, Expired, Cancelled, Revoked: when it must not go on.
        """
        ticket = self._client.get_decision(interaction_id)
        if ticket["allowed"] is None and timeout != 0:
            ticket = self._client.wait_for_decision(interaction_id, timeout)
        raise_unless_allowed(ticket)
        # Using the receipt up is what makes it once, in whichever process.
        self._client.consume(ticket["id"], ticket["approved"])
        resumed: Json = ticket["pipeline"]["resume"]
        return resumed

    def _open(self, data: Mapping[str, Any], shown: Mapping[str, Any], **fields: Any) -> Json:
        key = None
        if self._run_id is not None:
            key = f"step-{self._pipeline}-{self._step}-{self._run_id}-{data.get('iteration', 1)}"
        given: Json = {
            "title": f"{self._pipeline}: {self._step}",
            "pipeline": {"name": self._pipeline, "step": self._step, "state": dict(data)},
            **fields,
        }
        return self._client.submit_for_review(
            shown, checkpoint=self._checkpoint, idempotency_key=key, **given
        )
