"""A payer that answers 270s with 271s, for local runs, tests and demonstrations.

    POST   /x12                    a 270 (application/edi-x12); the answer is a 271
    GET    /behaviour/{member_id}  how this member is answered, and how often they were asked about
    PUT    /behaviour/{member_id}  set it: JSON, see `behaviour.Behaviour.read`
    DELETE /behaviour/{member_id}  back to what the member id itself says
    GET    /livez /readyz

Run: python -m ops.payer_simulator --port 8111 [--latency-ms 200]

What a member id begins with decides, unless it was set by PUT (which is forgotten at a restart):

    ACT  active: copay $25 in network, $50 out; deductible, coinsurance, out-of-pocket maximum
    DED  active: no copay; $250.00 of the deductible left, coinsurance 20 %
    NOC  active: office visits are not covered
    FUT  called active, but the plan begins on the first of next year
    BTH  said to be active and inactive at once
    INA  inactive
    Ann  refused with AAA reject reason nn: A42, A71, A72, A73, A75, A79, A80 and so on
    SIL  silence: no byte until the asker hangs up
    LAT  active, after 3 seconds
    OTH  active, but about another person
    TRC  active, with another trace number
    TRU  cut short in the middle of a segment, well sent
    CUT  the connection breaks in the middle
    LIE  a segment count that is one too high
    ACK  a 999 instead of a 271
    HTM  a page of HTML with status 200
    ERR  status 500
    RED  a redirect elsewhere
    DRI  one byte a second

Any other member id is answered as active. The same request always gets the same bytes: dates and
control numbers come from the request. It speaks through `shared.x12` alone and knows nothing of the
eligibility service. It is for loopback and holds nothing on disk.
"""
