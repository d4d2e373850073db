"""What cannot be taken in now is refused at once, to be tried again."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.fixtures import StartDaemon, open_directory, start_daemon
from tests.wire.support import Http, assert_problem, eventually

__all__ = ["open_directory", "start_daemon"]

CLIENTS = 16


def test_a_full_inbox_answers_503_and_keeps_what_it_acknowledged(start_daemon: StartDaemon, database):
    limits = {"POINTSMAN_RUNTIME_INBOX_COMMANDS_MAX": "1", "POINTSMAN_RUNTIME_BATCH_COMMANDS_MAX": "1"}
    http = Http(start_daemon(database_url=database, settings=limits))
    ws = http.post("/Workspaces", {"FriendlyName": "Busy", "Template": "FIFO"}).json()["sid"]
    path = f"/Workspaces/{ws}/Tasks"
    answers = []

    def some_were_refused():
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers.extend(pool.map(lambda _: http.post(path), range(CLIENTS)))
        return [answer for answer in answers if answer.status_code != 201]

    for refused in eventually("an answer from a full inbox", some_were_refused):
        assert_problem(refused, 503, 20503)
        assert int(refused.headers["Retry-After"]) >= 1
    taken = {answer.json()["sid"] for answer in answers if answer.status_code == 201}
    listed = {task["sid"] for task in http.get(path, params={"PageSize": 1000}).json()["tasks"]}
    assert taken == listed
    http.session.close()
