"""What the tests of the rules are made from."""

from uuid import UUID

from services.payments.domain.accounts import Account, Kind

CLINIC = UUID(int=0xC1)
OTHER_CLINIC = UUID(int=0xC2)
PATIENT = UUID(int=0xA1)
OTHER_PATIENT = UUID(int=0xA2)

RECEIVABLE = Account(Kind.PATIENT_RECEIVABLE, PATIENT)
CREDIT = Account(Kind.PATIENT_CREDIT, PATIENT)
DRAWER = Account(Kind.CASH_DRAWER, CLINIC)
SAFE = Account(Kind.CASH_SAFE, CLINIC)
REVENUE = Account(Kind.REVENUE, CLINIC)
CARD = Account(Kind.CARD_CLEARING)
