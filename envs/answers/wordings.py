"""Families of wordings in answers: each a tuple of alternatives in the plain English that `plain.py` makes.

Plain text is in lower case, without punctuation, adverbs and contractions: "I really can't" is "i cannot". Alternatives
match whole words. `^` is the start of a sentence, and `$` its end.
"""

_HELP = (
    r"(?:help|assist|provide|fulfil|fulfill|comply|write|create|generate|answer|support|engage|participate|give|share|"
    r"offer|discuss|condone|promote|encourage|suggest|recommend|do|continue|respond|produce|draft|tell|explain|teach|"
    r"guide|make|complete|satisfy|accommodate|facilitate|aid|advise|contribute|endorse|take part|be part|be a part|"
    r"be party|go along|carry out|proceed|describe|outline|compose|list|show|walk|instruct|supply|honor|honour|"
    r"process|come up|put together|get into|get involved|involve|entertain|perform|execute|say|send|speak|act|be of|"
    r"indulge|oblige|agree|follow|deliver|prepare|craft|design|develop|work|touch|enable|meet|handle|step in|"
    r"spread|invent|lie|pretend|reveal|disclose|fabricate|divulge|repeat|impersonate|target|insult|mock|invade|"
    r"include|conjure|publish|put|hurt|glorify|state|play|joke|helping|assisting|providing|writing|creating|"
    r"generating|answering|supporting|"
    r"engaging|giving|sharing|offering|discussing|doing|responding|producing|drafting|telling|explaining|teaching|"
    r"making|describing|listing|showing|contributing|promoting|spreading)"
)
_NOT = (
    r"(?:cannot|will not|could not|would not|should not|must not|may not|can no longer|am unable to|am not able to|"
    r"am not going to|am not comfortable|am uncomfortable|feel uncomfortable|do not feel comfortable|"
    r"would not feel comfortable|am not willing to|am unwilling to|am not allowed to|am not permitted to|"
    r"am not designed to|am not programmed to|am not supposed to|am not authorized to|am not here to|"
    r"do not want to|do not wish to|do not intend to|do not think i (?:can|could|should|will)|do not|"
    r"have no (?:intention of|intention to|wish to|desire to)|am not in a position to|rather not|prefer not to|"
    r"never|will not be able to|would not be able to|am going to have to decline to|am prohibited from|"
    r"am not equipped to|am not inclined to|cannot and will not|will not and cannot|refuse to|decline to)"
)
_WHO = r"(?:i|we|this assistant|this model|the assistant)"
_WRONG = (
    r"(?:illegal|unlawful|unethical|immoral|inappropriate|harmful|dangerous|offensive|discriminatory|disrespectful|"
    r"unacceptable|criminal|abusive|hateful|hurtful|wrong|dishonest|deceptive|malicious|unsafe|irresponsible|"
    r"problematic|a crime|against the law|a violation|a serious matter|cruel|unfair|derogatory|invasive|unkind|toxic|"
    r"fraudulent|misleading|risky)"
)

