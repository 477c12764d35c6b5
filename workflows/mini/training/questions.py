"""Questions people ask in the four domains: one set of phrasings for each meaning, some held out."""

from __future__ import annotations

from workflows.mini.training.example import Phrasings

_FRAMES = (
    "What can you say about <topic> of {segment} in {region} for {year}?",
    "What do you know about the <topic> of {segment} in {year}? The region is {region}.",
    "What was the story with <topic> in {region}, {year}? [Only|Just] {segment}[, please|].",
    "[What about|How about|And] the <topic> for {segment} in {region} [during|in] {year}?",
    "[Tell me about|Report on|Look into] <topic>: {segment}, {region}, {year}.",
    "[I need|We need|My boss wants] the <topic> of {year}: {region}, {segment}.",
    "[Give me|Send me|Prepare] an overview of <topic> in {region} for the {segment} line, year {year}.",
    "{segment} in {region}, {year}: what is there on <topic>?",
    "{year} in {region}: <topic> for {segment}?",
    "Is there anything [odd|new|special] about <topic> for {segment} in {region} in {year}?",
    "[Could|Can] you check <topic> in {year} for {segment} across {region}?",
    "In {region}, how were <topic> for {segment} [in|during] {year}?",
    "Which <topic> stand out for {segment} in {region} in {year}?",
    "Let us look at {region} in {year}. How do <topic> look for {segment}?",
    "A question on {segment} in {region}: did <topic> change in {year}?",
    "Were <topic> [good|bad|fine] for {segment} in {year} in {region}?",
)


def _framed(topics: str) -> tuple[str, ...]:
    """Every frame with one of the topics: how a question is put says nothing of what it is about."""
    return tuple(frame.replace("<topic>", f"[{topics}]") for frame in _FRAMES)


MARKET = {
    "revenue": Phrasings(
        "market.revenue",
        (
            "How did the {segment} business in {region} do in {year}?",
            "Give me a brief on {segment} sales in {region}, {year}.",
            "Is revenue from {segment} in {region} growing? Look at {year}.",
            "What [revenue|turnover] did {segment} bring [us|] in {region} in {year}?",
            "[Please show|Show me|I need] {year} revenue for {segment} customers in {region}.",
            "{region}, {year}: how much did we sell to the {segment} segment?",
            "For {year}, [sum up|summarise] sales of {segment} across {region}.",
            "[Tell me|I want to know] how [much money|revenue] {region} made with {segment} in {year}.",
            "Sales figures of {region} in {year} for {segment}, please.",
            "In {year}, was {segment} in {region} [a good|a strong|a weak] business?",
            "{segment} sales: {region} in {year}?",
            "Did [sales|revenue] rise in {region} for {segment} during {year}?",
            *_framed("revenues|sales|sales figures|earnings|takings|money made|turnover figures"),
        ),
        (
            "What do the {year} sales look like for {segment} in {region}?",
            "[Summarise|Show] how much revenue {region} made from {segment} during {year}.",
            "Was {year} a good year for {segment} sales in {region}?",
        ),
    ),
    "customers": Phrasings(
        "market.customers",
        (
            "Who are our largest {segment} customers in {region} for {year}?",
            "Which customers in {region} bought most {segment} in {year}?",
            "[List|Name|Show] the [top|biggest|best] customers of {segment} in {region}, {year}.",
            "{year}: who bought the most in {region}? I mean {segment}.",
            "Which {segment} [buyers|clients|customers] in {region} mattered most in {year}?",
            "I want [a list of|to see] the biggest {segment} buyers of {region} in {year}.",
            "In {region}, who were the [leading|main] {segment} customers during {year}?",
            "Tell me about our {segment} customers in {region} in {year}.",
            "Who buys {segment} from us in {region}? Take {year}.",
            "[In|Within|Across] {region} in {year}, [who|show who|tell me who] bought most {segment}?",
            "[Take|Look at] {region} in {year} and [list|show] the [top|biggest|main] {segment} customers.",
            "For {year} in {region}, [list|write down] the [largest|best] [buyers|clients] of {segment}.",
            "Of {region} in {year}, [tell me|I need] the [biggest|top] {segment} [buyers|clients|customers].",
            *_framed("customers|buyers|clients|largest customers|top buyers|best clients|people who buy"),
        ),
        (
            "Who were the biggest {segment} buyers in {region} in {year}?",
            "For {region} in {year}, name the leading customers of {segment}.",
        ),
    ),
    "delivery": Phrasings(
        "market.delivery",
        (
            "Were deliveries late in {year}? I mean {segment} customers in {region}.",
            "How [late|punctual] were our deliveries to {segment} in {region} in {year}?",
            "Did {segment} orders [reach|arrive in] {region} on time in {year}?",
            "Which ways of shipping were late for {segment} in {region}, {year}?",
            "[Check|Look at] delays of {segment} shipments to {region} during {year}.",
            "{year}, {region}, {segment}: any delays in delivery?",
            "How many parcels for {segment} in {region} arrived late in {year}?",
            "Was shipping to {region} slow in {year} for {segment} customers?",
            *_framed("deliveries|late deliveries|delays|shipments|shipping times|late parcels|arrival times"),
        ),
        (
            "Did shipments for {segment} arrive late in {region} during {year}?",
            "Any late deliveries to {segment} customers in {region} in {year}?",
        ),
    ),
    "suppliers": Phrasings(
        "market.suppliers",
        (
            "Which suppliers serve {segment} in {region} in {year}?",
            "Who supplied the {segment} orders of {region} in {year}?",
            "[List|Name|Show] the main suppliers for {segment} in {region}, {year}.",
            "How many suppliers stood behind {segment} in {region} in {year}?",
            "{year}: which supplier delivers most to {segment} in {region}?",
            "Tell me about suppliers of {segment} parts in {region} during {year}.",
            "In {region}, which suppliers did {segment} depend on in {year}?",
            "What do our suppliers charge for {segment} in {region}? Take {year}.",
            *_framed("suppliers|main suppliers|supplier prices|vendors|those who supply us|supply partners"),
        ),
        (
            "Name the suppliers that serve {segment} in {region} during {year}.",
            "Who are the main suppliers behind {segment} in {region}, {year}?",
        ),
    ),
}
"""TPC-H: what is asked about → phrasings with {region}, {segment}, {year}."""

