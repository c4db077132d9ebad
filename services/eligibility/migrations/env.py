from services.eligibility.tables import metadata
from shared.db.migrate import run

run(metadata)
