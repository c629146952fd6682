/** `/memory` in a chat: the verbs of `oxbow memory` that a person wants while talking. */
import type { Json } from '../../types/index.ts'
import type { GatewayPort } from '../guest/gateway-port.ts'
import { ask } from '../memory/memory-ask.ts'
import {
  forgetText,
  searchText,
  type ShownForget,
  type ShownHit,
  type ShownStats,
  type ShownWhy,
  statsText,
  whyText,
} from '../memory/memory-text.ts'
import { plainText } from '../view/terminal-text.ts'

const memoryHelp = `/memory WORDS                 find what was noted, ingested and said
/memory add TEXT              note a fact for all later sessions
/memory edit ID TEXT          rewrite a note
/memory why ID                show where a memory comes from
/memory forget ID or PHRASE   list what would go; with --yes behind forget it goes for good
/memory stats                 show how much is remembered
/memory tidy, /memory report  tidy memory; show what tidying has changed`

interface MemoryQuestion {
  readonly name: string
  readonly input: Json
  /** As a person reads the answer; absent: in the words of the call. */
  readonly show?: (output: unknown) => string
}

const shownHits = 5
const idPattern = /^(?:note|fact|message|document|summary)[-:]\S+$/

/** @returns what to ask, or what to tell a person who asked for less than that */
function memoryQuestion(argument: string): MemoryQuestion | string {
  const [verb = '', first = ''] = argument.split(/\s+/)
  const rest = argument.slice(verb.length).trim()
  switch (verb) {
    case '':
    case 'help':
      return memoryHelp
    case 'add':
      return rest === ''
        ? 'give what is to be noted: /memory add I prefer Helix.'
        : { name: 'memory.save', input: { content: rest, tags: [] } }
    case 'edit': {
      const content = rest.slice(first.length).trim()
      return content === ''
        ? 'give an id and the new text: /memory edit note-1f0a… I prefer Vim.'
        : { name: 'memory.update', input: { note_id: first, content } }
    }
    case 'why':
      return first === ''
        ? 'give an id: /memory why note-1f0a…'
        : { name: 'memory.why', input: { note_id: first }, show: (why) => whyText(why as ShownWhy) }
    case 'forget':
      return forgetQuestion(rest)
    case 'stats':
      return { name: 'memory.stats', input: {}, show: (stats) => statsText(stats as ShownStats) }
    case 'tidy':
      return { name: 'memory.tidy', input: {} }
    case 'report':
      return { name: 'memory.report', input: {} }
    default: {
      const query = verb === 'search' ? rest : argument
      return query === '' ? 'give words to look for: /memory search which editor' : searchQuestion(query)
    }
  }
}

function searchQuestion(query: string): MemoryQuestion {
  const input = { query, top_k: shownHits, include_conversation: true }
  return { name: 'memory.search', input, show: (hits) => searchText(hits as readonly ShownHit[], false) }
}

function forgetQuestion(rest: string): MemoryQuestion | string {
  const isDry = !rest.startsWith('--yes')
  const named = isDry ? rest : rest.slice('--yes'.length).trim()
  if (named === '') return 'give an id or a phrase: /memory forget the safe opens with'
  const words = named.split(/\s+/)
  const input = words.every((word) => idPattern.test(word)) ? { ids: words, text: '' } : { ids: [], text: named }
  const question = { name: 'memory.forget', input: { ...input, dry_run: isDry } }
  return isDry ? { ...question, show: (found) => forgetText(found as ShownForget, '/memory forget --yes …') } : question
}

/** @returns what is shown. @throws OxbowError as the call failed */
export async function askMemory(gateway: GatewayPort, argument: string): Promise<string> {
  const question = memoryQuestion(argument)
  if (typeof question === 'string') return question
  const { output, text } = await ask(gateway, question.name, question.input)
  return question.show === undefined ? plainText(text) : question.show(output)
}
