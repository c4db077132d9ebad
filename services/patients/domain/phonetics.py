"""Names that sound alike, and names that stand for each other."""

from itertools import groupby

_CODES = {
    letter: code
    for code, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), start=1)
    for letter in letters
}

# English given names in the United States. A short form may stand for several full ones.
_NICKNAMES = (
    "abigail abby gail",
    "albert al bert",
    "alexander alex alec sasha",
    "alexandra alex alexa sandra sasha",
    "andrew andy drew",
    "anthony tony",
    "barbara barb barbie",
    "benjamin ben benny",
    "catherine katherine kathryn kate kathy katie cathy kat",
    "charles charlie chuck chas",
    "christina christine chris tina chrissy",
    "christopher chris kit topher",
    "daniel dan danny",
    "david dave davy",
    "deborah debra deb debbie",
    "donald don donnie",
    "dorothy dot dottie",
    "edward ed eddie ted ned",
    "elizabeth liz beth betty lizzie eliza libby betsy",
    "francis frank francisco pancho paco",
    "frederick fred freddie",
    "gregory greg",
    "guadalupe lupe",
    "henry hank harry",
    "ignacio nacho",
    "isabella isabel bella izzy",
    "jacob jake",
    "james jim jimmy jamie",
    "jennifer jen jenny",
    "jesus chuy",
    "john jack johnny jon",
    "jonathan jon jonny",
    "jose pepe",
    "joseph joe joey",
    "joshua josh",
    "kenneth ken kenny",
    "lawrence larry",
    "margaret maggie meg peggy marge greta",
    "matthew matt",
    "michael mike mikey mick",
    "nancy nan",
    "nathaniel nathan nate",
    "nicholas nick nicky",
    "pamela pam",
    "patricia pat patty trish tricia",
    "patrick pat paddy",
    "peter pete",
    "philip phil",
    "rebecca becky becca",
    "richard rick dick rich ricky",
    "robert bob rob bobby robbie bert",
    "ronald ron ronnie",
    "rosario charo",
    "samantha sam sammy",
    "samuel sam sammy",
    "stephen steven steve",
    "susan sue susie suzanne",
    "theodore ted teddy theo",
    "theresa teresa terry tess",
    "thomas tom tommy",
    "timothy tim",
    "victoria vicky tori",
    "vincent vince vinny",
    "william bill will billy liam",
    "zachary zach zack",
)

_GROUPS: dict[str, frozenset[int]] = {
    name: frozenset(at for at, names in enumerate(_NICKNAMES) if name in names.split())
    for name in {name for names in _NICKNAMES for name in names.split()}
}


def sound(form: str) -> str:
    """The American Soundex code (National Archives, 2007) of a compact form, e.g. ``r163``.

    A name without a Latin first letter has no such code and sounds like itself.
    """
    letters = [char for char in form if "a" <= char <= "z"]
    if not letters or form[0] != letters[0]:
        return form
    # h and w do not part two letters of one code; vowels do.
    kept = [letters[0]] + [letter for letter in letters[1:] if letter not in "hw"]
    runs = [code for code, _ in groupby(_CODES.get(letter, 0) for letter in kept)]
    digits = "".join(str(code) for code in runs[1:] if code)
    return (letters[0] + digits + "000")[:4]


def stand_for_each_other(one: str, other: str) -> bool:
    """Whether two given names (compact forms) are a name and its short form, or two short forms."""
    return bool(_GROUPS.get(one, frozenset()) & _GROUPS.get(other, frozenset()))