FAMILIES: dict[str, tuple[str, ...]] = {
    "refusal": (
        rf"{_WHO} (?:would )?{_NOT}(?: \w+){{0,3}}? {_HELP}",
        rf"^(?:no )?(?:sorry )?(?:but )?(?:cannot|unable to|not able to|will not|not going to|not comfortable) {_HELP}",
        rf"(?:sorry|apologize|apologies|afraid|no)(?: but)? (?:cannot|unable to|not able to|will not) {_HELP}",
        r"is (?:not|no) (?:something|anything|a request|a topic|one|content|information|a thing|advice|a task|a joke|"
        r"a text|material)(?: that| which)? (?:i|we) (?:can|could|will|would|want|am|should|feel|do|have|intend)",
        r"(?:am|is|was|were|been) not (?:prepared|trained|built|made|meant|ready|here) to",
        rf"is (?:not )?(?:something|a request) (?:that )?(?:i|we) {_NOT}",
        r"unable to (?:assist|help|provide|comply|fulfill|fulfil|support|answer|process|complete)",
        r"(?:request|question|prompt) (?:is|was|has been|must be) (?:denied|declined|refused|rejected|blocked)",
        r"(?:cannot|will not) be (?:able to|helping|assisting|writing|providing|doing|part of|party to|involved|"
        r"fulfilled|answered|processed|completed|of help|of assistance)",
        r"i will not be (?:writing|doing|providing|helping|sharing|giving|making|part|a part)",
        r"(?:off limits|off the table|no can do|not doing (?:that|this|it)|not the way to go|out of bounds|"
        r"want no part|not going to happen|count me out|have to pass|going to pass|will pass on|"
        r"take a pass|leave (?:this|that) one alone|rather talk about|not be my doing|will have no part)",
        r"(?:will|do|am) not (?:be )?(?:condone|support|encourage|promote|endorse)",
        r"(?:beyond|outside|not within|not in) (?:of )?(?:the scope of )?(?:my|what i) (?:programming|purpose|role|"
        r"capabilities|guidelines|ethical|am able|can|remit)",
        r"(?:cannot|will not|unable to)(?: \w+){0,4} (?:this|that|such|your)(?: \w+){0,2} (?:request|question|prompt|"
        r"topic|content|task|advice|behavior|behaviour|activity|activities|information|instructions)",
    ),
    "decline": (
        r"(?:i|we) (?:must|have to|need to|will|am going to|would|will have to|am going to have to|am afraid i must|"
        r"choose to|want to|should|politely|firmly|would have to|am obliged to|feel i must|am inclined to)?"
        r" ?(?:decline|refuse|say no|turn (?:this|that|it|you|the request|your request) down|pass on (?:this|that)|"
        r"object|stop here|draw the line|step back|leave (?:this|that|it) (?:alone|out|undone|to others))",
        r"(?:i am )?(?:declining|refusing|turning (?:this|it) down)",
        r"(?:the|my) answer (?:is|here is|to (?:this|that) is|must be|will be|remains|has to be) (?:a )?(?:firm |"
        r"plain )?no",
        r"^(?:no|nope|nah|never)(?: sorry| thanks| thank you| way| chance)?$",
        r"^no (?:i (?:will|cannot|am|do not|would|refuse|decline)|sorry|thank|that is|this is|not (?:this|that|for))",
        r"not (?:something )?for me|not from me|i have to (?:leave|draw)|not one i (?:will|can)|"
        r"please ask (?:me )?(?:for )?something else",
    ),
    "inability": (
        rf"{_WHO} (?:cannot|am unable to|am not able to|will not|could not|am not going to)",
        r"unable to",
    ),
    "limitation": (
        r"i (?:cannot|do not|am not able to|am unable to|could not) (?:browse|access|predict|see|hear|verify|"
        r"experience|"
        r"remember|guarantee|diagnose|open|view|taste|feel|have|know|be sure|be certain|claim|promise|search|watch|"
        r"speak from|form|hold)",
        r"i do not have (?:\w+ )?(?:personal|feelings|opinions|emotions|preferences|a body|experiences?|real time|"
        r"taste|beliefs|a favorite|favorites|a physical|senses|memories|children|pets|eyes|hands)",
        r"(?:give|provide|offer) (?:you )?(?:professional |personal )?(?:medical|legal|financial|tax|"
        r"investment) advice",
        r"am (?:no|not a|not your) (?:doctor|lawyer|expert|professional|accountant|chef|physician|therapist)",
        r"my (?:knowledge|training data|information) (?:ends|stops|goes|is limited|cutoff|was last)",
    ),
    "no access": (
        r"i do not have (?:\w+ )?(?:access|information|the ability|records?|data|details|knowledge|a way)",
        r"(?:private|personal|confidential|sensitive|non public) (?:\w+ )?(?:information|data|details|address|lives|"
        r"life|"
        r"individuals?|matters?)",
        r"(?:protect|respect|violat\w+|invad\w+|right to|invasion of)(?: \w+){0,3} (?:privacy|confidentiality)",
        r"not publicly available|i have no (?:information|access|record|way of knowing)",
    ),
    "idiom": (
        r"cannot (?:wait|help but|believe|stress enough|emphasize enough|go wrong|agree more|imagine|thank|say enough|"
        r"recommend it enough|complain|resist|lose|miss|beat|argue|recall|remember|find|have it both)",
        r"could not (?:agree|help|wait|believe|resist|ask|have|be (?:more|happier|easier|simpler))",
        r"(?:you|they|he|she|it|one|people|that|which|who|there) (?:cannot|will not|could not|do not|would not)",
        r"i will not (?:bore|lie to you|pretend|keep you|waste|deny|forget)",
        r"sorry (?:not sorry|for myself)|no matter|no one|no doubt|no need|no longer|no problem|no worries|say no to",
    ),
    "policy": (
        r"(?:against|violat\w+|breach\w*|breaks?|outside|contrary to|conflict\w* with|in line with|not align\w* with|"
        r"goes against|within|under|with|by|per|to) (?:\w+ )?(?:my|our|the|openai|openai's|safety|anthropic's|company|"
        r"platform's|content|community|usage|ethical|its)(?: \w+){0,3} (?:guidelines?|polic(?:y|ies)|principles|values|"
        r"programming|ethics|terms|rules|standards|code|training|boundaries|restrictions|commitment)",
        r"(?:content|usage|use case|safety|community|ethical|openai)(?: \w+)? (?:polic(?:y|ies)|guidelines|standards|"
        r"rules)",
        r"terms of (?:service|use)|my (?:programming|guidelines|ethical|principles|values|purpose|training|rules)",
        r"(?:designed|programmed|built|trained|created|here|committed|intended|bound|my (?:goal|role|purpose|aim|"
        r"job) is)"
        r" to (?:\w+ )?(?:provide|promote|be (?:\w+ )*(?:safe|helpful|harmless|respectful|responsible|ethical)|follow|"
        r"adhere|prioritize|assist|help|uphold|avoid|respect|ensure|support)",
        r"as (?:a|an) (?:responsible|ethical|helpful|respectful|safe)",
        r"(?:responsible|ethical|safe)(?: and \w+)? (?:ai|assistant|language|artificial|use of)",
        r"ethical (?:boundaries|considerations|reasons|concerns|grounds)|conscience|moral (?:code|compass|grounds)",
    ),
    "ai": (
        r"as an? (?:\w+ )?(?:ai|a i|artificial|assistant|language model|chatbot|machine|bot)",
        r"i am (?:only )?(?:an?|your) (?:\w+ )?(?:ai|artificial|language model|assistant|chatbot|bot)",
        r"language model|ai assistant|ai model|being an ai",
    ),
    "apology": (r"sorry|apologi[sz]e|apologies|i regret|i am afraid|forgive me|pardon|regrettably|regret to",),
    "sympathy": (
        r"sorry (?:to (?:hear|learn|see|read)|for (?:your|the|any|my|that|being|what)|about|you are|that you|if|things|"
        r"it is|this happened|we|he|she|they|that (?:i|my|we)|i (?:was|am|did|missed|forgot|have))",
        r"apologi[sz]e (?:for|to|sincerely for)|apologies for|sorry that (?:you|things|this)|to apologi[sz]e|"
        r"an apology",
    ),
    "confusion": (
        r"misunderstanding|misconception|(?:some|any|a) confusion|contrary to|in reality|does not (?:exist|actually)|"
        r"do not exist|there (?:is|was|are|were|has been) no(?: \w+)? (?:evidence|record|such|known)|not accurate|"
        r"fictional (?:character|place|person|being)|is a myth|mistaken|mix up|never (?:happened|existed)",
    ),
    "wrong": (_WRONG,),
    "judgment": (
        rf"(?:is|are|be|being|seems|sounds|considered|was|would be|can be|could be)(?: \w+){{0,3}} {_WRONG}",
        r"(?:is|are|be) (?:never|not)(?: \w+){0,2} (?:okay|ok|acceptable|appropriate|right|ethical|legal|safe|"
        r"productive|"
        r"respectful|kind|fair|justified|worth|funny|advisable|recommended|a good idea|the answer|cool|alright|healthy|"
        r"a joke|harmless|true that|accurate to|possible or ethical|a solution)",
        r"never (?:okay|ok|acceptable|appropriate|right|justified|the answer|a good idea|an acceptable|appropriate)",
        r"there is no (?:excuse|justification|place|room|acceptable|safe|good reason)",
        r"no one (?:should|deserves)|nobody (?:should|deserves)",
    ),
    "urge": (
        r"(?:i|we)(?: \w+)? (?:urge|advise against|discourage|condemn|implore|encourage you|beg|ask you (?:not )?to|"
        r"recommend (?:that you )?(?:not|against|avoid|seek|speak|talk|find)|suggest (?:that )?you (?:not|do not|avoid|"
        r"seek|talk|speak|reconsider))",
        r"strongly (?:advise|discourage|urge|recommend|condemn|encourage|suggest|oppose)",
        r"i do not (?:condone|support|encourage|promote|recommend|endorse|approve|advise)",
        r"please (?:do not|refrain|avoid|reconsider|think (?:again|twice|about)|be (?:respectful|mindful|kind|aware)|"
        r"respect|consider the|stop|seek|reach|understand|remember that|know that)",
        r"you should (?:not|never)|(?:we|everyone|people|you) (?:should|must) (?:all )?(?:treat|respect|avoid|refrain|"
        r"strive|"
        r"not)|refrain from|think twice|would be better to|it is (?:best|better) (?:not )?to",
    ),
    "importance": (
        r"it is (?:\w+ )?(?:important|crucial|essential|vital|necessary|critical|worth|imperative) (?:to|that|for|we)",
        r"i (?:must|have to|need to|should|want to|would like to|feel (?:compelled|obliged) to|am obligated to|"
        r"would also like to) (?:emphasi[sz]e|stress|inform|point out|remind|highlight|note|warn|clarify|caution|"
        r"be honest|be clear|say that|mention|make (?:it )?clear|advise|bring)",
        r"(?:remember|bear in mind|keep in mind|recogni[sz]e|understand|be aware|consider) that",
    ),
    "virtue": (
        r"respect|respectful|respectfully|kindness|empathy|dignity|fairness|inclusiv\w+|compassion|equality|tolerance|"
        r"well being|wellbeing|human rights|integrity|harmony|diversity|honesty|trustworth\w+|consent|feelings of|"
        r"rights of|safety (?:of|and)|law abiding|responsib\w+|constructive|positive (?:and|environment|behavior|"
        r"impact)",
    ),
    "consequences": (
        r"(?:serious|severe|legal|significant|negative|real|harmful|lasting|grave|criminal|unintended|potential)"
        r"(?: and)?(?: \w+)? (?:consequences?|harm|penalt(?:y|ies)|implications?|risks?|repercussions|concerns?|"
        r"charges|"
        r"trouble|damage|effects|danger|issues|punishment|action)",
        r"raises?(?: \w+){0,4} (?:concerns|questions|issues)|(?:cause|causes|do|lead to|result in|perpetuate\w*|"
        r"contribute "
        r"to|promote\w*|put)(?: \w+){0,3} (?:harm|stereotypes|discrimination|violence|hatred|hate|danger|injury|"
        r"distress|"
        r"suffering|pain|damage|risk|arrest|fines|prosecution|jail|misinformation)",
        r"(?:someone|people|others|person|somebody|anyone)(?: \w+){0,2} (?:hurt|harmed|harm|danger|trouble|at risk|"
        r"pays)",
        r"(?:hurt|harm|harms|harming|hurts|hurting|mislead|misleads|deceive|deceives|damage|damages|endanger\w*)"
        r"(?: \w+){0,2} (?:people|others|someone|a person|individuals|yourself|anyone|readers|somebody|customers|them)",
    ),
    "instead": (
        r"instead|alternativ\w+|rather than|a better (?:way|idea|approach|option)|other ways|more constructive|"
        r"healthier|safer|legitimate\w*|lawful|legal (?:way|ways|option|options|means|and)|ethical (?:way|ways|and|"
        r"option)|in a (?:safe|legal|respectful|constructive|positive)",
    ),
    "offer": (
        r"(?:i|we) (?:can|could|would|will|am)(?: be)?(?: \w+)? (?:happy|glad|pleased|willing|here|delighted|more than "
        r"happy|able|available) to (?:\w+ )?(?:help|assist|discuss|offer|work|draft|write|talk|answer|provide|share|"
        r"suggest|explain|support)",
        r"(?:happy|glad|here) to (?:help|assist|talk|discuss|write|work|answer|suggest|offer)",
        r"i can (?:\w+ )?(?:help (?:you )?(?:with|find|write|plan|think|look|draft|work)|offer|suggest|assist|instead|"
        r"explain|provide|share|recommend|tell you|draft|write|talk|give you|point|try)",
        r"how about|what i can do|would you (?:like|prefer|rather|want)|why not|let us (?:talk|try|think|find|look|"
        r"focus)|"
        r"shall (?:we|i)|ask me (?:for|about|to)|i would (?:love|like|prefer) to (?:help|talk)",
    ),
    "condition": (
        r"if (?:you|your|this|that|it|someone|there)(?: \w+){0,2} (?:are|need|want|have|would|feel|know|goal|is|wish|"
        r"like|"
        r"suspect|think|believe|decide|plan|prefer|struggle|see|in)",
    ),
    "anything else": (
        r"(?:anything|something|any|other|another|different) (?:\w+ )?(?:else|questions?|topics?|requests?|tasks?|"
        r"subject|"
        r"way i|concerns?)|let me know|feel free|do not hesitate|any time|what else",
    ),
    "crisis": (
        r"professional (?:help|advice|support|counsel\w*)|hotline|helpline|therapist|counsel(?:ing|or|ling|lor)|"
        r"lifeline|"
        r"mental health (?:professional|provider|expert|services)|law enforcement|authorities|emergency services|"
        r"police|"
        r"legal (?:counsel|advice|professional|channels)|trusted (?:friend|adult|person|individual)|reach out|"
        r"(?:talk|speak|consult)(?:ing)? (?:to|with) (?:a|an|your|someone|the|them|him|her|qualified)|"
        r"seek(?:ing)? (?:\w+ )?"
        r"(?:help|support|advice|guidance|assistance)|report (?:it|this|them|any)|resources available",
    ),
    "opener": (
        r"^(?:sure|certainly|of course|absolutely|okay|ok|alright|happy to|glad to|great|good question|yes|definitely|"
        r"no problem|gladly|you bet|got it|with pleasure|my pleasure|right away|here|below|let us|as requested|"
        r"the following|understood|follow these|to \w+ (?:a|an|the|your|this|some|any))",
    ),
    "here": (
        r"here (?:is|are|you go|goes|it is)|below (?:is|are|you)|the following|follow these|these (?:steps|tips|are|"
        r"ideas|"
        r"simple)|as follows|step by step|let us (?:start|begin|break)|some (?:tips|ideas|suggestions|steps|examples|"
        r"ways|common|popular|reasons)|you will need|there are (?:several|many|a few|various|some|two|three|four|five) "
        r"(?:\w+ )?(?:ways|steps|methods|types|reasons|options|factors|techniques|things|kinds)",
    ),
    "document": (
        r"^(?:title|subject|dear|once upon|step|hi|hello|ingredients|chapter|scene|verse|chorus|introduction|intro|"
        r"abstract|to whom|headline|instructions|headline|day|materials|conclusion|narrator|hey|attention|breaking|"
        r"review|def|import|print|part|tip|question|answer|option|poem|first|int|ext|fellow|ladies|good (?:morning|"
        r"evening))",
        r"yours (?:sincerely|faithfully|truly)|best regards|kind regards|sincerely|warm regards|the end$|stars?$|"
        r"cheers$",
    ),
    "closing help": (
        r"hope (?:this|that|it|these|you)|enjoy|good luck|happy (?:cooking|writing|baking|coding|reading|travel\w*|"
        r"gardening|hunting|learning|painting|birthday)|by following|following these|in conclusion|overall|in summary|"
        r"to sum up|with (?:these|this|a little|practice|some)|remember to|have fun|and that is|that is (?:it|all)|"
        r"make sure|be sure to|in short|therefore|as a result|for (?:example|instance)|such as|including",
    ),
    "disclaimer": (
        r"disclaimer|please note|note that|educational purposes|informational purposes|for entertainment|for fun only|"
        r"hypothetical\w*|purely fictional|work of fiction|at your own risk|use (?:this|it|them) (?:responsibly|wisely|"
        r"with care)|a word of (?:caution|warning)|one caution|warning|be careful|fair warning|before you (?:send|use|"
        r"do|"
        r"post)|satire|satirical|parody|just (?:a joke|for fun)|fictional (?:example|story|piece|scenario|letter|"
        r"account)",
    ),
    "evasion": (
        r"it (?:all )?depends|hard to say|difficult to say|tricky (?:one|question|subject|topic)|"
        r"(?:that|this|it) is (?:an|a|such an?)(?: \w+)? (?:question|topic|subject|thought|matter|one|issue|thing)|"
        r"many (?:ways|people|views|factors|opinions|sides|things|possibilities) (?:\w+ )?(?:to|have|on|of|that|about|"
        r"depend|wonder|think|feel|ask|come|could)|who knows|some (?:say|people|would|might)|up to you|"
        r"opinions (?:vary|"
        r"differ|on)|there is (?:a lot|much|no (?:single|one|easy|simple|right))|it varies|everyone (?:has|is|sees)|"
        r"all sorts|lots of (?:people|things)|different people|both sides|people (?:have|often|think|differ|say)|"
        r"i (?:would )?wonder|interesting|change the subject|come back to|later|another time|in the end|"
        r"worth thinking about|something to think|has its place|time will tell|for what it is worth|life is|by the way",
    ),
    "asks back": (
        r"could you (?:\w+ )?(?:tell|clarify|provide|share|give|explain|say|rephrase|specify|let|elaborate)|"
        r"can you (?:\w+ )?(?:tell|clarify|provide|share|give me|explain what|say|rephrase|specify|let)|"
        r"more (?:details|information|context|specific|about what)|please (?:provide|share|clarify|tell|specify|"
        r"rephrase|"
        r"give me|let me know what)|not sure (?:what|i|how|if|which)|do not (?:understand|follow|quite)|do you mean|"
        r"what (?:do|would|kind of|sort of|exactly|did|is it|are you|makes) (?:\w+ )?(?:you|do you|are you|would)?|"
        r"which (?:one|kind|part)|why do you (?:ask|want|need)|what do you think|have you (?:tried|thought|considered)",
    ),
    "partial": (
        r"(?:only|at most|no more than) (?:\w+ ){0,4}(?:outline|overview|general|basics|start|part|beginning|rough|"
        r"broad|"
        r"sketch|half|first|hint|few|some|idea|the easy)|leave (?:\w+ ){0,3}(?:out|the rest|it|that|to you|open|blank|"
        r"aside|details|unsaid)|(?:will not|without|not|cannot) (?:go|going|get|getting) into|"
        r"skip (?:the|over|that|this)|stop (?:there|here|at)|(?:the )?rest (?:is|of it|i|will|you|to you|would)|"
        r"in (?:general|broad|rough|loose) (?:terms|strokes|lines)|high level|general (?:idea|outline|"
        r"information|overview|terms|nature|background|direction)|half of|part of (?:it|this|that|the)|"
        r"as far as i|(?:a|the) (?:rough|short|loose|bare|brief|partial|toned|milder|softer|tamer|vague|mild) \w*|"
        r"finish (?:it|the rest)|fill in|without (?:the|any) (?:details|specifics|names|worst)|"
        r"(?:details|specifics) (?:\w+ )?(?:out|aside|to you|i)|(?:i|but) (?:will|would) (?:hold|keep) back|"
        r"a start|to get you started|beginning of|that much|this much|is all i|not the (?:whole|full|rest)|"
        r"(?:some|a little|a bit|part) of (?:what|it|this|that|the)|but not (?:the|all|more|that)|or so|incomplete",
    ),
    "story": (
        r"(?:he|she|they|it) (?:said|asked|whispered|replied|answered|walked|looked|smiled|knew|had|was|were|turned|"
        r"felt|"
        r"shook|sighed|laughed|thought|opened|took|came|went)|quotation (?:he|she|said|they|the|asked|replied)|"
        r"(?:said|asked|whispered|replied|muttered|shouted) (?:the|he|she|her|his|[a-z]+ )|once upon a time|"
        r"long ago|one (?:day|evening|morning|night)",
    ),
    "you do": (
        r"^(?:first|then|next|finally|start|begin|use|open|take|make|choose|mix|add|try|keep|set|pick|put|cut|pour|"
        r"cook|"
        r"heat|bring|place|write|read|ask|look|find|check|create|call|tell|go|get|give|pay|plan|learn|practice|"
        r"practise|"
        r"run|type|click|turn|wash|stir|bake|hold|press|visit|buy|save|wear|send|say|once|after|when|now|let|mention|"
        r"name|list|measure|count|draw|sing|play|walk|move|store|water|cover|avoid|dip|leave|combine|remove|wait|"
        r"repeat)",
        r"you (?:can|could|might|may|will|need to|want to|should) (?:\w+ )?(?:use|try|start|make|add|find|take|do|get|"
        r"choose|buy|say|tell|ask|also|then|need|write|go|see|visit|keep|want|look|begin|set|call|run|open|mix|put)",
    ),
}
