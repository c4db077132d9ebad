"""What a service expects is what its migrations lead to."""

import pytest
from alembic.script import ScriptDirectory

from shared.db.migrate import config_for
from shared.db.provision import SERVICES
from shared.db.revisions import newest_revision


@pytest.mark.parametrize("service", SERVICES)
def test_the_newest_revision_is_the_head_of_the_history(service: str) -> None:
    assert (
        newest_revision(service)
        == ScriptDirectory.from_config(config_for(service, "")).get_current_head()
    )


def test_what_has_no_migrations_expects_none() -> None:
    with pytest.raises(LookupError, match="nobody"):
        newest_revision("nobody")
