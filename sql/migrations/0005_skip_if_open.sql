-- A task's skip_if is asked after the pass of the matcher that follows its entry. A pass may take several
-- transactions, so that the question is kept with the task. A constant default rewrites no row.
ALTER TABLE tasks ADD COLUMN skip_if_open boolean NOT NULL DEFAULT false;
