"""What the shipped tagger finds in posts of other languages with Latin script.

    python -m bench.languages [--model BUNDLE]    # 10 seconds

The posts were invented for this, eight of each language, with names that are known anywhere and names that are not. A name
counts as found where its words are exactly those of an entity; the second number asks for its type as well.
"""

from __future__ import annotations

import sys

from archive.command_line import Parser
from models.inference.options import ModelOptions
from models.pretrained import SHIPPED

POSTS: dict[str, list[str]] = {
    "English": [
        "Great night with [PER Anna Karlsson] at the market in [LOC Lisbon]",
        "[ORG Real Madrid] wins again! What a goal by [PER Vinicius]",
        "The mayor of [LOC Bogotá] talks to workers of [ORG Bancolombia] today",
        "I want to go back to [LOC Mexico] with my sister",
        "[PER Rosalía] sings in [LOC Seville] on Saturday",
        "Good morning everybody, what a beautiful day",
        "New phone of [ORG Samsung], who has tried it?",
        "[PER Lucía Fernández] reads her new book in [LOC Valencia]",
    ],
    "Spanish": [
        "Gran noche con [PER Anna Karlsson] en el mercado de [LOC Lisboa]",
        "¡[ORG Real Madrid] gana otra vez! Qué golazo de [PER Vinicius]",
        "La alcaldesa de [LOC Bogotá] habla hoy con los trabajadores de [ORG Bancolombia]",
        "Quiero volver a [LOC México] con mi hermana",
        "[PER Rosalía] canta el sábado en [LOC Sevilla]",
        "Buenos días a todos, qué día tan bonito",
        "Nuevo móvil de [ORG Samsung], ¿quién lo ha probado?",
        "[PER Lucía Fernández] lee su nuevo libro en [LOC Valencia]",
    ],
    "French": [
        "Belle soirée avec [PER Anna Karlsson] au marché de [LOC Lisbonne]",
        "L'[ORG Olympique de Marseille] gagne encore ! Quel but de [PER Payet]",
        "La maire de [LOC Paris] parle aujourd'hui avec les ouvriers de [ORG Renault]",
        "Je veux retourner en [LOC Bretagne] avec ma sœur",
        "[PER Stromae] chante samedi à [LOC Bruxelles]",
        "Bonjour à tous, quelle belle journée",
        "Nouveau téléphone de [ORG Samsung], qui l'a essayé ?",
        "[PER Camille Dubois] lit son nouveau livre à [LOC Lyon]",
    ],
    "German": [
        "Toller Abend mit [PER Anna Karlsson] auf dem Markt in [LOC Lissabon]",
        "[ORG Bayern München] gewinnt schon wieder! Was für ein Tor von [PER Musiala]",
        "Die Bürgermeisterin von [LOC Köln] spricht heute mit den Arbeitern von [ORG Siemens]",
        "Ich will mit meiner Schwester zurück nach [LOC Österreich]",
        "[PER Helene Fischer] singt am Samstag in [LOC Leipzig]",
        "Guten Morgen zusammen, was für ein schöner Tag",
        "Neues Handy von [ORG Samsung], wer hat es schon ausprobiert?",
        "[PER Jürgen Schmidt] liest in [LOC Hamburg] aus seinem neuen Buch",
    ],
    "Portuguese": [
        "Grande noite com [PER Anna Karlsson] no mercado de [LOC Lisboa]",
        "O [ORG Flamengo] ganhou de novo! Que golaço do [PER Gabigol]",
        "A prefeita de [LOC São Paulo] fala hoje com os trabalhadores da [ORG Petrobras]",
        "Quero voltar para o [LOC Brasil] com a minha irmã",
        "[PER Anitta] canta no sábado em [LOC Salvador]",
        "Bom dia a todos, que dia lindo",
        "Novo celular da [ORG Samsung], quem já testou?",
        "[PER João Pereira] lê o seu novo livro no [LOC Porto]",
    ],
    "Indonesian": [
        "Malam yang indah bersama [PER Anna Karlsson] di pasar [LOC Lisbon]",
        "[ORG Persib Bandung] menang lagi! Gol yang luar biasa dari [PER Ciro Alves]",
        "Wali kota [LOC Surabaya] hari ini berbicara dengan pekerja [ORG Pertamina]",
        "Aku mau kembali ke [LOC Bali] dengan adikku",
        "[PER Raisa] bernyanyi hari Sabtu di [LOC Jakarta]",
        "Selamat pagi semuanya, hari yang indah",
        "Ponsel baru dari [ORG Samsung], siapa yang sudah coba?",
        "[PER Budi Santoso] membaca buku barunya di [LOC Yogyakarta]",
    ],
}
"""Names stand in brackets, with their type."""


def parse(marked: str) -> tuple[str, set[tuple[int, int, str]]]:
    """Return the text without brackets, and (start, end, type) of its names."""
    text, names = "", set()
    for part in marked.split("["):
        name, closed, rest = part.partition("]")
        if closed:
            kind, _, name = name.partition(" ")
            names.add((len(text), len(text) + len(name), kind))
        text += name + rest
    return text, names


def main(argv: list[str]) -> int:
    """Print a table."""
    parser = Parser("bench.languages", __doc__)
    parser.add_argument("--model", default=SHIPPED, help="bundle to try (default: the shipped one)")
    options = ModelOptions(parser.parse_args(argv).model, detector=None)
    from models.loading import load_annotator  # takes seconds: torch

    annotator = load_annotator(options)
    print("| language | names | found | and their type | entities that are no name |\n|---|---|---|---|---|")
    for language, marked in POSTS.items():
        posts = [parse(post) for post in marked]
        names = spans = typed = wrong = 0
        for (_, gold), entities in zip(posts, annotator.annotate([(text, {}) for text, _ in posts]), strict=True):
            found = {(entity.start, entity.end, entity.type) for entity in entities}
            there = {span[:2] for span in gold}
            names, typed = names + len(gold), typed + len(gold & found)
            spans += len(there & {span[:2] for span in found})
            wrong += sum(span[:2] not in there for span in found)
        print(f"| {language} | {names} | {spans} | {typed} | {wrong} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
