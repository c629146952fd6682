/**
 * One lane of `npm test`: runs the test files that its parent (scripts/run-tests.ts) sends, one after another in this process, and
 * reports what happens. Ends when its parent disconnects, whatever a test left open.
 */
import { readFileSync } from 'node:fs'
import { run } from 'node:test'
import { inspect } from 'node:util'

/** What a lane reports. `idle` asks for the next file; a lane that exits before its parent disconnects broke off. */
export type LaneMessage =
  | { readonly type: 'idle'; readonly computedMs: number }
  | { readonly type: 'started'; readonly name: string }
  | {
      readonly type: 'finished'
      readonly name: string
      /** 0 for a test at the top of its file: only these durations are added up. */
      readonly nesting: number
      readonly kind: 'test' | 'suite'
      readonly ms: number
      readonly outcome: 'pass' | 'fail' | 'skip' | 'todo'
      /** The reason of a skip, the error of a failure. */
      readonly text: string
    }
  | { readonly type: 'noted'; readonly text: string }
  /** The tests of a file have ended, but something keeps the process alive. The lane exits, and another one takes its place. */
  | { readonly type: 'left_open'; readonly resources: readonly string[] }

const send = (message: LaneMessage): void => void process.send?.(message)

/** After its last test a file has this long to close what it opened. */
const closingMs = 10_000

/** @returns what this process and those that it has started and seen end have had of a processor: says more than a clock on a busy machine. */
function computedMs(): number {
  const children = process.platform === 'linux' ? readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ').slice(13, 15) : []
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000 + children.reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
}

async function runFile(file: string): Promise<void> {
  const before = computedMs()
  // The run is over when nothing keeps the process alive: the channel to the parent must not.
  process.channel?.unref()
  let pending = 0
  let closing = setTimeout(() => {}, 0)
  for await (const { type, data } of run({ files: [file], isolation: 'none' })) {
    if (type === 'test:enqueue' && data.nesting === 0) pending++
    if (type === 'test:complete' && data.nesting === 0) pending--
    clearTimeout(closing)
    if (pending === 0) closing = setTimeout(giveUp, closingMs).unref()
    if (type === 'test:start') send({ type: 'started', name: data.name })
    else if (type === 'test:diagnostic' && data.file !== undefined) send({ type: 'noted', text: data.message })
    else if (type === 'test:pass' || type === 'test:fail') {
      const error = type === 'test:fail' ? data.details.error : undefined
      send({
        type: 'finished',
        name: data.name,
        nesting: data.nesting,
        kind: data.details.type === 'suite' ? 'suite' : 'test',
        ms: data.details.duration_ms,
        outcome: error !== undefined ? 'fail' : data.skip !== undefined ? 'skip' : data.todo !== undefined ? 'todo' : 'pass',
        text: error !== undefined ? inspect(error.cause ?? error, { depth: 8 }) : typeof data.skip === 'string' ? data.skip : '',
      })
    }
  }
  clearTimeout(closing)
  process.channel?.ref()
  send({ type: 'idle', computedMs: computedMs() - before })
}

function giveUp(): void {
  const resources = process.getActiveResourcesInfo()
  // Nothing is open: this process came late to its timer, and ends by itself.
  if (resources.length > 0) process.send?.({ type: 'left_open', resources } satisfies LaneMessage, () => process.exit(1))
}

process.on('message', (file: string) => void runFile(file))
process.on('disconnect', () => process.exit(0))
send({ type: 'idle', computedMs: 0 })
