/** `oxbow memory`: searching, correcting and forgetting. Exporting and importing files stands in the terminal. */
import { forgetText, searchText, type ShownForget, type ShownHit, statsText, whyText, plainText } from '../../terminal/index.ts'
import { type JsonObject, OxbowError, ownValue, textIn } from '../../base/index.ts'
import type { ServiceVerb, Typed } from '../../protocol/index.ts'

/** Of a verb about one memory. */
const one = { typed: { id: { field: 'note_id', help: 'of the memory, as a search shows it' } }, omit: true } as const

const tagOption = { field: 'tags', help: 'add a tag; repeat for more' } as const

export const memoryVerbs: readonly ServiceVerb[] = [
  {
    words: 'memory search <words...>',
    summary: 'search notes, documents and conversations',
    examples: ['oxbow memory search where do I live', 'oxbow memory search address --as-of 2024-06-01 --json'],
    call: 'memory.search',
    fixed: { include_conversation: true },
    typed: {
      words: 'query',
      '--limit <n>': { field: 'top_k', help: 'maximum number of results' },
      '--tag <tag>': { field: 'tags', help: 'only with this tag; repeat for more' },
      '--notes': { field: 'include_conversation', value: false, help: 'leave out conversations' },
      '--as-of <date>': { field: 'as_of', help: 'search memory as of this date, e.g. 2026-11-21' },
      '--why': { field: '', help: 'show why each result was found' },
    },
    lines: (hits: readonly ShownHit[]) => hits,
    show: (hits: readonly ShownHit[], { options }) => searchText(hits, options['why'] === true),
  },
  {
    words: 'memory why <id>',
    summary: 'show where a memory comes from and what corrects it',
    examples: ['oxbow memory why note-1f0a22c4b7d91e05'],
    call: 'memory.why',
    ...one,
    show: whyText,
  },
  {
    words: 'memory stats',
    summary: 'show the size of memory and the state of the index',
    examples: ['oxbow memory stats'],
    call: 'memory.stats',
    show: statsText,
  },
  {
    words: 'memory add <text...>',
    summary: 'add a note for all later sessions',
    examples: ['oxbow memory add "I prefer Helix." --tag tools'],
    call: 'memory.save',
    typed: { text: { field: 'content', help: 'what to note' }, '--tag <tag>': tagOption },
  },
  {
    words: 'memory edit <id> [text...]',
    summary: 'edit or annotate a memory',
    examples: ['oxbow memory edit note-1f0a… "I live in Busan." --supersede --from 2026-03-01', 'oxbow memory edit note-1f0a… --trust'],
    call: 'memory.update',
    typed: {
      ...one.typed,
      text: { field: 'content', help: 'the new text' },
      '--supersede': { field: '', help: 'keep the old text as history' },
      '--from <date>': { field: '', help: 'valid from this date' },
      '--to <date>': { field: '', help: 'valid until this date' },
      '--tag <tag>': { field: 'tags', help: 'replace the tags; repeat for more' },
      '--confirm [id]': { field: '', help: 'mark as confirmed, by you or by another memory' },
      '--contradicts <id>': { field: '', help: 'mark as contradicting another memory' },
      '--trust': { field: '', help: 'remove the untrusted label' },
    },
    input(input, { options }) {
      const count = editsOf(input, options).length
      if (count === 1) return input
      throw new OxbowError('bad_input', count === 0 ? 'No change was given.' : 'Only one change can be made at a time.', {
        hint: 'Give a new text, or one of --confirm, --contradicts, --trust, --from and --to.',
      })
    },
    instead: (input, options) => editsOf(input, options)[0],
  },
  {
    words: 'memory pin <id>',
    summary: 'keep a memory from fading',
    examples: ['oxbow memory pin note-1f0a…', 'oxbow memory pin note-1f0a… --undo'],
    call: 'memory.pin',
    ...one,
    typed: { ...one.typed, '--undo': { field: 'pinned', value: false, help: 'unpin' } },
  },
  {
    words: 'memory forget [ids...]',
    summary: 'erase memories for good, also from the journal',
    examples: ['oxbow memory forget note-1f0a…', 'oxbow memory forget --text "the safe opens with" --yes'],
    call: 'memory.forget',
    fixed: { dry_run: true },
    typed: {
      '--dry-run': { field: '', help: 'show what would be erased, and stop; also what happens without --yes' },
      '--text <phrase>': { field: 'text', help: 'erase everything that contains this phrase' },
      '--yes': { field: 'dry_run', value: false, help: 'erase; without it, list what would be erased' },
    },
    input(input, { options }) {
      if (options['dryRun'] !== true || options['yes'] !== true) return input
      throw new OxbowError('bad_input', '--yes and --dry-run exclude each other', { hint: 'Give --yes alone to erase.' })
    },
    show: (found: ShownForget, { input, text }) => (input['dry_run'] === true ? forgetText(found) : plainText(text)),
  },
  {
    words: 'memory ingest <path>',
    summary: 'add a file or folder of the workspace to memory',
    examples: ['oxbow memory ingest /shared/docs', 'oxbow memory ingest /shared/handbook.pdf --tag handbook --trust'],
    call: 'memory.ingest',
    typed: {
      path: { field: 'path', help: 'file or folder; what is deleted there is removed from memory' },
      '--tag <tag>': tagOption,
      '--trust': { field: 'trust', help: 'add without the untrusted label' },
    },
  },
  {
    words: 'memory reindex',
    summary: 'rebuild the index and all vectors',
    examples: ['oxbow memory reindex'],
    call: 'memory.reindex',
  },
]

/** @returns a call for each change that was typed */
function editsOf(input: JsonObject, options: Typed['options']): readonly (readonly [call: string, input: JsonObject])[] {
  const { supersede, confirm } = options
  const note = { note_id: input['note_id']! }
  const given = (name: string): JsonObject => {
    const value = ownValue(options, name)
    return typeof value === 'string' ? { [name]: value } : {}
  }
  const [from, to] = [given('from'), given('to')]
  const { contradicts: other } = given('contradicts')
  const isNew = textIn(input, 'content') !== ''
  const isTime = 'to' in to || ('from' in from && supersede !== true)
  return [
    ...(!isNew ? [] : supersede === true ? [['memory.supersede', { ...input, ...from }] as const] : [['memory.update', input] as const]),
    ...(confirm === undefined ? [] : [['memory.confirm', { ...note, ...(typeof confirm === 'string' && { by: confirm }) }] as const]),
    ...(other === undefined ? [] : [['memory.contradict', { ...note, other }] as const]),
    ...(options['trust'] === true ? [['memory.promote', note] as const] : []),
    ...(isTime ? [['memory.valid', { ...note, ...from, ...to }] as const] : []),
  ]
}
