"""The words invented films are made of: themes in five languages, places, and names of people."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


THEMES: dict[str, tuple[str, str, str, str, str]] = {
    "river": ("The River", "La Rivière", "Der Fluss", "El Río", "川"),
    "winter": ("Winter", "L'Hiver", "Der Winter", "El Invierno", "冬"),
    "lantern": ("The Lantern", "La Lanterne", "Die Laterne", "El Farol", "灯籠"),
    "harbour": ("The Harbour", "Le Port", "Der Hafen", "El Puerto", "港"),
    "garden": ("The Garden", "Le Jardin", "Der Garten", "El Jardín", "庭"),
    "mirror": ("The Mirror", "Le Miroir", "Der Spiegel", "El Espejo", "鏡"),
    "orchard": ("The Orchard", "Le Verger", "Der Obstgarten", "El Huerto", "果樹園"),
    "train": ("The Night Train", "Le Train de nuit", "Der Nachtzug", "El Tren nocturno", "夜行列車"),
    "island": ("The Island", "L'Île", "Die Insel", "La Isla", "島"),
    "letter": ("The Letter", "La Lettre", "Der Brief", "La Carta", "手紙"),
    "storm": ("The Storm", "L'Orage", "Der Sturm", "La Tormenta", "嵐"),
    "clock": ("The Clock", "L'Horloge", "Die Uhr", "El Reloj", "時計"),
    "forest": ("The Forest", "La Forêt", "Der Wald", "El Bosque", "森"),
    "violin": ("The Violin", "Le Violon", "Die Geige", "El Violín", "ヴァイオリン"),
    "desert": ("The Desert", "Le Désert", "Die Wüste", "El Desierto", "砂漠"),
    "bridge": ("The Bridge", "Le Pont", "Die Brücke", "El Puente", "橋"),
    "robbery": ("The Robbery", "Le Vol", "Der Überfall", "El Robo", "強盗"),
    "wedding": ("The Wedding", "Les Noces", "Die Hochzeit", "La Boda", "婚礼"),
    "whale": ("The Whale", "La Baleine", "Der Wal", "La Ballena", "鯨"),
    "tower": ("The Tower", "La Tour", "Der Turm", "La Torre", "塔"),
    "summer": ("Summer", "L'Été", "Der Sommer", "El Verano", "夏"),
    "detective": ("The Detective", "L'Inspecteur", "Der Kommissar", "El Detective", "刑事"),
    "circus": ("The Circus", "Le Cirque", "Der Zirkus", "El Circo", "サーカス"),
    "moon": ("The Moon", "La Lune", "Der Mond", "La Luna", "月"),
    "kitchen": ("The Kitchen", "La Cuisine", "Die Küche", "La Cocina", "台所"),
    "soldier": ("The Soldier", "Le Soldat", "Der Soldat", "El Soldado", "兵士"),
    "crown": ("The Crown", "La Couronne", "Die Krone", "La Corona", "王冠"),
    "fever": ("Fever", "La Fièvre", "Das Fieber", "La Fiebre", "熱"),
    "machine": ("The Machine", "La Machine", "Die Maschine", "La Máquina", "機械"),
    "shadow": ("The Shadow", "L'Ombre", "Der Schatten", "La Sombra", "影"),
    "school": ("The School", "L'École", "Die Schule", "La Escuela", "学校"),
    "sister": ("The Sister", "La Sœur", "Die Schwester", "La Hermana", "妹"),
    "ghost": ("The Ghost", "Le Fantôme", "Das Gespenst", "El Fantasma", "幽霊"),
    "comet": ("The Comet", "La Comète", "Der Komet", "El Cometa", "彗星"),
    "market": ("The Market", "Le Marché", "Der Markt", "El Mercado", "市場"),
    "mountain": ("The Mountain", "La Montagne", "Der Berg", "La Montaña", "山"),
    "painter": ("The Painter", "Le Peintre", "Der Maler", "El Pintor", "画家"),
    "secret": ("The Secret", "Le Secret", "Das Geheimnis", "El Secreto", "秘密"),
    "border": ("The Border", "La Frontière", "Die Grenze", "La Frontera", "国境"),
    "song": ("The Song", "La Chanson", "Das Lied", "La Canción", "歌"),
}
"""Theme → what it is called in a title, in the order of LANGUAGES."""
LANGUAGES = ("en", "fr", "de", "es", "ja")
COUNTRIES = ("GB", "FR", "DE", "ES", "JP")
"""Where a title in the language of the same place is from."""
AND = (" and ", " et ", " und ", " y ", "と")

GENRES = (
    "drama",
    "comedy",
    "crime",
    "romance",
    "action",
    "thriller",
    "horror",
    "adventure",
    "family",
    "mystery",
    "science fiction",
    "western",
)
KINDS = ("film", "short", "series", "television film")
FIRST_DECADE, LAST_DECADE = 1950, 2010
DECADES = tuple(range(FIRST_DECADE, LAST_DECADE + 1, 10))

GIVEN_NAMES = _words(
    "Amélie Anjali Astrid Björn Carlos Chiara Dmitri Édith Elif Emma Eoin Fatima Félix Gesine Giulia Hana"
    " Håkon Henrik Imani Inés Ivana James Jiří José Kaito Karin Kofi Lára Léo Lucía Małgorzata Marek Margit"
    " Marta Mehmet Mei Miguel Naoko Niamh Noor Olga Oskar Øystein Paula Pedro Priya Quentin Rafał Renée Rosa"
    " Sami Şebnem Siobhán Søren Sunniva Tadeusz Thảo Tomás Ulrike Václav Vera Wen Xóchitl Yuki Zoë Željko"
)
FAMILY_NAMES = _words(
    "Abara Åkesson Almeida Aydın Bauer Bělský Brennan Castaño Çelik Dąbrowski Delacroix Engström Faßbender"
    " Ferrari Fontaine García Grüner Hakimi Hernández Ibáñez Ito Jansen Jónsdóttir Kaya Keane Kowalczyk"
    " Krüger Lefèvre Lindqvist Mbeki Møller Müller Nakamura Nguyễn Novák O'Malley Okafor Ørsted Ostrowski"
    " Papadakis Pérez Quiroga Ramos Řezník Rossi Sørensen Saito Şahin Silva Szabó Tanaka Thorne Uçar Varga"
    " Vásquez Weiß Whitlock Wójcik Xu Yıldız Zaorálek Zhang Žižka"
)