FILMS = Phrasings(
    "films",
    (
        "[Find|Show me|List] {genre} films from {country} made between {first} and {last}.",
        "Which {genre} films did {country} produce from {first} to {last}?",
        "I am looking for {country}'s {genre} films, {first} to {last}.",
        "[What|Which] are the best {genre} films of {country} between {first} and {last}?",
        "{genre} from {country}, years {first} to {last}, please.",
        "Between {first} and {last}, what {genre} films were made in {country}?",
        "From {first} until {last}: films of the genre {genre}, country {country}.",
        "[Recommend|Suggest] {genre} films shot in {country} from {first} until {last}.",
        "Is there a good {genre} film from {country}, {first} to {last}?",
        "What did {country} do in {genre} between {first} and {last}?",
        "[Could you find|Please find|Look for] films from {country}: {genre}, {first} to {last}.",
        "My favourites are {genre} films. What is there from {country}, {first} to {last}?",
        "Which {country} films between {first} and {last} belong to {genre}?",
        "Are there {genre} films that were shot in {country} from {first} to {last}?",
        "The country is {country}, the years are {first} to {last}, and I like {genre}.",
        "Years {first} to {last}, {country}: which ones are {genre}?",
        "Tonight I want {genre}, made in {country}, no older than {first}, no newer than {last}.",
        "Take the films of {country}. Which of {first} to {last} are {genre} films?",
        "{country} made many films from {first} to {last}. Name the {genre} ones.",
    ),
    (
        "Which films from {country}, {first} to {last}, are {genre}?",
        "Show {genre} films that {country} made from {first} to {last}.",
        "I am looking for {genre} made in {country} between {first} and {last}.",
    ),
)
PEOPLE = Phrasings(
    "people",
    (
        "[Find|Show|List] films directed by {person} since {first}.",
        "Which films has {person} made since {first}?",
        "What did {person} direct after {first}?",
        "I want everything by {person} from {first} on.",
        "Tell me about the work of {person} since {first}.",
        "{person}: films from {first} on?",
        "Since {first}, which films did {person} direct?",
        "How were {person}'s films rated since {first}?",
        "[Name|Give me] the films that {person} directed from {first} on.",
        "After {first}, what was made by {person}?",
        "{person} is a director I like. What came out since {first}?",
        "Is there a film by {person} since {first}?",
        "All films of {person}, please, from {first} on.",
    ),
    ("What films has {person} directed since {first}?", "Show everything {person} made from {first} on."),
)
PAGES = Phrasings(
    "pages",
    (
        "What does the {language} page on {topic} say about its {aspect}?",
        "Tell me about the {aspect} of {topic}, in {language}.",
        "[Look up|Find] {topic} in {language}: I want its {aspect}.",
        "In {language}, [what is known|what can I read] about the {aspect} of {topic}?",
        "{topic}: {aspect}, {language} edition.",
        "I need the {aspect} section of {topic} from the {language} encyclopedia.",
        "Summarise the {aspect} of {topic} from the {language} page.",
        "Is there a {language} page about {topic}? The {aspect} matters to me.",
        "How does the {language} article describe the {aspect} of {topic}?",
        "[Please read|Open] the {language} page of {topic} and report its {aspect}.",
        "What is written about {topic}, {aspect} above all, in {language}?",
        "Which {language} article covers the {aspect} of {topic}?",
        "My interest is the {aspect} of {topic}. Use the {language} page.",
        "Describe {topic}: its {aspect}, as told in {language}.",
        "{language} sources on {topic}: what about the {aspect}?",
        "From the {language} encyclopedia I want the {aspect} of {topic}.",
        "Is the {aspect} of {topic} explained in {language}?",
        "The topic is {topic}, the language {language}, and I care about its {aspect}.",
    ),
    (
        "What can I read in {language} about the {aspect} of {topic}?",
        "Find the {language} article on {topic} and tell me about its {aspect}.",
        "I want to know the {aspect} of {topic} from the {language} page.",
    ),
)
MESSAGES = {
    "refund": (
        "I want my money back",
        "Please refund me",
        "I ask for a refund",
        "Pay me back, please",
        "Please return the money",
        "A refund would be fair",
    ),
    "exchange": (
        "Please send another one",
        "I would like to exchange it",
        "Send me a new one instead",
        "Please replace it",
        "I want another one in its place",
    ),
    "repair": (
        "Can you repair it",
        "Please fix it",
        "I would like to have it repaired",
        "Please have it mended",
        "Who can fix it for me",
    ),
    "information": (
        "What should I do now",
        "Please tell me what to do",
        "Can you tell me more",
        "I need your advice",
        "How do I go on",
    ),
}
"""Feedback: what the customer wants → how it is said."""

