"""Appointments the way the tutorials of FastAPI, SQLModel and aiokafka have it.

A session for each request, look whether the time is free, insert, commit, refresh, tell Kafka and
wait for its answer, reply. No locks, no constraint, no outbox; also no tokens, audit, row security
or idempotency, which costs it nothing. Its mistakes are the point: see bench/README.md.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import Column, DateTime
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

TOPIC = "control.appointments"

engine = create_async_engine(os.environ["CONTROL_DATABASE_URL"])


def instant() -> Column:
    return Column(DateTime(timezone=True), nullable=False)


class Provider(SQLModel, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str


class Patient(SQLModel, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str


class AppointmentCreate(SQLModel):
    provider_id: UUID
    patient_id: UUID
    starts_at: datetime
    minutes: int = 20


class Appointment(SQLModel, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    provider_id: UUID = Field(foreign_key="provider.id", index=True)
    patient_id: UUID = Field(foreign_key="patient.id", index=True)
    starts_at: datetime = Field(sa_column=instant())
    ends_at: datetime = Field(sa_column=instant())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    app.state.producer = AIOKafkaProducer(bootstrap_servers=os.environ["CONTROL_KAFKA"])
    await app.state.producer.start()
    yield
    await app.state.producer.stop()
    await engine.dispose()


app = FastAPI(title="Appointments", lifespan=lifespan)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


def get_producer(request: Request) -> AIOKafkaProducer:
    return request.app.state.producer


SessionDep = Annotated[AsyncSession, Depends(get_session)]
ProducerDep = Annotated[AIOKafkaProducer, Depends(get_producer)]


@app.get("/livez")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/appointments", status_code=201)
async def create_appointment(
    given: AppointmentCreate, session: SessionDep, producer: ProducerDep
) -> Appointment:
    if not await session.get(Provider, given.provider_id):
        raise HTTPException(404, "Provider not found")
    if not await session.get(Patient, given.patient_id):
        raise HTTPException(404, "Patient not found")
    ends_at = given.starts_at + timedelta(minutes=given.minutes)
    taken = select(Appointment).where(
        Appointment.provider_id == given.provider_id,
        Appointment.starts_at < ends_at,
        Appointment.ends_at > given.starts_at,
    )
    if (await session.exec(taken)).first():
        raise HTTPException(409, "This time is taken")
    appointment = Appointment(
        provider_id=given.provider_id,
        patient_id=given.patient_id,
        starts_at=given.starts_at,
        ends_at=ends_at,
    )
    session.add(appointment)
    await session.commit()
    await session.refresh(appointment)
    key, value = str(appointment.id).encode(), appointment.model_dump_json().encode()
    await producer.send_and_wait(TOPIC, value, key=key)
    return appointment
