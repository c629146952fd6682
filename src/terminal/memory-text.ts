/** Output of `oxbow memory` and `/memory` for a terminal of 80 columns. */
import type { OutputOf } from '../protocol/index.ts'
import { formatBytes, formatTime, plainLine, plainText } from './terminal-text.ts'

export interface ShownHit {
  readonly note_id: string
  readonly text: string
  /** The matching sentence. Absent from a guest of an older version. */
  readonly match?: string
  readonly score: number
  /** A weak match, possibly about something else. */
  readonly weak: boolean
  readonly source: string
  readonly tags: readonly string[]
  readonly created_at: number
  readonly author: string
  readonly labels: readonly string[]
  readonly holds: boolean
  readonly superseded_by: string
  readonly contradicts: readonly string[]
  readonly why: {
    readonly textRank: number | null
    readonly vectorRank: number | null
    readonly exact: readonly string[]
    readonly standsFor: readonly string[]
  }
}

const columns = 78
/** Lines of a result, and of a weak one; `--json` prints the whole text. */
const maxLines = 6
const maxWeakLines = 1

/** @returns words in lines of at most 78 characters including the prefix; a longer word gets its own line. */
function wrapped(text: string, lines: number, begin = '  '): string {
  const out: string[] = []
  for (const paragraph of plainText(text).split('\n')) {
    let line = ''
    for (const word of paragraph.split(/\s+/).filter((each) => each !== '')) {
      if (line !== '' && line.length + 1 + word.length > columns - begin.length) {
        out.push(line)
        line = word
      } else line = line === '' ? word : `${line} ${word}`
    }
    if (line !== '') out.push(line)
  }
  const shown = out.slice(0, lines).map((line) => `${begin}${line.slice(0, 400)}`)
  return out.length > lines ? `${shown.join('\n')} …` : shown.join('\n')
}

export function searchText(hits: readonly ShownHit[], withWhy: boolean): string {
  const strong = hits.filter(({ weak }) => !weak)
  const weak = hits.filter((hit) => hit.weak)
  return [
    ...(strong.length === 0 ? ['No matches found.'] : []),
    ...strong.map((hit) => hitText(hit, withWhy)),
    ...(weak.length === 0 ? [] : ['Weak matches:']),
    ...weak.map((hit) => hitText(hit, withWhy)),
  ].join('\n\n')
}

/** Starts with the matching sentence: the text before it may be longer than what is shown. */
function shownLines({ text, match = '', weak }: ShownHit): readonly string[] {
  if (match === '') return [wrapped(text, weak ? maxWeakLines : maxLines)]
  const marked = wrapped(match, weak ? maxWeakLines : maxLines, '  > ')
  const rest = text.replace(match, () => '').replace(/^(?:person|agent):\s*$/gmu, '')
  return weak || rest.trim() === '' ? [marked] : [marked, wrapped(rest, maxLines)]
}

function hitText(hit: ShownHit, withWhy: boolean): string {
  const marks = [
    sourceText(hit),
    formatTime(hit.created_at),
    ...hit.tags.map((tag) => `#${plainLine(tag, 64)}`),
    ...(hit.labels.includes('untrusted') ? ['untrusted'] : []),
    ...(hit.contradicts.length > 0 ? ['contradicted'] : []),
  ]
  const { textRank, vectorRank, exact, standsFor } = hit.why
  const why = [
    `score ${hit.score.toFixed(2)}`,
    textRank === null ? 'not by words' : `words rank ${textRank}`,
    vectorRank === null ? 'not by meaning' : `meaning rank ${vectorRank}`,
    ...(exact.length > 0 ? [`exactly ${exact.map((each) => JSON.stringify(plainLine(each, 40))).join(', ')}`] : []),
    ...(standsFor.length > 0 ? [`represents ${standsFor.length} more`] : []),
  ]
  return [
    marks.join(' · '),
    ...shownLines(hit),
    ...(hit.holds ? [] : [hit.superseded_by === '' ? '  (no longer valid)' : `  (superseded by ${plainLine(hit.superseded_by, 80)})`]),
    ...(withWhy ? [`  ${why.join(', ')}`] : []),
    `  ${plainLine(hit.note_id, 120)}`,
  ].join('\n')
}

function sourceText({ source, author }: Pick<ShownHit, 'source' | 'author'>): string {
  const [, kind, name = ''] = /^(plugin|space):(.+)$/s.exec(author) ?? []
  if (kind === 'space') return `shared by the space ${plainLine(name, 60)}`
  if (source === 'document') return plainLine(author, 60)
  const who = author === 'user' ? 'you' : kind === undefined ? 'the agent' : `the plugin ${plainLine(name, 60)}`
  return source === 'conversation' ? `said by ${who}` : source === 'summary' ? 'summary' : `noted by ${who}`
}

interface Named {
  readonly id: string
  readonly text: string
}

/** The earliest date there is: the start of validity is unknown. */
const sinceEver = -8.64e15

export type ShownWhy = OutputOf<'memory.why'>

