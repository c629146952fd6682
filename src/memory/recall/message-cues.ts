/**
 * What the words of a message say about whose matter it is: the person's own ("my sister", "did we decide"), one in which the person
 * occurs ("while I am at work", "the kids"), one that anybody could ask about ("what is a mortgage?"), or nothing. In English; the
 * person's own is also recognized by the commonest words of some other languages.
 */
import { stem } from '../text/terms.ts'

/** What a message says of its needs. */
export interface TurnNeed {
  /** `nothing`: no search can bring anything that the message needs. */
  readonly kind: 'nothing' | 'impersonal' | 'plain' | 'speaker' | 'personal'
  /** Terms of the message that say what it is about. */
  readonly telling: readonly string[]
  /** Of them those whose something is asked for: `Clara's`. */
  readonly owners: readonly string[]
  /** Of a question in English, terms that point at something both know of: names, and what stands behind "the". Null for all else. */
  readonly pointed: readonly string[] | null
  /** What it calls "the best man". */
  readonly phrases: readonly string[]
  readonly isQuestion: boolean
  /** Terms of names in it. */
  readonly names: readonly string[]
  /** Telling terms of each of the things that it asks. */
  readonly parts: readonly (readonly string[])[]
  readonly words: number
  readonly wants: Wanted
}

/** In the message stands material, and before it what is to be done with it. */
const material =
  /^[^:\n]*\b(?:this|these|following|below|summari[sz]e|translate|proofread|correct|rewrite|rephrase|shorten|improve|fix|explain|review)\b[^:\n]*:\s/iu

/** @returns the part of a message that says what is wanted */
export function withoutMaterial(message: string): string {
  return material.exec(message)?.[0] ?? message
}

/** What a person brings along and works at: it is in the message or in a file, and not in memory. */
const brought =
  'code|script|program|function|query|regex|file|files|folder|text|essay|sentence|grammar|paragraph|draft|letter|message|question|answer|list|table|input|output|error|bug|test|tests|build|repo|branch|commit|changes|math|homework|mistake|own'
