-- Lists of a queue's or a workflow's tasks: with the status before the SID, a filter by status is one walk per status
-- as it is without the queue, and all statuses together are as many walks, merged.
DROP INDEX tasks_by_queue;

CREATE INDEX tasks_by_queue ON tasks (workspace_sid, task_queue_sid, status, sid);

DROP INDEX tasks_by_workflow;

CREATE INDEX tasks_by_workflow ON tasks (workspace_sid, workflow_sid, status, sid);

-- Hardly any task has add-ons: to find that there are none must not read all tasks.
CREATE INDEX tasks_with_addons ON tasks (workspace_sid, sid) WHERE addons <> '{}';
