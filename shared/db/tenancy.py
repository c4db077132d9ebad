"""What came to the keeping apart of networks after `mechanism`, a function a revision."""

from collections.abc import Callable

Execute = Callable[[str], object]

# A setting that is no uuid is no network, like none at all: no row and no error. The body is one
# expression that is read when it is made, so no search_path of a session can change what it calls,
# and the planner puts it into the query, where it is an index condition.
_NETWORK_FUNCTION = """
CREATE OR REPLACE FUNCTION current_network() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN pg_input_is_valid(current_setting('app.network', true), 'uuid')
  THEN current_setting('app.network', true)::uuid END
"""


def upgrade_tenancy_0005(execute: Execute) -> None:
    """A network setting that cannot be read is none, and nobody else may use the schema."""
    execute(_NETWORK_FUNCTION)
    # In a cluster that comes from before Postgres 15 everybody may make tables in `public`.
    execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
