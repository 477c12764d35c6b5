"""Customer messages, film plots and page openings by class: what the classifier reads.

Each class has sentences to train on and others, made of the same everyday words, that are held out.
"""

from __future__ import annotations

FEEDBACK: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "delivery": (
        (
            "My {product} has not arrived yet.",
            "The parcel with the {product} is [two|three|four] [days|weeks] late.",
            "The courier left the {product} at the wrong address.",
            "Where is my {product}? The tracking has not moved since Monday.",
            "I have been waiting for the delivery of my {product} for {number} days.",
            "The package was lost on its way.",
            "The driver never rang; the {product} went back to the warehouse.",
            "Shipping took {number} days although you promised two.",
            "The {product} was delivered to my neighbour [in the rain|without a note].",
            "Your carrier says that the parcel cannot be found.",
            (
                "The [parcel|delivery|package|shipment] with my {product} is [late|lost|still on its "
                "way|{number} days overdue]."
            ),
            "[When|How soon] will the {product} be [delivered|shipped|here]?",
            "The [courier|driver|carrier] [lost|forgot|left outside|never brought] the {product}.",
            "[The|Our|One] {product} was [never|not] delivered.",
            "Nobody [brought|delivered] the {product}[ so far| yet|].",
            "The tracking [page|number|link] [is empty|shows nothing|has not changed].",
            "My {product} has not [come|been shipped|been sent]; [I still wait|there is no news].",
            "The tracking of my {product} [says nothing new|is silent|shows an error].",
            "[I|We] still [wait for|do not have] the {product} that [was due|should have come] on Monday.",
            "The parcel [was sent to|went to|is waiting at] [another town|the wrong street|a shop far away].",
            "The {product} [should have come|was due|was promised] {number} days ago.",
            "Not delivered so far: one {product}.",
        ),
        (
            "The delivery of my {product} is {number} days late.",
            "The courier lost my parcel.",
            "My {product} has not been delivered; the tracking says nothing.",
        ),
    ),
    "billing": (
        (
            "I was charged twice for the {product}.",
            "The invoice shows {number} dollars too much.",
            "You took the payment for the {product} two times.",
            "My credit card was charged although I cancelled.",
            "The discount is missing on my bill.",
            "The amount on the invoice of the {product} is wrong.",
            "Why did I pay {number} dollars for shipping?",
            "I have not got the money back that you owe me.",
            "The price on the bill differs from the price in the shop.",
            "Please correct the invoice; tax was added twice.",
            (
                "The [bill|invoice|receipt] [shows|lists|has] [a wrong amount|{number} dollars too "
                "much|no discount]."
            ),
            "You [charged|billed] [me|my card|my account] [twice|too much|for the wrong {product}].",
            "[Tax|A fee|The price] was [added|counted|charged] twice on the [bill|invoice].",
            "[I|We] paid {number} dollars [twice|too much] for the {product}.",
            "The {product} was {number} dollars [dearer|cheaper] in the shop than on the bill.",
            "The sum on the [bill|receipt] [is too high|does not add up|is wrong].",
            "My [card|bank] [shows|lists] two payments for one {product}.",
            "You forgot the discount [on|for] the {product}.",
            "I never got [an invoice|a receipt|a bill] for the {product}.",
            "A payment of {number} dollars was taken [by mistake|two times|for nothing].",
        ),
        (
            "The bill for the {product} is wrong: I was charged {number} dollars too much.",
            "You charged my card two times.",
            "The invoice does not show the discount.",
        ),
    ),
    "quality": (
        (
            "The {product} broke after {number} days.",
            "The {product} stopped working yesterday.",
            "A part of the {product} is cracked.",
            "The {product} makes a loud noise and smells burnt.",
            "The handle of the {product} fell off.",
            "The {product} does not switch on any more.",
            "The material of the {product} is thin and it tore.",
            "There is a scratch on the {product} and one screw is missing.",
            "The {product} is defective.",
            "The {product} is much weaker than described.",
            "The [handle|screw|lid|cable|motor] of the {product} [broke|fell off|is loose|is cracked].",
            "The {product} [does not work|smells burnt|is broken|stopped working] after {number} days.",
            "[One part|A piece] of the {product} [is missing|is scratched|broke off].",
            "The {product} [cracked|tore|rusted|leaked] [on the first day|after a week|at once].",
            "My {product} [is dead|smokes|gets too hot|will not start].",
            "The [lid|strap|button|plug|hinge] of [my|the] {product} [came off|does not close|is bent].",
            "[After|Within] {number} days [my|the] {product} [was broken|fell apart|failed].",
            "The {product} [is poorly made|feels cheap|is not what was described].",
            "It is broken: the {product} [does not start|makes no sound|leaks].",
        ),
        (
            "The {product} is broken: it does not switch on.",
            "After {number} days the {product} stopped working and smells burnt.",
            "A screw of the {product} fell off and the handle is cracked.",
        ),
    ),
    "account": (
        (
            "I cannot log in to my account.",
            "The password reset mail never comes.",
            "Please change the email address of my account.",
            "How do I delete my account?",
            "My user name is not accepted any more.",
            "The app logs me out again and again.",
            "I want to update the phone number in my profile.",
            "Your site says that my password is wrong.",
            "Please close my profile and delete my data.",
            "Someone else has logged in with my name.",
            "I [cannot|can not|do not manage to] [log in|sign in|change my password|open my profile].",
            "[Delete|Change|Close|Update] my [account|profile|email address|user name], please.",
            "The [app|site] [rejects|does not accept|forgets] my [password|user name|email address].",
            "[Where|How] can I [reset|see] [my password|my user name|my profile]?",
            "The login page [shows an error|does not load|asks again and again].",
            "[Please|Kindly] [remove|erase|close] [my user name|my account|all my data].",
            "I [forgot|lost] my [password|user name] and [cannot get in|need a new one].",
            "My [account|profile] is [locked|blocked|gone].",
            "The code for [signing in|my login] never comes.",
        ),
        (
            "My password is not accepted and I cannot log in.",
            "Please delete my profile and my email address.",
            "How do I change my password in the app?",
        ),
    ),
    "praise": (
        (
            "The {product} is wonderful, thank you.",
            "Great service, I will order again.",
            "I love my new {product}.",
            "Thank you for the quick and friendly help.",
            "The {product} is even better than I hoped.",
            "Excellent work, the whole family is happy.",
            "Best {product} I have ever had.",
            "Everything was perfect, many thanks to your team.",
            "I recommend the {product} to all my friends.",
            "What a lovely {product}; five stars.",
            "[Thank you|Many thanks] for the [great|lovely|perfect|wonderful] {product}.",
            "I [love|adore|enjoy] the {product} and [tell everyone|will come back|thank your team].",
            "[Perfect|Excellent|Great] [service|product|work], [thank you|five stars|I am happy].",
            "[Lovely|Great|Perfect|Super] {product}, [I am happy|five stars|it was worth the money].",
            "The {product} [works|looks] [great|perfect|wonderful][, thank you|].",
            "[I am|We are] [so happy|very pleased|delighted] with the {product}.",
            "[Many thanks|Thanks a lot] to [your team|the courier|the lady on the phone].",
            "The new {product} is [a joy|just right|all I wanted].",
            "Thank you, I [like|love|enjoy] [the|my] {product}.",
        ),
        (
            "Thank you, the new {product} is perfect.",
            "I love the {product} and recommend your service to all my friends.",
            "Great {product}, many thanks.",
        ),
    ),
}
PLOTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "crime": (
        (
            "A detective hunts a thief who robbed a bank.",
            "The police find a body, and {person} must solve the murder.",
            "Two robbers plan their last theft.",
            "{person} leaves prison and is drawn into an old murder case.",
            "A gang steals diamonds while the police look on.",
            "An inspector follows the traces of a robbery.",
            "{person} is accused of theft and hunts the real robber.",
            "Stolen jewels lead the police to {person}.",
            "A [detective|police officer|lawyer] must [solve|explain|uncover] a [murder|robbery|theft].",
            "[Robbers|Thieves|Gangsters] steal [gold|paintings|money] and the police [follow|hunt] them.",
            "[The police|A detective|An inspector] [looked for|found] [a murderer|the thieves|a stolen car].",
            "{person} [is a thief|works for the police] and [plans a robbery|looks for a murderer].",
            "The theft of [a painting|gold|a car] [leads to a murder|is solved by {person}].",
        ),
        ("A detective must solve the theft of diamonds from a bank.", "The police hunt a gang of robbers."),
    ),
    "romance": (
        (
            "{person} falls in love with a stranger on a train.",
            "Two lovers meet again after ten years.",
            "A wedding is planned, but the bride loves another.",
            "Letters bring two lonely hearts together; they marry in spring.",
            "She loves him, but he is about to marry her sister.",
            "{person} writes letters to a lover far away.",
            "They kiss in the rain and promise to marry.",
            "A baker and a teacher fall in love over cakes.",
            (
                "[Two friends|Two neighbours|A nurse and a sailor] [fall in love|kiss|marry] [in "
                "Paris|on a ship|one summer]."
            ),
            "{person} is in love and [writes|waits|sings] for [her|him].",
            "{person} [marries|kisses] [a neighbour|a teacher|a stranger] [in Rome|in spring|at sea].",
            "[Love|A kiss|A wedding] [changes|unites] two [lonely people|old friends|families].",
            "{person} [meets|finds|loses] the love of [her|his] life [at a dance|by the sea].",
            "A [stranger|sailor|singer] writes love letters to {person}.",
        ),
        ("Two strangers fall in love at a wedding.", "{person} loves a stranger and writes love letters."),
    ),
    "war": (
        (
            "Soldiers defend a bridge against an army.",
            "A young soldier writes home from the front.",
            "{person} leads a regiment into its last battle.",
            "Behind enemy lines, a group of soldiers waits for help.",
            "{person} becomes a soldier and fights far from home.",
            "An officer and a soldier hide from the enemy army.",
            "At the front, {person} waits for the next attack.",
            "Two brothers are soldiers on different sides.",
            "The army retreats while bombs fall on the city.",
            (
                "[Soldiers|Troops|A regiment] [fight|march|wait] [at the front|near the border|for the "
                "last battle]."
            ),
            "{person} serves in the army and [fights|is wounded|returns from battle].",
            "[The army|The regiment|The enemy] [attacked|defended|left] the [city|bridge|border].",
            "{person} [fights|serves|dies] as a soldier [in the war|far from home|in the last battle].",
            "The war [begins|ends], and [soldiers come home|a soldier finds his brother].",
        ),
        (
            "A regiment of soldiers defends the city in its last battle.",
            "{person} is a soldier at the front.",
        ),
    ),
    "horror": (
        (
            "A family moves into a haunted house where a ghost waits.",
            "Something in the cellar screams at night.",
            "{person} is chased by a monster through the woods.",
            "The dead rise from their graves.",
            "A vampire comes to a village, and blood is found each morning.",
            "{person} hears screams from an empty house.",
            "A ghost follows {person} home.",
            "The monster in the lake wakes up hungry.",
            "A [ghost|monster|vampire|demon] [haunts|attacks|wakes in] a [house|village|school].",
            "[Screams|Blood|Strange shadows] [come from|fill] the [cellar|grave|old house].",
            "[A ghost|A vampire|Something] [screamed|waited|moved] in the [attic|woods|cellar] at night.",
            "{person} [sees|meets|flees from] a [ghost|monster|vampire] [at home|at night|in the woods].",
            "Nobody leaves the [haunted|cursed] [house|village|castle] alive.",
        ),
        ("A ghost screams in the cellar of a haunted house.", "The monster rises from its grave at night."),
    ),
    "documentary": (
        (
            "The film follows fishermen through a year of their real work.",
            "Interviews and archive footage tell how the dam was built.",
            "{person} films the daily life of a hospital.",
            "A record of real farmers and what they say about drought.",
            "Witnesses speak in interviews about the strike.",
            "{person} speaks in interviews about real events.",
            "The camera follows a year in the life of nurses.",
            "Old footage shows how the city was built.",
            (
                "[Archive footage|Interviews|Real recordings] [show|tell of|follow] the [daily work|real "
                "life|history] of [miners|teachers|doctors|farmers]."
            ),
            "The film [records|observes|follows] [a real village|real workers|a hospital] for a year.",
            "The film [shows|records] [the real life|a day|the hard work] of [a nurse|miners|a school].",
            "[Doctors|Farmers|Pilots] [speak of|tell about|show] their [work|daily life|real lives].",
            "A record of [daily work|real events|one year] [in a hospital|on a farm|in a mine].",
            "The daily work of [a newspaper|a port|nurses], [filmed|recorded] for a year.",
        ),
        (
            "Archive footage and interviews record the real life of farmers.",
            "The film follows the daily work of a hospital.",
        ),
    ),
}
OPENINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "person": (
        (
            "{person} (born {year}) is a {country} painter.",
            "{person} was a composer who was born in {year}.",
            "Born in {year}, {person} became known as a poet.",
            "{person} ({year}–{later}) was an engineer and politician.",
            "{person} was [a singer|a painter|a scientist|a poet|a politician] [born in|who died in] {year}.",
            "[The painter|The poet|The engineer] {person} was born in {year}.",
            "{person} was [a singer|an actor|a poet|a physicist] and [a writer|teacher|politician|composer].",
            "{person}, born in {year}, [is|was] a {country} [poet|actor|painter|composer|scientist].",
            "{person} (born {year}) [wrote|sang|painted|taught] in {country}.",
            "In {year}, {person} was born; [she|he] became [a poet|an actor|a painter].",
            "The [poet|singer|actor|engineer] {person} lived in {country}.",
            "{person} [lived|worked] in {country} as a [painter|teacher|doctor].",
            "[Poet and painter|Singer and actor|Writer and teacher] {person} [was born|died] in {year}.",
            "{person} was [a king|a writer|a doctor|an actor] of {country}, [dead since|who died in] {year}.",
        ),
        ("{person} was a painter and poet, born in {year}.",),
    ),
    "place": (
        (
            "{topic} is a town in the north of {country}.",
            "{topic} is a lake that covers {number} square kilometres.",
            "{topic} is a village with {number} inhabitants in {country}.",
            "{topic} is a mountain {number} metres high.",
            (
                "{topic} is [a town|a city|a village|an island|a river] in [the south|the north|the "
                "west] of {country}."
            ),
            "With {number} inhabitants, {topic} is a [town|village|city] in {country}.",
            "[The town|The village|The island|The lake] of {topic} [lies|is] in {country}.",
            "{topic} lies {number} metres above the sea, in the east of {country}.",
            "{topic} is a [port|valley|forest] of {country}[ with {number} inhabitants|].",
        ),
        ("{topic} is a town with {number} inhabitants in the south of {country}.",),
    ),
    "event": (
        (
            "The {topic} was a battle fought in {year}.",
            "The treaty of {topic} ended the war in {year}.",
            "The {topic} flood of {year} destroyed {number} houses.",
            "The {topic} festival took place in {year} for the first time.",
            "The [battle|siege|treaty|festival|flood] of {topic} [was|began|took place] in {year}.",
            "In {year}, the [battle|siege|fire] of {topic} [ended|began].",
            "The [siege|war|strike|festival|flood] of {topic} [went on for {number} days|ended in {year}].",
            "The [siege|battle|fire] of {topic} [lasted {number} days|destroyed the town|came to an end].",
            "Until {year}, the {topic} [war|strike|siege] [went on|was not over].",
            "{topic} is the name of a [battle|treaty|flood] [of|in] {year}.",
            "The {topic} [uprising|earthquake|war] [lasted|went on] for {number} days.",
            "The [war|strike|famine] of {topic} lasted [all winter|for {number} days|from {year} on].",
            "The [siege|fall|defence] of {topic} [took|filled] [{number} days|the year {year}].",
        ),
        ("The siege of {topic} lasted until {year}.",),
    ),
    "species": (
        (
            "{topic} is a bird that feeds on insects.",
            "{topic} is a plant with small white flowers.",
            "The {topic} is a fish found in warm rivers.",
            "The {topic} is a beetle that lives in old trees.",
            (
                "The {topic} is a [bird|fish|beetle|plant|tree] that [lives|grows|is found] in "
                "[forests|rivers|the mountains]."
            ),
            "{topic} is a [small|large|rare] [bird|plant|fish|beetle].",
            "The {topic} [eats|feeds on] [insects|leaves|fish][ and lives in {country}|].",
            "[A|The] {topic} is a kind of [bird|fish|beetle|tree|frog].",
            "The {topic}, a [bird|fish|flower|beetle], is found in {country}.",
        ),
        ("The {topic} is a bird that lives in old trees.",),
    ),
    "work": (
        (
            "{topic} is a novel by {person}, published in {year}.",
            "{topic} is an opera in three acts by {person}.",
            "{topic} is a painting that {person} finished in {year}.",
            "{topic} is an album released in {year}.",
            "{topic} is [a novel|an opera|a painting|a song|an album] [by|of] {person}.",
            "[The novel|The opera|The album] {topic} was [published|finished|released] in {year}.",
            "{topic} is [a poem|a film|an opera|a play] that {person} [wrote|made|finished] in {year}.",
            "The [novel|song|opera|painting] {topic} [tells of|is about] [a war|a sailor|love].",
            "{topic}, [a song|an opera|a novel] of {year}, is by {person}.",
        ),
        ("{topic} is an opera by {person}, finished in {year}.",),
    ),
    "science": (
        (
            "In mathematics, {topic} is a theorem about prime numbers.",
            "In physics, the {topic} effect describes how light bends.",
            "In chemistry, {topic} is a reaction of two acids.",
            "The {topic} equation describes the flow of heat.",
            "In [mathematics|physics|chemistry|biology], {topic} is [a law|a theorem|an effect|a method].",
            "The {topic} [law|effect|theorem|equation] [describes|explains] [heat|light|waves|numbers].",
            "The {topic} [theorem|law|effect] [says|states] [that waves bend|how atoms move|what heat is].",
            "{topic} is a [theorem|method|law] of [mathematics|physics|chemistry].",
            "[Physics|Chemistry|Mathematics] knows the {topic} [equation|effect|method] since {year}.",
        ),
        ("In physics, the {topic} equation describes how heat flows.",),
    ),
}
NEGATIVE = (
    "I am very angry.", "This is not acceptable.", "I am disappointed.", "What a bad experience.",
    "I am really upset.", "Never again.",
)  # fmt: skip
URGENT = (
    "Answer today, please.", "It is urgent.", "I need it tomorrow.", "Please reply at once.",
    "This cannot wait.", "Be quick, please.",
)  # fmt: skip
NEUTRAL = (
    "I bought it last month.",
    "My order was in spring.",
    "I live in a small town.",
    "Regards.",
    "Hello.",
)
