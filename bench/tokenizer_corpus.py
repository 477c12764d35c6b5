"""Text the embedded model's vocabulary is trained on: business English around TPC-H, JSON and chat turns.

Everything is generated from the word lists below with a seeded generator, so the vocabulary can be
reproduced and carries no third-party text.
"""

# ruff: noqa: SIM905  (word lists read better as text)

from __future__ import annotations

import json
import random
from collections.abc import Iterator

FUNCTION_WORDS = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
which one you were all her she there would their we him been has when who will no more if out so what up
said its about than into them can only other time new some could these two may first then do any like my
now over such our man me even most made after also did many before must through back years where much your
way well down should because each just those people too how little state good very make world still own see
men work long get here between both life being under never day same another know while last might us great
old year off come since against go came right used take three whatever however although unless until within
without whether during among across along around behind below beneath beside beyond despite except near
toward upon via per versus therefore hence thus moreover furthermore otherwise instead rather quite almost
always often sometimes rarely usually perhaps maybe again already once twice twelve twenty hundred thousand
million billion percent half quarter third second four five six seven eight nine ten eleven yes none nothing
everything something anything someone everyone anyone itself himself themselves ourselves yourself
""".split()

NOUNS = """
order customer supplier part region nation segment market line item shipment delivery price discount tax
revenue cost profit margin balance account quantity stock supply demand invoice payment date month quarter
year week day priority clerk comment status brand container size type name phone address key table column
row record query result answer question summary report trend change growth decline share rank total average
sum count minimum maximum value amount number rate ratio percentage figure fact evidence source reason
cause effect impact risk issue problem option choice decision recommendation action plan goal target budget
forecast estimate period range limit threshold baseline comparison difference increase decrease
peak season sale purchase contract vendor partner competitor product category package carton box case drum
jar bag truck rail ship mail air freight carrier warehouse store office branch factory plant team manager
analyst director company firm industry sector business trade export import country city state area zone
location route distance weight volume capacity speed delay return refund claim complaint request response
message letter email call meeting note document page section title heading paragraph sentence word list
index step stage phase process system service model data database statement condition rule policy standard
quality performance efficiency cost benefit advantage weakness strength opportunity threat pattern signal
outlier anomaly error failure success attempt test check review audit approval permission access user role
group member leader owner expert advice guide manual example sample set unit item piece copy version update
language text string integer decimal float boolean object array field property schema template prompt input
output parameter argument function variable constant expression operator node edge graph tree path cycle
worker batch token prefix cache memory processor thread queue channel event journal profile epoch schedule
keyword topic theme subject context detail overview background history future present past moment hour
minute second money dollar euro currency bank loan credit debit interest investment asset liability equity
share dividend insurance premium fee charge bill receipt ticket card code label tag mark sign color shape
""".split()

VERBS = """
show list find give tell explain describe compare summarize analyze calculate compute estimate measure count
rank sort filter group join select choose pick identify detect check verify confirm validate review report
write read answer ask request suggest recommend propose decide plan predict expect assume infer conclude
consider discuss note mention state claim argue support reject accept approve deny allow permit require need
want prefer order ship deliver receive return pay charge sell buy trade supply produce build create make
design develop improve increase decrease reduce grow decline rise fall drop gain lose win exceed reach miss
remain stay keep hold store save load open close start stop begin end finish complete continue pause resume
cancel delay wait move carry send forward follow lead manage control monitor track watch observe record
update change modify replace remove delete add insert include exclude contain belong relate connect link
depend affect influence cause prevent avoid solve fix handle treat process transform convert translate
extract collect gather combine merge split divide multiply share distribute assign allocate schedule offer
provide serve help assist guide train learn study test evaluate assess score rate value price use apply
adjust balance reflect indicate reveal suggest signal highlight emphasize focus concentrate cover extend
sleep wake haggle nag cajole detect integrate engage lose promise doubt solve sublate boost doze dazzle
breach impress unwind poach thrash maintain snooze affix
""".split()

ADJECTIVES = """
large small high low big great major minor main key important significant strong weak fast slow early late
new old recent current previous next final initial total average annual monthly weekly daily quarterly
regional national global local domestic foreign international internal external public private commercial
industrial financial economic urgent medium critical normal open closed pending complete partial full empty
available missing known unknown clear unclear certain likely possible probable expected actual estimated
relative absolute positive negative stable volatile steady sharp gradual rapid sudden steep modest moderate
substantial marginal notable remarkable unusual typical common rare frequent regular special express furious
sly careful blithe quick fluffy slow quiet ruthless thin close dogged daring brave stealthy permanent
enticing idle busy final ironic even bold silent pending unusual regular top bottom leading distinct unique
similar different equal identical several various multiple single double valid invalid correct incorrect
accurate precise exact approximate rough simple complex short brief concise detailed relevant useful helpful
cheap expensive profitable efficient effective reliable consistent broad narrow direct indirect
""".split()

TPCH = """
AFRICA AMERICA ASIA EUROPE MIDDLE EAST ALGERIA ARGENTINA BRAZIL CANADA EGYPT ETHIOPIA FRANCE GERMANY INDIA
INDONESIA IRAN IRAQ JAPAN JORDAN KENYA MOROCCO MOZAMBIQUE PERU CHINA ROMANIA SAUDI ARABIA VIETNAM RUSSIA
UNITED KINGDOM STATES BUILDING AUTOMOBILE MACHINERY HOUSEHOLD FURNITURE URGENT HIGH MEDIUM SPECIFIED LOW
REG AIR FOB RAIL SHIP TRUCK MAIL DELIVER IN PERSON COLLECT COD NONE TAKE BACK RETURN STANDARD SMALL LARGE
ECONOMY PROMO ANODIZED BURNISHED PLATED POLISHED BRUSHED TIN NICKEL BRASS STEEL COPPER SM LG MED JUMBO WRAP
CASE BOX BAG JAR PKG PACK CAN DRUM Brand Manufacturer Customer Supplier Clerk lineitem orders customer part
partsupp supplier nation region l_orderkey l_partkey l_suppkey l_linenumber l_quantity l_extendedprice
l_discount l_tax l_returnflag l_linestatus l_shipdate l_commitdate l_receiptdate l_shipinstruct l_shipmode
o_orderkey o_custkey o_orderstatus o_totalprice o_orderdate o_orderpriority o_clerk o_shippriority c_custkey
c_name c_address c_nationkey c_phone c_acctbal c_mktsegment p_partkey p_name p_mfgr p_brand p_type p_size
p_container p_retailprice ps_partkey ps_suppkey ps_availqty ps_supplycost s_suppkey s_name s_acctbal
n_nationkey n_name n_regionkey r_regionkey r_name almond antique aquamarine azure beige bisque black
blanched blue blush brown burlywood burnished chartreuse chiffon chocolate coral cornflower cornsilk cream
cyan dark deep dim dodger drab firebrick floral forest frosted gainsboro ghost goldenrod green grey honeydew
hot indian ivory khaki lace lavender lawn lemon light lime linen magenta maroon medium metallic midnight mint
misty moccasin navajo navy olive orange orchid pale papaya peach peru pink plum powder puff purple red rose
rosy royal saddle salmon sandy seashell sienna sky slate smoke snow spring steel tan thistle tomato turquoise
violet wheat white yellow packages requests accounts deposits foxes ideas theodolites pinto beans
instructions dependencies excuses platelets asymptotes courts dolphins multipliers sauternes warthogs
frets dinos attainments somas Tiresias patterns forges braids hockey players frays warhorses dugouts notornis
epitaphs pearls tithes waters orbits gifts sheaves depths sentiments decoys realms pains grouches escapades
""".split()

SQL = (
    "SELECT FROM WHERE GROUP BY ORDER HAVING JOIN LEFT INNER ON AND OR NOT IN LIKE BETWEEN AS SUM AVG COUNT "
    "MIN MAX DISTINCT LIMIT DESC ASC CASE WHEN THEN ELSE END DATE INTERVAL EXTRACT CAST WITH UNION ALL NULL"
).split()


def _inflect(rng: random.Random, verb: str) -> str:
    stem = verb[:-1] if verb.endswith("e") else verb
    return rng.choice((verb, verb, verb + "s", stem + "ed", stem + "ing"))


def _noun(rng: random.Random) -> str:
    noun = rng.choice(NOUNS)
    if rng.random() < 0.35:
        noun = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return noun


def _adjective(rng: random.Random) -> str:
    word = rng.choice(ADJECTIVES)
    return word + "ly" if rng.random() < 0.12 and not word.endswith(("y", "e")) else word


def _figure(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{rng.uniform(0, 1e6):.2f}",
            f"{rng.randrange(10_000)}",
            f"19{rng.randrange(92, 99)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
            f"{rng.uniform(-30, 60):.1f} %",
            f"Q{rng.randrange(1, 5)} 199{rng.randrange(2, 9)}",
        )
    )


def _clause(rng: random.Random) -> str:
    place = rng.choice(TPCH) if rng.random() < 0.4 else _noun(rng)
    words = [rng.choice(("the", "a", "each", "this", "our", "every", "no")), _adjective(rng), _noun(rng)]
    words += [_inflect(rng, rng.choice(VERBS)), rng.choice(FUNCTION_WORDS), place]
    if rng.random() < 0.5:
        words += [rng.choice(("by", "to", "in", "of", "at", "for", "with", "than")), _figure(rng)]
    if rng.random() < 0.5:
        words += rng.sample(FUNCTION_WORDS, 3)
    return " ".join(words)


def _sentence(rng: random.Random) -> str:
    joint = rng.choice((", and ", ", but ", "; ", " because ", ", which ", " when "))
    text = joint.join(_clause(rng) for _ in range(rng.randrange(1, 3)))
    return text[0].upper() + text[1:] + rng.choice((".", ".", ".", "?", "!", ":"))


def _value(rng: random.Random) -> object:
    return rng.choice((rng.randrange(1000), _noun(rng), _clause(rng), True, None, [_noun(rng)]))


def _json(rng: random.Random) -> str:
    keys = rng.sample(NOUNS, rng.randrange(2, 5))
    values = [
        rng.choice((rng.randrange(1000), _noun(rng), _clause(rng), True, None, [_noun(rng)])) for _ in keys
    ]
    indent = rng.choice((None, None, 2))
    return json.dumps(dict(zip(keys, values, strict=True)), indent=indent)


def _table(rng: random.Random) -> str:
    columns = rng.sample(TPCH, 3)
    rows = [" | ".join((rng.choice(TPCH), _figure(rng), _figure(rng))) for _ in range(4)]
    return "\n".join([" | ".join(columns), *rows])


def _sql(rng: random.Random) -> str:
    words = [rng.choice(SQL) if rng.random() < 0.6 else rng.choice(TPCH) for _ in range(12)]
    return " ".join(words)


def _turn(rng: random.Random) -> str:
    ask = rng.choice(
        (
            "You are a careful business analyst. Answer in one short paragraph.",
            "Reply with a JSON object with the keys below and nothing else.",
            "Which customers, suppliers and parts explain the result? Use only the facts in the table.",
            "What changed in this quarter compared with the last one, and why?",
            "Summarize the findings for the director in two sentences.",
        )
    )
    return (
        f"system\n{ask}\nuser\nQuestion: {_sentence(rng)}\nFacts:\n{_table(rng)}\nassistant\n{_sentence(rng)}"
    )


def documents(count: int, seed: int = 2) -> Iterator[str]:
    """`count` documents, each a mix of prose, JSON, tables, SQL and chat turns; the same for equal seeds."""
    rng = random.Random(seed)
    makers = (_sentence, _sentence, _sentence, _json, _table, _sql, _turn)
    for _ in range(count):
        yield "\n".join(rng.choice(makers)(rng) for _ in range(6))
