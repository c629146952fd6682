/**
 * The call registry: one description of each call, and what is derived from it: the model's tools, help, and errors that tell a model how
 * to correct its call.
 */
import type { z } from 'zod'
import {
  createRecentMap,
  type Failure,
  errorMessage,
  nearestNames,
  once,
  parseForeignJson,
  type RecentMap,
  wellFormed,
} from '../../base/index.ts'
import { type Message, type Call, type Caller, type ServiceProblem, toolName, type ToolSpec } from '../../protocol/index.ts'
import type { CallReference } from './call-reference.ts'

/** A model that writes more arguments than this is confused; terminals can send files instead. */
export const maxInputBytes: number = 1024 * 1024

/** Share of the model's window that tools may take in each request; less than `maxOfferedBytes` only where the window is small. */
const maxToolShare = 0.1

/** Bytes of a token of JSON, at the least that is usual. */
const toolBytesPerToken = 3

/** Found tools for which a request keeps room: three searches. */
export const maxCountedTools = 30

/** Share of the model's window that found tools may take: those that were found last stay. */
const maxLoadedShare = 0.15

/** Lists of tools that are kept for the sets that searches have loaded. */
const maxHeldToolLists = 100

/** Characters about a malformed input: five fields with what each was expected to be. */
const maxWhyLength = 1_000

type Parsed = { readonly ok: true; readonly call: Call; readonly input: unknown } | { readonly ok: false; readonly failure: Failure }

export interface Registry {
  /** References of all calls, in the order of their descriptions. */
  references(): readonly CallReference[]
  /** Finds a call that this guest can make by `family.verb` or by the tool name `family_verb`. Undefined for all before the first `parse`. */
  find(name: string): Call | undefined
  /** As `find`, also those that this guest cannot make: `unavailable` says why. */
  known(name: string): Call | undefined
  /**
   * Finds the call and validates the input; a string is parsed as JSON, as models write it. Loads the descriptions: all other methods
   * but `find` may be used only after the first `parse`.
   */
  parse(name: string, input: unknown): Promise<Parsed>
  /**
   * Tools of a request by a caller with these rights: those that are always offered, then those that searches in its conversation have
   * loaded, in that order, so that a prompt cache keeps its beginning. The same set object with the same loaded tools gives the same
   * array, so that it can be cached by identity.
   */
  tools(rights: ReadonlySet<string>, conversation: readonly Message[]): readonly ToolSpec[]
  /** Tools that a search may load. Empty when all are offered. */
  laterTools(rights: ReadonlySet<string>): readonly ToolSpec[]
  /** The most that tools which searches have loaded take of a request, as JSON. One tool may be larger. */
  readonly maxLoadedChars: number
  /** The calls that come and go; the same array until something changes. */
  coming(): readonly Call[]
  /** Section of the system prompt for these tools: fields that several of them share. */
  sharedFields(rights: ReadonlySet<string>): string
}

interface Loaded extends Pick<typeof import('./call-reference.ts'), 'describeCall' | 'toTools'> {
  readonly byName: ReadonlyMap<string, Call>
  /** Calls that may be hidden. */
  readonly changing: readonly Call[]
}

/**
 * @param describe loads the descriptions at the first call: they are a third of the code that a start would otherwise load
 * @param hides whether a call is of no use now, so that no model is offered it; may change, unlike the descriptions
 * @param coming further calls, asked for each time
 * @param loading resolves when plugins that nobody has asked yet have told what they have; null: all have
 * @param problems services that do not work, whose calls may be missing
 * @param contextTokens window of the model: where the tools of a request would take too much of it, rare ones are left to the call that finds tools
 */