export function whyText(why: ShownWhy): string {
  const named = (what: string, all: readonly Named[]): string[] =>
    all.map(({ id, text }) => `${what} ${id}: ${plainLine(text, 50) || '(erased)'}`)
  const { by, record } = why
  const lines = [
    `kind        ${why.kind}, ${why.type.replace('_', ' ')}${why.tags.length > 0 ? `, tags ${why.tags.map((tag) => plainLine(tag, 64)).join(', ')}` : ''}`,
    `holds       ${why.holds ? 'yes' : 'no'}${why.valid_from <= sinceEver ? '' : `, from ${formatTime(why.valid_from)}`}${why.valid_to === null ? '' : ` until ${formatTime(why.valid_to)}`}`,
    `trust       ${why.labels.includes('untrusted') ? 'untrusted: written by others, or after reading what others wrote' : 'yes'}${
      why.promoted === null ? '' : `, by ${plainLine(why.promoted.by, 60)} since ${formatTime(why.promoted.at)}`
    }`,
    `written     ${formatTime(why.created_at)}${why.updated_at > why.created_at ? `, changed ${formatTime(why.updated_at)}` : ''}`,
    `by          ${plainLine(by.actor, 60) || 'unknown'}`,
    ...(why.learned_by === undefined
      ? []
      : [`learned     ${why.learned_by === 'rule' ? 'by a rule' : 'by a model'}, from what was said there`]),
    ...(by.session === '' ? [] : [`session     ${plainLine(by.session, 60)}`]),
    ...(by.turn === '' ? [] : [`turn        ${plainLine(by.turn, 60)}`]),
    ...(by.call === '' ? [] : [`call        ${plainLine(by.call, 60)}`]),
    record === null
      ? 'record      none'
      : `record      ${record.seq}: ${plainLine(record.name, 60)}, ${record.phase}${record.erased ? ', its body was erased' : ''}\n            ${record.hash}`,
    `weight      importance ${why.importance.toFixed(2)}, ${why.tier}, protection ${why.protection}, used ${why.accesses} times`,
    ...named('superseded by', why.superseded_by === null ? [] : [why.superseded_by]),
    ...named('supersedes', why.supersedes),
    ...named('contradicts', why.contradicts),
    ...named('confirmed by', why.confirmed_by),
  ]
  return `${wrapped(why.text, 20)}\n\n${lines.join('\n')}`
}

export type ShownStats = OutputOf<'memory.stats'>

export function statsText(stats: ShownStats): string {
  const kinds = Object.entries(stats.byKind).map(([kind, count]) => `${count} ${kind}${count === 1 ? '' : kind === 'summary' ? '' : 's'}`)
  return [
    `memories    ${stats.entries}${kinds.length > 0 ? `: ${kinds.join(', ')}` : ''}`,
    `passages    ${stats.passages}, ${formatBytes(stats.bytes)}`,
    ...stats.models.map(
      ({ model, dims, state, vectors }) => `vectors     ${vectors} of ${plainLine(model, 40)}, ${dims} dimensions, ${state}`,
    ),
    ...(stats.waiting > 0 ? [`waiting     ${stats.waiting} passages for a vector`] : []),
    `indexed     to record ${stats.indexed} of ${stats.journal}`,
    ...(stats.problem === null ? [] : [`problem     ${plainLine(stats.problem, 200)}`]),
  ].join('\n')
}

export interface ShownForget {
  readonly dry_run: boolean
  readonly entries: readonly { readonly id: string; readonly kind: string; readonly text: string }[]
  /** Absent in an older guest. */
  readonly marks?: readonly { readonly text: string; readonly entries: number }[]
  readonly records: readonly { readonly seq: number; readonly at: number; readonly name: string; readonly phase: string }[]
}

/** Entries that are listed; the count covers all. */
const shownPlaces = 20

/** @param how what the person types to erase them */
export function forgetText({ entries, records, marks = [] }: ShownForget, how = '--yes'): string {
  const more = (count: number): string[] => (count > shownPlaces ? [`  … and ${count - shownPlaces} more`] : [])
  return [
    `${entries.length} ${entries.length === 1 ? 'memory' : 'memories'} would be erased:`,
    ...entries.slice(0, shownPlaces).map(({ kind, text }) => `  ${kind}: ${plainLine(text, columns - 4 - kind.length)}`),
    ...more(entries.length),
    ...(marks.length > 0 ? ['Tags and titles would be erased from other memories:'] : []),
    ...marks.slice(0, shownPlaces).map(({ text, entries: count }) => `  ${plainLine(text, columns - 20)} (${count})`),
    ...more(marks.length),
    `The bodies of ${records.length} ${records.length === 1 ? 'record' : 'records'} of the journal would be replaced by hashes:`,
    ...records.slice(0, shownPlaces).map(({ seq, at, name, phase }) => `  ${seq}  ${formatTime(at)}  ${plainLine(name, 40)}, ${phase}`),
    ...more(records.length),
    how === '--yes' ? 'Nothing was changed. Add --yes to erase it for good.' : `Nothing was changed. ${how} erases it for good.`,
  ].join('\n')
}