/** English, and the commonest words for it in some other languages. */
const theirs = [
  new RegExp(
    `\\b(?:my|our)\\b(?!\\s+(?:\\p{L}+\\s+)?(?:${brought})\\b)|\\b(?:ours|mine|myself|ourselves)\\b|\\b(?:we|us)\\b(?!.*\\bcall\\b)|\\bthe usual(?!\\s+\\p{L}+\\s+\\p{L})|\\bas usual\\b`,
    'iu',
  ),
  /\b(?:remember|remind me of|about me|mentioned|talked|last time|mom|mum|mam|dad|grandma|grandpa|granny|auntie)\b/iu,
  /\b(?:told|did) you\b|\byou (?:said|told|suggested|recommended|wrote|gave)\b|\b[Ww]ho(?:'s| is| was) \p{Lu}/u,
  /^(?!\W*how (?:do|can|could|would|should)\s+I\b).*\b(?:did|am|was|have|had|do|will|must)\s+I\b/iu,
  /\bI (?:usually|always|normally|prefer|like|liked|enjoy|hate|told|said|decided|promised|bought|sold)\b/iu,
  /\bdo I (?:\p{L}+ly )?(?:prefer|like|want|usually|need)\b/iu,
  /(?<!\p{L})(?:mein\p{L}{0,2}|unser\p{L}{0,2}|ich|wir|mi|mis|nuestr[oa]s?|soy|mon|mes|notre|nos|je|nous|mia|mio|meu|minha)(?!\p{L})/iu,
  /[我咱]|私|僕|俺|우리|내(?=\s)/u,
]

/** First-person phrases that do not ask about the person's own matters: "tell me", "can I", "I need a function". */
const empty =
  /\b(?:give|tell|show|help|let|send|get|teach|explain to|remind|ask|correct|hear|see|understand) (?:me|us)\b|\b(?:how|where|when|what|which|who)\b[^?]{0,20}?\b(?:do|can|could|would|should|to) I\b|^\W*(?:can|could|may|should|shall) I\b|\bI (?:need|want|think|mean|meant|get|got|see|would like|should like|guess|wonder|have)\b|\blike I(?:'m| am)\b|^\W*(?:please )?(?:explain|describe|read|show|write|translate|draw)\b[^.?!]*?\b(?:to|for) me\b|\bif I\b/giu
const speaker = /\b(?:I|I'm|I've|I'd|me|us)\b/u
/** Who and what a household has one of. */
const household =
  /\bthe (?:kids|kid|children|baby|twins|girls|boys|wife|husband|family|in-laws|dog|cat|boss|landlord|landlady|neighbou?rs?|lady next door|house|flat|garden|car|van)\b/iu

/** Questions about what must or may be done, or whose something is: the answer is the person's own, unless they ask about everybody. */
const arrangement =
  /\b(?:must|may|ha(?:s|ve) to|needs? to|(?:is|are|am) (?:\w+ )?(?:allowed|supposed|due|meant)|should (?:I|we)(?! (?:use|start|begin|try|learn|choose|pick|buy|read|watch|do|go|know|expect|worry)\b))\b|^\W*(?:\p{L}+ )?whose\b/iu

/** A question that is about no one: what something is, how it is done, what one does. */
const impersonal = [
  // "What is a mortgage?", "how fast can a lurcher run?"
  /\b(?:is|are|was|were|do|does|did|can|could|should|would|will|has|have) an?\s/iu,
  // "How do you calculate it?", "what do people eat there?"
  /^\W*(?:how|what|when|why|where|which|is|should|do)\b.*\b(?:do|does|can|should|would|could|did|to|must|may) (?:you|one|people|someone|somebody|anyone|they)\b/iu,
  /\b(?:one's|oneself|in general|generally)\b/iu,
  // "Why do cats purr?", "are mushrooms plants?"
  /\b(?:do|are|can|should|could|would) (?!(?:the|this|that|these|those|his|hers?|their|theirs|yours?|its?)\b)(?:\p{Ll}+ )?(?:\p{Ll}{2,}s|children|people|men|women|mice|geese|fish|sheep)\b(?! (?:of|from|for|to|with|in|on) (?:the|my|our|this|that)\b)/u,
  // "How is glass made?", "how does wifi work?"
  /^\W*how (?:is|are|was|were) [^?]*(?:\p{L}ed|\b(?:made|built|set|done|grown|spoken|written))\b/iu,
  /^\W*how (?:does|do|did) [^?]* (?:work|form|function|happen)\b/iu,
  /^\W*(?:what|who) (?:first |else )?(?:causes?|caused|invented|discovered|wrote|painted|composed|founded|created|designed|built|directed|won|sang)\b/iu,
  /^\W*(?:when|where|why) (?:was|were|did) [^?]*\b(?:invented|discovered|founded|built|written|painted|published|fall|begin|end|break out)\b/iu,
  /\b(?:stand|stands) for\b|^\W*what (?:is|are) (?!the|my|our)[^?]* (?:used|good) for\b|^\W*what (?:does|do) [^?]* mean\b|\bthe meaning of\b/iu,
  /\b(?:difference|differences) between\b|\b(?:signs|symptoms|effects|rules|ingredients|advantages|downsides|benefits|pros|causes|history|capital|population|plural|definition) of\b/iu,
  /^\W*how (?:big|large|far|tall|high|deep|heavy|wide|hot|cold|safe|dangerous|hard|common) (?:is|are)\b/iu,
  /^\W*how (?:many|much) [^?]*\b(?:in|live|are there|speak)\b/iu,
]
/** "What is palliative care?": words alone, and no name. */
const definition = /^\W*(?:so |and )?(?:what|who)(?:'s|s| is| are| was| were) ((?:\p{Ll}[\p{L}\p{N}-]*\s?|\p{N}\p{L}*\s?){1,3})\W*$/u
const reference = /^(?:the|my|our|his|her|their|its|this|that|these|those|it|he|she|they|you|your|up|wrong|new|next|going)\b/iu

/** @param text of a request @returns whose matter it is */
export function whoseMatter(text: string): 'personal' | 'speaker' | 'impersonal' | 'plain' {
  if (isTheirs(text)) return 'personal'
  if (household.test(text) || speaker.test(text.replaceAll(empty, ' '))) return 'speaker'
  if (isImpersonal(text)) return 'impersonal'
  return isQuestion(text) && arrangement.test(text) ? 'speaker' : 'plain'
}

export function isTheirs(text: string): boolean {
  return theirs.some((each) => each.test(text))
}

function isImpersonal(text: string): boolean {
  if (!isQuestion(text)) return false
  const what = definition.exec(text.replace(/^\p{Lu}/u, (letter) => letter.toLowerCase()))?.[1]
  if (what !== undefined) return !reference.test(what)
  return impersonal.some((each) => each.test(text)) || /^\W*how (?:do|can|could|would|should) I\b(?!.*\bthe\b)/iu.test(text)
}

const definite = /\b(?:the|this|that|these|those|his|her|their)\s+((?:[\p{L}\p{N}'’-]+\s*){1,3})/giu
const nameInside = /(?<=[\p{L}\p{N},;:'"“”)] )\p{Lu}[\p{L}\p{M}\p{N}]*/gu
/** "The best", "the most": picks one out of all there are. */
const picked = /^(?:best|most|least|first|last|only|same|other|next|biggest|largest|longest|oldest|fastest|newest|word|world|\p{L}+est)\b/iu

/** @returns words by which a message points at something that both know of */
export function pointedAt(text: string): readonly string[] {
  const behind = [...text.matchAll(definite)].flatMap(([, words = '']) => (picked.test(words) ? [] : words.trim().split(/\s+/)))
  return [...behind, ...namesInside(text)]
}

/** @returns what stands behind "the", two words of it, in lower case: `best man` */
export function definitePhrases(text: string): readonly string[] {
  return [...text.toLowerCase().matchAll(definite)].flatMap(([, words = '']) => {
    const [first, second] = words.trim().split(/\s+/)
    return second === undefined ? [] : [`${first} ${second}`]
  })
}

/** @returns words with a capital that begin no sentence */
export function namesInside(text: string): readonly string[] {
  return text.match(nameInside) ?? []
}

const asking = 'who whom whose what when where which why how is are was were do does did has have had can could should would will am'
const verbs = [
  'add append ask book build bump calculate call change check clean close commit compare compile compose compress continue convert copy correct count',
  'create debug delete deploy describe design document download draft edit explain extract fetch find fix format generate get give go grep',
  'help implement import improve install list log look make merge move open optimi[sz]e parse pick plan prepare print proofread push put read recommend',
  'redo refactor remind remove rename reorder replace reply rephrase research revert review rewrite roll run save say schedule search send set',
  'shorten show solve sort split start stop suggest sum summari[sz]e switch tail tell test text translate try turn undo unzip update upload use verify',
  'walk watch write',
].join(' ')
/** How people begin what they want. */
const beginsWith = (words: string): RegExp =>
  new RegExp(
    `^\\W*(?:(?:please|now|then|and|so|ok|okay|hey|hi|hello|quick|question|just|also|(?:can|could|would|will) you)\\W+)*(${words.replaceAll(' ', '|')})\\b`,
    'iu',
  )
const command = beginsWith(verbs)
const question = beginsWith(asking)
/** Whether a question is one in English, so that its articles and names say something. */
export function asksInEnglish(text: string): boolean {
  return question.test(text)
}

const questionMark = /[?？؟]\s*["'”’)]*\s*$/u

/** @returns the term of the verb that a command begins with: what is to be done, and not with what */
export function commandOf(text: string): string | null {
  const verb = command.exec(text)?.[1]
  return verb === undefined ? null : stem(verb.toLowerCase())
}

export function isQuestion(text: string): boolean {
  return !command.test(text) && (question.test(text) || questionMark.test(text))
}

/** A question or a command. What is neither tells something. */
export function isRequest(text: string): boolean {
  return command.test(text) || isQuestion(text)
}

/** What kind of thing a message asks for. */
export type Wanted = 'time' | 'number' | 'person' | 'place' | ''

const wanted: readonly (readonly [Wanted, RegExp])[] = [
  [
    'time',
    /\b(?:when|what (?:time|day|date)|which (?:day|week|date|month)|until when|since when|how (?:long|often)|wann|cuándo|quand)\b/iu,
  ],
  ['number', /\b(?:how (?:much|many|old|wide|big|deep|tall|loud|high)|number|code|pin|port|price|phone|rate|budget)\b/iu],
  ['person', /\b(?:who|whom|whose|wer|quién|qui)\b/iu],
  ['place', /\b(?:where|address|wo|dónde|où)\b/iu],
]

export function wantedBy(text: string): Wanted {
  return wanted.find(([, asks]) => asks.test(text))?.[0] ?? ''
}