export function createRegistry(
  describe: () => Promise<readonly Call[]>,
  hides: (call: Call) => boolean = () => false,
  coming: ComingCalls = () => noCalls,
  contextTokens: number = Infinity,
  loading: () => Promise<void> | null = () => null,
  problems: () => readonly ServiceProblem[] = () => [],
): Registry {
  let loaded: Loaded | null = null
  const maxToolBytes = contextTokens * maxToolShare * toolBytesPerToken
  const maxLoadedChars = contextTokens * maxLoadedShare * toolBytesPerToken
  const load = once(async (): Promise<Loaded> => {
    const [calls, reference] = await Promise.all([describe(), import('./call-reference.ts')])
    const isHere = ({ starts, unavailable }: Call): boolean => starts !== undefined && unavailable === undefined
    const changing = calls.filter((call) => isHere(call) && call.audience.includes('model'))
    return (loaded = { ...reference, byName: indexed(calls), changing })
  })
  const requireLoaded = (): Loaded => {
    return loaded ?? unloaded()
  }
  const comingNow = indexComing(coming)
  const known = (name: string): Call | undefined => loaded?.byName.get(name) ?? comingNow().byName.get(name)
  const find = (name: string): Call | undefined => [known(name)].find((call) => call?.unavailable === undefined)
  const all = (): readonly Call[] => [...new Set(requireLoaded().byName.values()), ...comingNow().calls]
  const toolCache = new WeakMap<ReadonlySet<string>, ToolSet>()
  const toolsFor = (rights: ReadonlySet<string>): ToolSet => {
    const hidden = requireLoaded().changing.filter(hides)
    let tools = toolCache.get(rights)
    if (
      tools === undefined ||
      tools.coming !== coming() ||
      tools.hidden.length !== hidden.length ||
      hidden.some((call) => !tools!.hidden.includes(call))
    ) {
      const mayUse = ({ name, audience, right }: Call) => audience.includes('model') && rights.has(right) && find(name) !== undefined
      const offered = all().filter((call) => mayUse(call) && !hidden.includes(call))
      const made = {
        ...requireLoaded().toTools(offered, maxToolBytes),
        hidden,
        coming: coming(),
        lists: createRecentMap<string, readonly ToolSpec[]>(maxHeldToolLists),
      }
      toolCache.set(rights, (tools = made))
    }
    return tools
  }
  return {
    find,
    known,
    references: () => all().map(requireLoaded().describeCall),
    async parse(name, input) {
      if (loaded === null) await load()
      if (known(name) === undefined) await loading()
      const call = known(name)
      if (call === undefined) return { ok: false, failure: unknownCall(name, all(), problems()) }
      // It is refused with the reason, whatever its input is.
      if (call.unavailable !== undefined) return { ok: true, call, input: {} }
      if (typeof input === 'string' && input.length > maxInputBytes) return { ok: false, failure: tooLarge(call, input.length) }
      const value = typeof input === 'string' ? parseArguments(input) : { json: input }
      if ('problem' in value) return { ok: false, failure: badInput(call, `the arguments are not valid JSON (${value.problem})`) }
      const parsed = call.input.safeParse(wellFormed(value.json))
      return parsed.success ? { ok: true, call, input: parsed.data } : { ok: false, failure: badInput(call, explain(parsed.error)) }
    },
    tools: (rights, conversation) => withLoaded(toolsFor(rights), conversation, maxLoadedChars),
    maxLoadedChars,
    laterTools: (rights) => toolsFor(rights).later,
    coming,
    sharedFields: (rights) => toolsFor(rights).sharedFields,
  }
}

function indexed(calls: readonly Call[]): Map<string, Call> {
  return new Map(calls.flatMap((call) => [[call.name, call] as const, [toolName(call.name), call] as const]))
}

function unloaded(): never {
  throw new Error('the registry is used before its first parse')
}

interface ToolSet extends ReturnType<Loaded['toTools']> {
  readonly hidden: readonly Call[]
  readonly coming: readonly Call[]
  readonly lists: RecentMap<string, readonly ToolSpec[]>
}

