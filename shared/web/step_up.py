"""Step-up: some deeds ask for a proof of who somebody is that is strong, and a few minutes old.

OAuth 2.0 Step Up Authentication Challenge Protocol (RFC 9470): the refusal is a 401 that says what
is wanted, and the client has its person prove it and comes back with a new token.
"""

from collections.abc import Set

from shared.values.errors import ProofWanted
from shared.web.tokens import LEEWAY_SECONDS, Principal

PROOF_SECONDS = 300


def require_proof(principal: Principal, levels: Set[str], now: float) -> None:
    """Raise ProofWanted where the token shows no proof of one of the levels within five minutes.

    now: seconds of the epoch, of real time, as tokens have it. A program proves nothing: its tokens
    tell no such level.
    """
    proven = principal.authenticated
    if (
        principal.acr in levels
        and proven is not None
        and now - PROOF_SECONDS <= proven <= now + LEEWAY_SECONDS
    ):
        return
    raise ProofWanted("proof.wanted", "Prove again who you are, and come back.")


def challenge(levels: Set[str]) -> dict[str, str]:
    """The headers of the refusal (RFC 9470, section 3)."""
    wanted = " ".join(sorted(levels))
    return {
        "WWW-Authenticate": 'Bearer realm="clinicbus", error="insufficient_user_authentication",'
        f' acr_values="{wanted}", max_age="{PROOF_SECONDS}"'
    }