FEEDBACK = Phrasings(
    "feedback",
    (
        "My {product} from order {order} stopped working. {wish}.",
        "Order {order}: the {product} is broken. {wish}.",
        "I am not happy with the {product} (order {order}). {wish}.",
        "The {product} I got with order number {order} does not work. {wish}.",
        "{wish}. It is about the {product} of order {order}.",
        "[Hello|Hi|Dear team], I ordered a {product}, order {order}, and it is damaged. {wish}.",
        "There is a problem with order {order}, a {product}. {wish}.",
        "Since yesterday my {product} makes noise. {wish}. My order was {order}.",
        "I bought a {product} and it fell apart. {wish}. The order is {order}.",
        "The {product} arrived broken. {wish}. [Order|Number|My order] {order}.",
        "You sent me a faulty {product}. {wish}. Order {order}.",
        "This {product} has a fault. Order {order}. {wish}.",
        "[About|Concerning] my {product}, order {order}: {wish}.",
        "{wish}. Order {order} was a {product}, and it came damaged.",
        "Order number {order}. A {product} that never worked. {wish}.",
        "We have a {product} here that does nothing. {wish}. It came with order {order}.",
        "In order {order} there was a {product}. It is cracked. {wish}.",
        "[Good morning|Hello], the {product} is dead. {wish}. {order} is the order.",
        "It is about a {product} which makes noise. {wish}. Order: {order}.",
        "Our new {product} broke at once. My order number is {order}. {wish}.",
        "[I have|We have|There is|Here is] a [damaged|dead|faulty|cracked|defective] {product}. {wish}. "
        "[It is order|My order number:|Order] {order}.",
        "[I received|You delivered|My wife got|We were sent] a [damaged|bent|torn] {product}. {wish}. "
        "[The number is|Number of the order:|Order no.] {order}.",
        "[A|One] [faulty|cracked|wet|scratched] {product} came. [Order|Number] {order}. {wish}.",
        "The {product} [broke|cracked|tore|rusted]. {wish}. [Order number|It was order] {order}.",
        "{wish}. [I hold|I have|We got] a [cracked|dead|bad] {product} [from|of] order {order}.",
        "{product}, order {order}. [Broken|Damaged|Faulty] on arrival. {wish}.",
    ),
    (
        "[Hello|Hi], order {order} is about a {product} that does not work. {wish}.",
        "I got a broken {product}. {wish}. Order number {order}.",
    ),
)
