"""`python -m xbot_dagster.dashboard`: the API and the dashboard of this environment's deployment."""

import sys

from xbot_dagster.api.launching import ProcessLauncher
from xbot_dagster.dashboard.serving import serve
from xbot_dagster.errors import UserError
from xbot_dagster.settings import load_settings

if __name__ == "__main__":
    try:
        settings = load_settings()
        serve(settings, ProcessLauncher(settings))
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        sys.stderr.write(f"xbot: {error}\n")
        sys.exit(error.exit_code)
