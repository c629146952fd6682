/** Reads what stands behind a summary, as steps that can leave the window: a message, or a generation with its results. */
import type { Said, SummaryStep } from '../../memory/index.ts'
import { type MessageCounter, tokensOfAll } from '../../runtime/index.ts'
import type { HistoryRow } from '../../store/index.ts'
import {
  type CallId,
  type ConversationItem,
  type Label,
  type Message,
  type SessionId,
  textOf,
  toolCallsOf,
  unfenced,
} from '../../types/index.ts'
import { toItem } from './fold.ts'
import { type HistoryDeps, historyPages } from './history-pages.ts'

interface ReadSteps {
  /** Oldest first. */
  readonly steps: readonly SummaryStep[]
  /** False when older ones were not read: they never were in a summary. */
  readonly complete: boolean
}

interface OpenStep {
  from: number
  to: number
  through: CallId
  readonly said: Said[]
  readonly messages: Message[]
  readonly labels: Set<Label>
}

/** @param since seq that all are above. @param maxBytes what is read, about; older ones are left unread */
export async function readSteps(
  deps: HistoryDeps & { readonly counter: MessageCounter },
  session: SessionId,
  since: number,
  maxBytes: number,
): Promise<ReadSteps> {
  const rows: HistoryRow[] = []
  let bytes = 0
  let complete = true
  read: for await (const page of historyPages(deps, session)) {
    for (const row of page) {
      if (row.seq <= since) break read
      if (bytes > maxBytes) {
        complete = false
        break read
      }
      rows.push(row)
      bytes += row.body.length
    }
  }
  const open = stepsOf(rows.reverse())
  await deps.counter.count(open.flatMap(({ messages }) => messages))
  const steps = open.map(({ messages, labels, ...step }) => ({
    ...step,
    labels: [...labels].sort(),
    tokens: tokensOfAll(messages, deps.counter),
  }))
  return { steps, complete }
}

function stepsOf(rows: readonly HistoryRow[]): readonly OpenStep[] {
  const steps: OpenStep[] = []
  const generations = new Map<CallId, Message>()
  for (const row of rows) {
    const body = JSON.parse(row.body) as { readonly labels?: readonly Label[] }
    const item = toItem({ ...row, body }, (call) => {
      const message = generations.get(call)
      return message?.role === 'assistant' ? message : undefined
    })
    if (item === null) continue
    generations.set(item.call, item.message)
    const last = steps.at(-1)
    // What a turn said as it failed has the call of the message: they leave together, so that a call names one place.
    const belongs = last !== undefined && (item.message.role === 'tool' || item.call === last.through)
    const step = belongs ? last : { from: row.seq, to: row.seq, through: item.call, said: [], messages: [], labels: new Set<Label>() }
    if (!belongs) steps.push(step)
    step.to = Math.max(step.to, row.seq)
    step.through = item.call
    step.said.push({ seq: row.seq, ...whatWasSaid(item) })
    step.messages.push(item.message)
    for (const label of body.labels ?? []) step.labels.add(label)
  }
  return steps
}

/** What memory has found may be by anybody: without the line before its fence, and without the fence. */
function recalledText(text: string): string {
  return unfenced(text.slice(text.indexOf('\n') + 1))
}

export function whatWasSaid({ message }: Pick<ConversationItem, 'message'>): Pick<Said, 'who' | 'text'> {
  if (message.role === 'tool') return { who: 'tool', text: `${message.parts[0].name}: ${unfenced(message.parts[0].text)}` }
  if (message.role === 'user' && message.recalled === true) return { who: 'tool', text: `memory_recall: ${recalledText(textOf(message))}` }
  if (message.role === 'user') return { who: 'person', text: textOf(message) }
  const calls = toolCallsOf(message).map(({ name, arguments: args }) => `[${name} ${args}]`)
  return { who: 'agent', text: [textOf(message), ...calls].filter((part) => part !== '').join('\n') }
}
