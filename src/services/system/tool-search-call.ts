/**
 * `tool.search`: a model finds tools that are not in its requests yet. Matches are ranked by BM25 over names and summaries, and only
 * those that the caller has the right to are searched. It keeps no state: its result names what it loaded, and each request offers
 * what the results in its conversation name (`registry.ts`), also after a restart, in a replay and in a fork.
 */
import { z } from 'zod'
import { type Core, maxLoadedTools, processRight } from '../../kernel/index.ts'
import { type Call, defineCall, evident, type ToolSpec } from '../../protocol/index.ts'

/** Tools that are named when a search finds none. */
const maxNamedTools = 60

/** Of a description in the results of a search. */
const maxFoundChars = 200

export function toolSearchCall(core: Pick<Core, 'registry'>): Call {
  return defineCall({
    name: 'tool.search',
    inTurn: true,
    findsTools: true,
    summary: `Finds further tools by what they do, and loads up to ${maxLoadedTools}.`,
    input: z.strictObject({ query: z.string().min(1).max(300).meta(evident('Words for what the tool does, or its name.')) }),
    output: z.strictObject({ loaded: z.array(z.string()) }),
    example: { query: 'click a button in a web page' },
    tier: 'read_only',
    // A process holds this right whatever its configuration says.
    right: processRight,
    effect: 'none',
    audience: ['model'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: ({ loaded }) => ({ loaded }),
    run({ query }, { caller }) {
      const tools = core.registry.laterTools(caller.rights)
      const found = rankTools(query, tools).slice(0, maxLoadedTools)
      const lines = found.map(({ name, description }) => `${name}: ${briefly(description)}`)
      const text = found.length > 0 ? `Loaded, call them from now on:\n${lines.join('\n')}` : nothingFound(tools)
      return Promise.resolve({ output: { loaded: found.map(({ name }) => name) }, text, ok: found.length > 0 })
    },
  })
}

/** One line: the whole description comes with the tool. Servers write descriptions of their own. */
function briefly(description: string): string {
  const line = description.replaceAll(/\s+/g, ' ')
  return line.length <= maxFoundChars ? line : `${line.slice(0, maxFoundChars).toWellFormed()}…`
}

function nothingFound(tools: readonly ToolSpec[]): string {
  if (tools.length === 0) return 'There are no further tools.'
  const names = tools.slice(0, maxNamedTools).map(({ name }) => name)
  const more = tools.length > names.length ? ` and ${tools.length - names.length} more` : ''
  return `No tool matches. There are: ${names.join(' ')}${more}`
}

/** Usual values of BM25: how soon further occurrences count less, and how much long texts are discounted. */
const saturation = 1.2
const lengthWeight = 0.75
/** A word of the name counts as often as this many in the summary. */
const nameWeight = 2

/** @returns the tools that share a word with the query, best first; ties keep their order */
export function rankTools(query: string, tools: readonly ToolSpec[]): readonly ToolSpec[] {
  const texts = tools.map(({ name, description }) => [
    ...Array.from({ length: nameWeight }, () => wordsOf(name)).flat(),
    ...wordsOf(description),
  ])
  const meanLength = texts.reduce((sum, { length }) => sum + length, 0) / Math.max(1, texts.length)
  const asked = [...new Set(wordsOf(query))].map((word) => {
    const containing = texts.filter((text) => text.includes(word)).length
    return { word, weight: Math.log(1 + (texts.length - containing + 0.5) / (containing + 0.5)) }
  })
  const scoreOf = (text: readonly string[]): number =>
    asked.reduce((sum, { word, weight }) => {
      const count = text.filter((each) => each === word).length
      const discount = saturation * (1 - lengthWeight + (lengthWeight * text.length) / meanLength)
      return sum + (weight * count * (saturation + 1)) / (count + discount)
    }, 0)
  return tools
    .map((tool, place) => ({ tool, score: scoreOf(texts[place] ?? []) }))
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score)
    .map(({ tool }) => tool)
}

/** Of `readFile` as of `read_file`; without words of one or two letters, and without the ending of plurals and of verbs in the third person. */
function wordsOf(text: string): string[] {
  const words = text.replaceAll(/(?<=\p{Ll})(?=\p{Lu})/gu, ' ').toLowerCase()
  return (words.match(/[\p{L}\p{N}]{3,}/gu) ?? []).map((word) => (word.length > 3 ? word.replace(/(?<!s)e?s$/u, '') : word))
}
