"""The calls of TaskRouter's documentation pages for Workspace and Workflow, with the official client."""

import json
from datetime import datetime

import pytest
from twilio.base.exceptions import TwilioRestException


def test_workspace_samples(client):
    workspace = client.taskrouter.v1.workspaces.create(
        friendly_name="NewWorkspace", event_callback_url="http://127.0.0.1:9/callback", template="FIFO"
    )
    assert workspace.sid.startswith("WS")
    assert workspace.friendly_name == "NewWorkspace"
    assert workspace.event_callback_url == "http://127.0.0.1:9/callback"
    assert workspace.prioritize_queue_order == "FIFO"
    assert workspace.multi_task_enabled is True
    assert isinstance(workspace.date_created, datetime)
    assert workspace.date_created.tzinfo is not None

    fetched = client.taskrouter.v1.workspaces(workspace.sid).fetch()
    assert fetched.default_activity_name == "Offline"
    assert fetched.timeout_activity_name == "Offline"
    assert fetched.events_filter is None

    named = client.taskrouter.v1.workspaces.list(friendly_name="NewWorkspace", limit=20)
    assert workspace.sid in [item.sid for item in named]
    assert workspace.sid in [item.sid for item in client.taskrouter.v1.workspaces.stream(page_size=2)]

    updated = client.taskrouter.v1.workspaces(workspace.sid).update(
        event_callback_url="http://127.0.0.1:9/other",
        events_filter="task.created, task.completed",
        multi_task_enabled=True,
        prioritize_queue_order="LIFO",
    )
    assert updated.event_callback_url == "http://127.0.0.1:9/other"
    assert updated.events_filter == "task.created, task.completed"
    assert updated.prioritize_queue_order == "LIFO"

    available = next(a for a in workspace.activities.list() if a.friendly_name == "Available")
    updated = workspace.update(default_activity_sid=available.sid, timeout_activity_sid=available.sid)
    assert updated.default_activity_name == updated.timeout_activity_name == "Available"

    assert client.taskrouter.v1.workspaces(workspace.sid).delete() is True
    with pytest.raises(TwilioRestException) as caught:
        client.taskrouter.v1.workspaces(workspace.sid).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_workflow_samples(workspace):
    sales = workspace.task_queues.create(friendly_name="Sales", target_workers='skills HAS "sales"')
    everyone = workspace.task_queues.create(friendly_name="Everyone", target_workers="1==1")
    configuration = json.dumps(
        {
            "task_routing": {
                "filters": [
                    {
                        "filter_friendly_name": "Sales",
                        "expression": "type == 'sales'",
                        "targets": [
                            {"queue": sales.sid, "priority": 5, "timeout": 30},
                            {"queue": everyone.sid, "expression": "task.language IN worker.languages"},
                        ],
                    }
                ],
                "default_filter": {"queue": everyone.sid},
            }
        }
    )
    workflow = workspace.workflows.create(
        friendly_name="Sales, Marketing, Support Workflow",
        assignment_callback_url="http://127.0.0.1:9/",
        fallback_assignment_callback_url="http://127.0.0.1:9/fallback",
        task_reservation_timeout=30,
        configuration=configuration,
    )
    assert workflow.configuration == configuration
    assert workflow.document_content_type == "application/json"

    fetched = workspace.workflows(workflow.sid).fetch()
    assert fetched.task_reservation_timeout == 30
    assert fetched.fallback_assignment_callback_url == "http://127.0.0.1:9/fallback"
    assert [w.sid for w in workspace.workflows.list(friendly_name=workflow.friendly_name)] == [workflow.sid]

    updated = workspace.workflows(workflow.sid).update(
        friendly_name="Renamed",
        assignment_callback_url="",
        task_reservation_timeout=120,
        re_evaluate_tasks="true",
    )
    assert (updated.friendly_name, updated.assignment_callback_url) == ("Renamed", "")
    assert updated.configuration == configuration
    assert workspace.workflows(workflow.sid).delete() is True
    assert workflow.sid not in [w.sid for w in workspace.workflows.list()]
