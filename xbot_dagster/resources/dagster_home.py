"""DAGSTER_HOME under the home, and the variables that Dagster's own processes need."""

from importlib.resources import files
from pathlib import Path

from sqlalchemy.engine import make_url

from xbot_dagster.embedded.services import Services
from xbot_dagster.settings import Settings

# The same instance for runs within our own process. Capturing their output means two processes a step, and there is none:
# what a run says goes to its event log.
IN_PROCESS_FILE = "in_process.yaml"
_NO_CAPTURE = """
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def environment(settings: Settings, services: Services) -> dict[str, str]:
    """Lay dagster.yaml into DAGSTER_HOME and return the variables for Dagster processes of this home.

    The storage address is always `postgresql+psycopg2://` (see dagster.yaml).
    """
    home = services.home.dagster
    home.mkdir(parents=True, exist_ok=True)
    shipped = _shipped("dagster.yaml").read_text()
    celery = settings.XBOT_LAUNCHER == "celery"
    (home / "dagster.yaml").write_text(_shipped("deploy/dagster.celery.yaml").read_text() if celery else shipped)
    (home / IN_PROCESS_FILE).write_text(shipped + _NO_CAPTURE)
    address = make_url(services.dagster_url).set(drivername="postgresql+psycopg2")
    return {
        "XBOT_HOME": str(settings.home),
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_URL": address.render_as_string(hide_password=False),
    }


def workspace_file() -> Path:
    """The shipped workspace.yaml."""
    return _shipped("workspace.yaml")


def _shipped(name: str) -> Path:
    """A file of the repository, which the wheel holds in `xbot_dagster/deploy`."""
    packaged = Path(str(files("xbot_dagster"))) / "deploy" / Path(name).name
    return packaged if packaged.exists() else Path(__file__).parents[2] / name
