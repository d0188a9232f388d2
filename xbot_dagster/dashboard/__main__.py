"""`python -m xbot_dagster.dashboard`: the API and the dashboard of this deployment, until SIGTERM."""

import sys

from xbot_dagster.errors import UserError


def main() -> None:
    """Serve on XBOT_HOST and XBOT_API_PORT. The database is opened at the first question, so a start with it down answers 503."""
    from xbot_dagster.dashboard.launching import Launch
    from xbot_dagster.dashboard.serving import serve
    from xbot_dagster.settings import load_settings

    settings = load_settings()
    serve(settings, Launch(settings))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.stderr.write(f"xbot: {error}\n")
        sys.exit(error.exit_code)