/** @returns what is offered, and the most recently found of the loaded tools, as many as fit */
function withLoaded({ offered, later, search, lists }: ToolSet, conversation: readonly Message[], maxChars: number): readonly ToolSpec[] {
  if (later.length === 0) return offered
  const names = loadedNames(conversation, search)
  const key = names.join(' ')
  let list = key === '' ? offered : lists.get(key)
  if (list === undefined) {
    const loaded = names.flatMap((name) => later.find((tool) => tool.name === name) ?? []).slice(-maxCountedTools)
    let chars = loaded.reduce((sum, tool) => sum + JSON.stringify(tool).length, 0)
    while (loaded.length > 1 && chars > maxChars) chars -= JSON.stringify(loaded.shift()).length
    lists.put(key, (list = [...offered, ...loaded]))
  }
  return list
}

/** @returns the tools that the results of a search for them name, each once, in the order in which they were loaded */
function loadedNames(conversation: readonly Message[], search: string): readonly string[] {
  const names = new Set<string>()
  for (const { role, parts } of conversation) {
    if (role !== 'tool' || parts[0].name !== search || !parts[0].ok) continue
    for (const [, name] of parts[0].text.matchAll(/^([\w-]+): /gm)) names.add(name ?? '')
  }
  return [...names]
}

function parseArguments(text: string): { readonly json: unknown } | { readonly problem: string } {
  // Models may send an empty string for a tool without arguments.
  if (text.trim() === '') return { json: {} }
  try {
    return { json: parseForeignJson(text) }
  } catch (error) {
    return { problem: errorMessage(error) }
  }
}

/** @returns what is wrong with up to five fields, for people and models */
export function explain(error: z.ZodError): string {
  const why = error.issues
    .slice(0, 5)
    .map((issue) => (issue.path.length === 0 ? issue.message : `field \`${issue.path.join('.')}\`: ${issue.message}`))
    .join('; ')
  // The message quotes field names that a model chose, and refusals are not truncated later.
  return why.length <= maxWhyLength ? why : `${why.slice(0, maxWhyLength).toWellFormed()}…`
}

function badInput(call: Call, why: string): Failure {
  return {
    code: 'bad_input',
    message: `${toolName(call.name)} was not run: ${why}.`,
    hint: `Correct it and call again. A valid example: ${JSON.stringify(call.example)}`,
  }
}

function tooLarge(call: Call, length: number): Failure {
  return {
    code: 'limit_reached',
    message: `${toolName(call.name)} was not run: its arguments have ${length} characters, more than ${maxInputBytes}.`,
    hint: 'Split the call into smaller ones, e.g. write a file in pieces.',
  }
}

function unknownCall(name: string, calls: readonly Call[], problems: readonly ServiceProblem[]): Failure {
  const own = calls.flatMap((call) => (call.unavailable !== undefined ? [] : name.includes('.') ? call.name : toolName(call.name)))
  const near = nearestNames(name, own, 4).slice(0, 3)
  const broken = problems.map((each) => ` The service ${each.name} does not work, and may lack calls: ${each.problem}`).join('')
  return {
    code: 'unknown_call',
    message: `There is no call named ${JSON.stringify(name.slice(0, 60))}.${broken}`,
    hint:
      near.length > 0
        ? `Did you mean ${near.join(' or ')}?`
        : 'Only the tools that are offered can be called; `oxbow calls` lists what a terminal can call.',
  }
}

const noCalls: readonly Call[] = []

/** Calls that come and go. @returns the same array until something changes */
type ComingCalls = () => readonly Call[]

/** For whom a section of the system prompt is. */
export interface SectionAgent extends Pick<Caller, 'rights' | 'limits'> {
  readonly name: string
}

/** Finds calls that come and go by name and by tool name; indexed anew when they have changed. */
function indexComing(coming: ComingCalls): () => { readonly calls: readonly Call[]; readonly byName: ReadonlyMap<string, Call> } {
  let index = { calls: noCalls, byName: indexed(noCalls) }
  return () => {
    const calls = coming()
    if (calls !== index.calls) index = { calls, byName: indexed(calls) }
    return index
  }
}
