"""The words invented encyclopedia pages are made of: fields of knowledge, kinds of subjects, sentences."""

from __future__ import annotations

LANGUAGES = ("en", "de", "fr", "es")

_FIELDS = """
glass making | Glasherstellung | verrerie | fabricación de vidrio
salt trade | Salzhandel | commerce du sel | comercio de la sal
lighthouses | Leuchttürme | phares | faros
bell founding | Glockenguss | fonte de cloches | fundición de campanas
river ferries | Flussfähren | bacs fluviaux | transbordadores fluviales
beekeeping | Imkerei | apiculture | apicultura
paper mills | Papiermühlen | moulins à papier | molinos de papel
star catalogues | Sternkataloge | catalogues d'étoiles | catálogos de estrellas
canal locks | Kanalschleusen | écluses | esclusas
silk weaving | Seidenweberei | tissage de la soie | tejido de seda
ice harvesting | Eisernte | récolte de glace | recolección de hielo
organ building | Orgelbau | facture d'orgues | organería
tide mills | Gezeitenmühlen | moulins à marée | molinos de marea
bog archaeology | Moorarchäologie | archéologie des tourbières | arqueología de turberas
mountain railways | Bergbahnen | chemins de fer de montagne | ferrocarriles de montaña
herring fishery | Heringsfischerei | pêche au hareng | pesca del arenque
clock towers | Uhrtürme | tours d'horloge | torres del reloj
dry stone walls | Trockenmauern | murs en pierre sèche | muros de piedra seca
cheese caves | Käsehöhlen | caves à fromage | cuevas de queso
map engraving | Kartenstich | gravure de cartes | grabado de mapas
volcanic soils | Vulkanböden | sols volcaniques | suelos volcánicos
falconry | Falknerei | fauconnerie | cetrería
shadow theatre | Schattentheater | théâtre d'ombres | teatro de sombras
amber coast | Bernsteinküste | côte de l'ambre | costa del ámbar
peat cutting | Torfstich | extraction de la tourbe | extracción de turba
copper roofs | Kupferdächer | toits de cuivre | tejados de cobre
dialect poetry | Mundartdichtung | poésie dialectale | poesía dialectal
orchid hunters | Orchideenjäger | chasseurs d'orchidées | cazadores de orquídeas
wooden churches | Holzkirchen | églises en bois | iglesias de madera
hot springs | Thermalquellen | sources chaudes | aguas termales
printing presses | Druckerpressen | presses à imprimer | imprentas
pearl diving | Perlentauchen | pêche aux perles | pesca de perlas
wind instruments | Blasinstrumente | instruments à vent | instrumentos de viento
night markets | Nachtmärkte | marchés de nuit | mercados nocturnos
meteor craters | Meteorkrater | cratères météoritiques | cráteres de meteoritos
rope bridges | Seilbrücken | ponts de corde | puentes de cuerda
seed banks | Saatgutbanken | banques de semences | bancos de semillas
postal riders | Postreiter | courriers à cheval | correos a caballo
marble quarries | Marmorbrüche | carrières de marbre | canteras de mármol
coffee houses | Kaffeehäuser | maisons de café | casas de café
"""
FIELDS: dict[str, tuple[str, ...]] = {
    names[0]: tuple(names)
    for names in ([name.strip() for name in line.split("|")] for line in _FIELDS.strip().splitlines())
}
"""Field → its name in each of LANGUAGES."""

KINDS: dict[str, tuple[str, ...]] = {
    "town": ("town", "Stadt", "ville", "ciudad"),
    "river": ("river", "Fluss", "cours d'eau", "curso de agua"),
    "person": ("person", "Persönlichkeit", "personnalité", "personalidad"),
    "museum": ("museum collection", "Museumssammlung", "collection de musée", "colección de museo"),
    "festival": ("yearly celebration", "jährliche Feier", "fête annuelle", "fiesta anual"),
    "company": ("workshop", "Werkstatt", "manufacture", "manufactura"),
}
"""Kind of subject → its name in each of LANGUAGES."""

OPENINGS = (
    "{name} is a {kind} known for {field}.",
    "{name} ist eine {kind}, bekannt für {field}.",
    "{name} est une {kind} connue pour : {field}.",
    "{name} es una {kind} conocida por: {field}.",
)
SENTENCES: tuple[tuple[str, ...], ...] = (
    (
        "First records of {field} date from {year}.",
        "By {year} about {count} people took part in it.",
        "The archive of {other} keeps {count} documents on {field}.",
        "In {year} a flood ended much of this; {second} took its place.",
        "Visitors come for {field} and for {second}.",
        "The name is older than {other}, which lies {count} kilometres away.",
        "Its rise began when {other} gave up {field} in {year}.",
        "Scholars disagree whether {second} or {field} came first.",
    ),
    (
        "Erste Belege für {field} stammen aus dem Jahr {year}.",
        "Um {year} waren daran etwa {count} Menschen beteiligt.",
        "Das Archiv von {other} bewahrt {count} Schriftstücke über {field}.",
        "Im Jahr {year} beendete eine Überschwemmung vieles davon; an die Stelle trat {second}.",
        "Besucher kommen wegen {field} und {second}.",
    ),
    (
        "Les premières traces ({field}) remontent à {year}.",
        "Vers {year}, près de {count} personnes y participaient.",
        "Les archives de {other} conservent {count} documents à ce sujet : {field}.",
        "En {year}, une crue y mit fin en partie ; suivit une autre activité, {second}.",
    ),
    (
        "Los primeros registros ({field}) datan de {year}.",
        "Hacia {year} participaban unas {count} personas.",
        "El archivo de {other} guarda {count} documentos sobre el tema: {field}.",
        "En {year} una crecida acabó con buena parte; siguió otra actividad, {second}.",
    ),
)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BEGINNINGS = _words("Al Bel Cor Dun Est Fjæl Gra Hø Is Kal Lü Mar Nør Or Pę Que Ros Sał Tor Ul Vé Wis Yl Zá")
MIDDLES = _words("a be da e fi ga i ko la mi no o ra sé ti u")
ENDINGS = _words("berg by dal ford grad holm ín ków lund mont nik ova sand stead tal ville wick źno")
