"""Words of the corpus: the values the four domains speak of, and makers of invented names."""

# ruff: noqa: SIM905  (word lists read better as text)

from __future__ import annotations

import random

REGIONS = ("AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST")
SEGMENTS = ("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")
YEARS = tuple(range(1992, 1999))
NATIONS = [
    name.replace("_", " ")
    for name in (
        "ALGERIA ARGENTINA BRAZIL CANADA EGYPT ETHIOPIA FRANCE GERMANY INDIA INDONESIA IRAN IRAQ JAPAN "
        "JORDAN KENYA MOROCCO MOZAMBIQUE PERU CHINA ROMANIA VIETNAM RUSSIA SAUDI_ARABIA UNITED_KINGDOM "
        "UNITED_STATES"
    ).split()
]
SHIP_MODES = ("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK")
PRIORITIES = ("1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW")
PART_TYPES = tuple(
    f"{size} {finish} {metal}"
    for size in ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO")
    for finish in ("ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED")
    for metal in ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER")
)
COLORS = (
    "almond antique aquamarine azure beige bisque black blanched blue blush brown burlywood chartreuse "
    "chiffon chocolate coral cornsilk cream cyan forest frosted ghost goldenrod green honeydew hot indian "
    "ivory khaki lace lavender lemon light lime linen magenta maroon medium metallic midnight mint misty "
    "navy olive orange orchid pale papaya peach peru pink plum powder puff purple red rose rosy royal saddle "
    "salmon sandy seashell sienna sky slate smoke snow spring steel tan thistle tomato turquoise violet"
).split()

GENRES = (
    "action adventure animation comedy crime documentary drama fantasy history horror musical mystery "
    "romance thriller war western"
).split()
COUNTRIES = (
    "Argentina Australia Austria Belgium Brazil Canada Chile Denmark Finland France Germany Greece Hungary "
    "India Iran Ireland Italy Japan Mexico Norway Poland Portugal Spain Sweden Turkey"
).split()
LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pl": "Polish",
    "sv": "Swedish", "pt": "Portuguese", "ja": "Japanese", "tr": "Turkish",
}  # fmt: skip
ASPECTS = ("history", "geography", "climate", "economy", "population", "culture", "transport", "wildlife")
PAGE_KINDS = ("person", "place", "event", "species", "work", "science")
PRODUCTS = (
    "kettle toaster lamp chair desk shelf bicycle helmet backpack tent jacket blender vacuum printer "
    "keyboard monitor headphones speaker camera watch mattress pillow carpet ladder drill heater fan radio "
    "scooter"
).split()
CATEGORIES = ("delivery", "billing", "quality", "account", "praise")
WISHES = ("refund", "exchange", "repair", "information")
CHANNELS = ("email", "phone", "chat", "letter")

FIRST_NAMES = (
    "Ada Amélie Anders Aylin Björn Boris Carla Chloé Dmitri Edda Elif Emil Fatima Félix Greta Håkon Ines Ivo "
    "Jana João Jonas Kaori Karim Lena Léa Luca Magda Marek Mei Mina Nadia Noël Olga Óscar Paula Pavel Quinn "
    "Rana René Sara Sergio Søren Tomás Ulla Vera Wanda Xenia Yusuf Zoë Zofia"
).split()
LAST_NAMES = (
    "Abel Almeida Berg Bianchi Castellanos Çelik Dubois Duarte Eriksson Fischer Fontaine García Halvorsen "
    "Ivanova Jansen Kaplan Kowalski Kurosawa Lindqvist López Marchetti Moreau Müller Nakamura Novák Okafor "
    "Olsen Pereira Petrov Quiroga Rossi Sandoval Schäfer Silva Sørensen Tanaka Torres Ueda Vargas Vasile "
    "Weiss Yamada Yılmaz Zapata Zielińska Żuk"
).split()
_STARTS = "b br c ch d dr f g gr h j k kl l m n p pr r s st t th v w z".split()
_VOWELS = "a e i o u ai ea ie ou ö å é".split()
_ENDS = "l n r s t nd rk m sk lm".split()
_TITLE_WORDS = (
    "Autumn Bridge Circle Crown Day Distance Door Dream Echo Empire Empty Field Fire Forest Garden Glass "
    "Harbour House Island Journey Kingdom Lantern Last Letter Light Little Long Lost Machine Midnight Mirror "
    "Moon Morning Mountain Night North Ocean Old Orchard Paper Quiet Rain Red River Road Salt Sea Second "
    "Secret Shadow Silence Silver Sister Sky Small Snow Song South Stone Storm Stranger Summer Sun Thief "
    "Thousand Tower Train Valley Voice Voyage Wall Water White Wild Wind Window Winter Wolf Year"
).split()
_PAGE_FORMS = (
    "Lake {}", "Mount {}", "Battle of {}", "{} River", "University of {}", "{} Cathedral", "Treaty of {}",
    "{}", "{} warbler", "{} theorem", "History of {}", "{} (city)", "Port of {}", "{} Island",
)  # fmt: skip


def person(dice: random.Random) -> str:
    """A first and a last name."""
    return f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES) if dice.random() < 0.7 else coined(dice)}"


def coined(dice: random.Random) -> str:
    """An invented word of one to three syllables, capitalised."""
    syllables = (dice.choice(_STARTS) + dice.choice(_VOWELS) for _ in range(dice.randint(1, 3)))
    return ("".join(syllables) + dice.choice(_ENDS)).capitalize()


def film_title(dice: random.Random) -> str:
    """A title as films have them."""
    first, second = dice.sample(_TITLE_WORDS, 2)
    form = dice.choice(("The {a} {b}", "{a} {b}", "{a} of {c}", "The {a} and the {b}", "{c}", "{a}, {b}"))
    return form.format(a=first, b=second, c=coined(dice))


def page_title(dice: random.Random) -> str:
    """A title as encyclopedia pages have them."""
    return dice.choice(_PAGE_FORMS).format(coined(dice))


def product(dice: random.Random) -> str:
    """A product, sometimes with a model name."""
    name = dice.choice(PRODUCTS)
    return name if dice.random() < 0.5 else f"{coined(dice)} {name}"
