/** What an agent has said of one task, as far as it is kept: its state, its artifacts and its messages. */
import { type Json, OxbowError } from '../../base/index.ts'
import type { RemoteEvent, RemotePart, RemoteState } from './a2a-client.ts'
import { maxArtifacts, maxEvents, maxFileBytes, maxFiles, maxTextChars } from './limits.ts'

export interface RemoteFile {
  readonly name: string
  readonly mediaType: string
  readonly bytes: Buffer
}

export interface RemoteTask {
  readonly state: RemoteState
  readonly task: string
  readonly context: string
  readonly text: string
  /** The first value among its artifacts; undefined: none. */
  readonly value: Json | undefined
  readonly files: readonly RemoteFile[]
}

export interface TaskFold {
  /** @throws OxbowError `limit_reached` for an agent that floods */
  take(event: RemoteEvent): void
  task(): string
  /** How many have come. */
  events(): number
  /** It has ended for good. */
  isEnded(): boolean
  /** It has ended, or waits for us. */
  isOver(): boolean
  /** The end of what has come since the last time, for people who watch; empty: nothing new. */
  progress(): string
  result(): RemoteTask
}

const ended: ReadonlySet<RemoteState> = new Set(['completed', 'failed', 'canceled', 'rejected'])
const waiting: ReadonlySet<RemoteState> = new Set(['input_required', 'auth_required'])
const progressChars = 500

export function createTaskFold(known: { readonly task: string; readonly context: string }): TaskFold {
  const artifacts = new Map<string, readonly RemotePart[]>()
  let { task, context } = known
  let state: RemoteState = 'unknown'
  let message: readonly RemotePart[] = []
  let count = 0
  let chars = 0
  let fresh = ''

  const put = (id: string, parts: readonly RemotePart[], append: boolean): void => {
    const before = append ? (artifacts.get(id) ?? []) : []
    if (!artifacts.has(id) && artifacts.size >= maxArtifacts) throw flooding(`more than ${maxArtifacts} artifacts`)
    chars += sizeOf(parts) - (append ? 0 : sizeOf(artifacts.get(id) ?? []))
    if (chars > maxTextChars + maxFiles * maxFileBytes) throw flooding('more than can be kept')
    artifacts.set(id, joined(before, parts))
  }
  return {
    take(event) {
      count += 1
      if (count > maxEvents) throw flooding(`more than ${maxEvents} events`)
      // An agent that answers for another task is not listened to.
      if (task !== '' && event.task !== '' && event.task !== task) return
      task = task === '' ? shortId(event.task) : task
      context = event.context === '' ? context : shortId(event.context)
      if (event.whole) {
        artifacts.clear()
        chars = 0
      }
      for (const { id, parts } of event.artifacts) put(id, parts, event.append)
      fresh = event.whole ? '' : textOf(event.artifacts.flatMap(({ parts }) => parts))
      // What follows the end changes nothing.
      if (event.state !== null && !ended.has(state)) {
        state = event.state
        message = event.message
      }
      if (event.isReply) {
        state = 'completed'
        message = event.message
      }
    },
    task: () => task,
    events: () => count,
    isEnded: () => ended.has(state),
    isOver: () => ended.has(state) || waiting.has(state),
    progress: () => fresh.slice(-progressChars),
    result() {
      const parts = [...artifacts.values()].flat()
      const all = parts.length > 0 && state === 'completed' ? parts : [...parts, ...message]
      return {
        state,
        task,
        context,
        text: textOf(all).slice(0, maxTextChars).toWellFormed(),
        value: all.find((part) => part.kind === 'value')?.value,
        files: all
          .flatMap((part) => (part.kind === 'bytes' && part.bytes.length <= maxFileBytes ? [{ ...part }] : []))
          .slice(0, maxFiles)
          .map(({ name, mediaType, bytes }) => ({ name, mediaType, bytes })),
      }
    },
  }
}

/** Texts that follow each other in an artifact are one: agents stream a word at a time. */
function joined(before: readonly RemotePart[], parts: readonly RemotePart[]): readonly RemotePart[] {
  const all = [...before]
  for (const part of parts) {
    const last = all.at(-1)
    if (last?.kind === 'text' && part.kind === 'text') all[all.length - 1] = { kind: 'text', text: last.text + part.text }
    else all.push(part)
  }
  return all
}

function textOf(parts: readonly RemotePart[]): string {
  const texts = parts.flatMap((part) => {
    if (part.kind === 'text') return part.text
    if (part.kind === 'value') return JSON.stringify(part.value)
    return part.kind === 'link' ? `[link ${part.url}]` : []
  })
  return texts.join('\n')
}

function sizeOf(parts: readonly RemotePart[]): number {
  return parts.reduce((sum, part) => sum + (part.kind === 'bytes' ? part.bytes.length : textOf([part]).length), 0)
}

/** Ids of others are kept and sent back, never run. */
function shortId(id: string): string {
  if (id.length <= 200 && /^[\x20-\x7e]*$/.test(id)) return id
  throw new OxbowError('tool_failed', 'The agent names its task by an id that is not a short text.', {
    hint: 'It does not follow A2A: report it to its maker, and continue without it.',
    data: { hostile: true },
  })
}

function flooding(what: string): OxbowError {
  return new OxbowError('limit_reached', `The agent has sent ${what}.`, { hint: 'Ask it for less at once.', data: { hostile: true } })
}
