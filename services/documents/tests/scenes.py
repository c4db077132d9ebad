"""A network in which documents come in, with the services that are asked for names played here."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.documents import errands as errand_rules
from services.documents.app import service
from services.documents.handlers import SUBSCRIPTIONS
from services.documents.settings import Settings
from services.documents.timers import TIMERS
from shared.bus.effects import take_effect
from shared.contracts.appointments import AppointmentBooked
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import PatientRegistered
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.errands import Errands, claim, run_one
from shared.db.timers import fire_due
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.service import Ports, app_of
from shared.web.settings import Chassis, Urls
